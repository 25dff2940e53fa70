"""Loopback addresses of a cluster's own: 127.B.0.0/16 for a block B that no other cluster on this machine uses.

Pods and services get an address each, so that all of them can listen on the ports that they declare. A block is taken by
listening on an address inside it, which ends with the process, however that ends.
"""

import contextlib
import socket
from collections.abc import Iterator

FIRST, LAST = 16, 254
LOCK_PORT = 47
PER_LINE = 250


@contextlib.contextmanager
def block() -> Iterator[int]:
    """A block of this process alone while the context is open; raises `OSError` when all are taken."""
    for number in range(FIRST, LAST):
        lock = socket.socket()
        lock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with lock:
            try:
                lock.bind((f"127.{number}.255.254", LOCK_PORT))
                lock.listen(1)
            except OSError:
                continue
            yield number
            return
    raise OSError(f"no loopback block is free: {LAST - FIRST} clusters run on this machine")


def pod(block: int, number: int) -> str:
    """The address of the pod `number`, counted from 0, at most 50,000 in a cluster."""
    return f"127.{block}.{number // PER_LINE}.{number % PER_LINE + 1}"


def service(block: int, number: int) -> str:
    """The address of the service `number`, counted from 0, at most 1,000 in a cluster."""
    return f"127.{block}.{250 + number // PER_LINE}.{number % PER_LINE + 1}"
