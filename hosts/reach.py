"""Whether anybody listens at a URL's addresses: for a bus, whose client hides an outage while there is nothing to say to it.

A Kafka consumer that polls a dead broker gets nothing, as it does from an idle one, and an idle relay asks the bus nothing at all. So a
probe knocks, at most once a second whoever asks how often. A broker that hangs with its port open is not seen by this, but by the first
round that needs it.
"""

import socket
import threading
import time

from hosts.vitals import Health

AGAIN_S = 1.0
KNOCK_S = 1.0


class Reach:
    """Callable as a `Health`; `what` names it in the failure, its addresses stay out of that."""

    def __init__(self, url: str, what: str) -> None:
        authority = url.partition("://")[2].partition("?")[0].partition("/")[0].rpartition("@")[2]
        self._addresses = [(host.strip("[]"), int(port)) for host, _, port in (one.rpartition(":") for one in authority.split(","))]
        self._failure = f"{what} does not answer"
        self._lock = threading.Lock()
        self._looked: tuple[float, bool] = (float("-inf"), True)

    def __call__(self) -> Health:
        """Whether one of them is there."""
        with self._lock:
            at, there = self._looked
            if time.monotonic() - at >= AGAIN_S:
                there = any(_listens(host, port) for host, port in self._addresses)
                self._looked = time.monotonic(), there
        return there, {"failure": None if there else self._failure}


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=KNOCK_S).close()
    except OSError:
        return False
    return True
