"""Whether anybody listens at a URL's addresses: for servers that a loop may not have talked to for a while, or is still waiting for.

A Kafka consumer that polls a dead broker gets nothing, as it does from an idle one; an idle relay asks the bus nothing at all, and asks a
database that is gone for half a minute. So a probe knocks, at most once a second whoever asks how often. A server that hangs with its port
open is not seen by this, but by the first round that needs it. A file has no address and is always there.
"""

import re
import socket
import threading
import time

from hosts.vitals import Health

AGAIN_S = 1.0
KNOCK_S = 1.0
PORTS = {"postgresql": 5_432, "postgres": 5_432, "kafka": 9_092}
ADDRESS = re.compile(r"(?P<name>\[[^\]]+\]|[^:\[\]]+)(?::(?P<port>\d+))?")


class Reach:
    """Callable as a `Health`; `what` names it in the failure, its addresses stay out of that."""

    def __init__(self, url: str, what: str) -> None:
        self._addresses = addresses(url)
        self._failure = f"{what} does not answer"
        self._lock = threading.Lock()
        self._looked: tuple[float, bool] = (float("-inf"), True)

    def __call__(self) -> Health:
        """Whether one of them is there."""
        with self._lock:
            at, there = self._looked
            if time.monotonic() - at >= AGAIN_S:
                there = not self._addresses or any(_listens(host, port) for host, port in self._addresses)
                self._looked = time.monotonic(), there
        return there, {"failure": None if there else self._failure}


def addresses(url: str) -> list[tuple[str, int]]:
    """Hosts and ports of a server's URL; none for a file, a socket of this machine, or what is said in the URL's options."""
    scheme, _, rest = url.partition("://")
    authority = rest.partition("?")[0].partition("/")[0].rpartition("@")[2]
    found = [ADDRESS.fullmatch(one) for one in authority.split(",")]
    return [(one["name"].strip("[]"), int(one["port"] or PORTS[scheme])) for one in found if one and scheme in PORTS]


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=KNOCK_S).close()
    except OSError:
        return False
    return True
