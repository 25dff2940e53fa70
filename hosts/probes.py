"""What a supervisor asks of a process, on a port of its own and a thread of its own: `GET /live`, `/ready`, `/load`, as JSON over plain HTTP.

environment            meaning                                                                      default
TRIMARAN_PROBES        port, on TRIMARAN_HOST; one number for every role of an image               none: nothing is opened
TRIMARAN_WEDGED_S      after how long without getting on /live answers 503                          60 (hosts.vitals)

It answers as soon as the process begins, before stores are opened, and does not share the thread of what it watches. The standard library's
`http.server` would add its import to every start (40 ms), so the little that a probe needs of HTTP is here: one request a connection,
bounded in size, time and number, so that whoever can reach the port cannot hold more than a few threads.
"""

import os
import socket
import threading
from collections.abc import Callable, Mapping

import msgspec

from hosts.listening import listening
from hosts.vitals import VITALS, Health, Vitals
from runtime.errors import Misconfigured

HEAD_BYTES = 8 * 1024
HEAD_S = 2.0
AT_ONCE = 16  # probes are few; what comes beyond is hung up on

type Route = Callable[[], Health]


class Probes:
    """Listens from `start` on; port 0 takes any free one."""

    def __init__(self, host: str, port: int, vitals: Vitals = VITALS) -> None:
        """Raises `Misconfigured` for an address that cannot be had."""
        self._socket = listening(host, port, ways="TRIMARAN_PROBES or TRIMARAN_HOST")
        self.port: int = self._socket.getsockname()[1]
        self._routes: Mapping[str, Route] = {"/live": vitals.live, "/ready": vitals.ready, "/load": lambda: _load(vitals)}
        self._places = threading.Semaphore(AT_ONCE)
        self._thread = threading.Thread(target=self._accept, name="probes", daemon=True)

    def start(self) -> None:
        """Answer from now on, until the process ends or `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Listen no more."""
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                if self._socket.fileno() == -1:
                    return
                threading.Event().wait(0.1)  # no more files, perhaps: it may get better
                continue
            if self._places.acquire(blocking=False):
                threading.Thread(target=self._answer, args=(connection,), name="probe", daemon=True).start()
            else:
                connection.close()

    def _answer(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(HEAD_S)
                connection.sendall(self._reply(_first_line(connection)))
        except OSError:
            return  # gone, or too slow
        finally:
            self._places.release()

    def _reply(self, line: str) -> bytes:
        method, _, rest = line.partition(" ")
        route = self._routes.get(rest.partition(" ")[0].partition("?")[0])
        if route is None or not rest.rpartition(" ")[2].startswith("HTTP/"):
            return _http(404, {"failure": f"there is {', '.join(self._routes)}"})
        if method not in ("GET", "HEAD"):
            return _http(405, {"failure": "use GET"})
        well, told = route()
        return _http(200 if well else 503, told, bare=method == "HEAD")


def serve_probes(host: str, vitals: Vitals = VITALS) -> Probes | None:
    """Start answering where TRIMARAN_PROBES says so. Raises `Misconfigured`."""
    vitals.wedged_s = seconds("WEDGED_S", vitals.wedged_s, least=1.0)
    text = os.environ.get("TRIMARAN_PROBES", "").strip()
    if not text:
        return None
    if not text.isdigit() or int(text) > 65_535:
        raise Misconfigured(f"TRIMARAN_PROBES={text!r} is not a port: a number from 0 to 65535 (0: any free one)")
    probes = Probes(host, int(text), vitals)
    probes.start()
    return probes


def seconds(name: str, default: float, *, least: float = 0.0, most: float = 3_600.0) -> float:
    """A duration of the environment, TRIMARAN_<name>. Raises `Misconfigured`."""
    text = os.environ.get(f"TRIMARAN_{name}", "").strip()
    try:
        told = float(text) if text else default
    except ValueError:
        told = -1.0
    if not least <= told <= most:
        raise Misconfigured(f"TRIMARAN_{name}={text!r}: say seconds from {least:g} to {most:g}")
    return told


def _load(vitals: Vitals) -> Health:
    if vitals.load is None:
        return False, {"failure": "this process does not tell its load"}
    try:
        return True, dict(vitals.load())
    except TimeoutError:
        return False, {"failure": "the event loop does not answer"}


def _first_line(connection: socket.socket) -> str:
    """Of a request's head, all of which is read: a socket that is closed with something unread resets what was sent."""
    head = b""
    while b"\r\n\r\n" not in head and len(head) < HEAD_BYTES:
        more = connection.recv(HEAD_BYTES)
        if not more:
            break
        head += more
    return head.partition(b"\r\n")[0].decode("latin-1")


STATUS = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


def _http(status: int, content: object, *, bare: bool = False) -> bytes:
    body = msgspec.json.encode(content)
    head = (
        f"HTTP/1.1 {status} {STATUS[status]}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (b"" if bare else body)
