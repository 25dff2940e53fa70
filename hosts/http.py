"""A plain HTTP face of the command path and the rows, on the standard library's server: for one machine, behind nothing.

    POST /commands        a tagged JSON command; headers Idempotency-Key, Tenant, traceparent, Authorization
                          200 {"token","stream","first","last","replayed"} · 400 malformed or rejected · 401, 403 · 409 conflict, key reused · 503
    GET  /rows/<part>     ?first=&cursor=                    a page
    GET  /rows/<part>     ?key=&after=<token>                one row, not older than the token
    GET  /health          200 {"app","lag","failure"} · 503 when a part of the process has stopped

Errors are {"error", "code"}, with the codes of GraphQL errors. The GraphQL gateway is for clients; this is for people with curl and for
function hosts. Callers are told apart where an admission is given; without one this answers programs of one machine.
"""

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from runtime.domain import App
from runtime.domain.filters import Query
from runtime.domain.rows import as_json
from runtime.errors import Conflict, KeyReused, Malformed, Misconfigured, Rejected, Stopped, Unavailable
from runtime.flow.command import Commands
from runtime.flow.reading import Reading
from runtime.live.errors import AWAY, Forbidden, Unauthenticated, code_of
from runtime.steps import run

if TYPE_CHECKING:  # costs the import of a token library
    from hosts.admission import Admission

BODY_MAX = 4 * 1024 * 1024  # bytes; a command that fits no append is refused before it is parsed
IDLE_S = 30.0
FAULT = "a fault of ours: the log of the process says which"

type Reply = tuple[int, object]
type Health = Callable[[], tuple[bool, dict[str, Any]]]


class Face:
    """What the server answers, without the server."""

    def __init__(
        self, app: App, commands: Commands | None, reading: Reading | None, health: Health, admission: "Admission | None" = None
    ) -> None:
        self._app, self._commands, self._reading, self._health, self._admission = app, commands, reading, health, admission

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Carry out a command."""
        commands = self._commands
        if path != "/commands" or commands is None:
            return 404, {"error": f"there is no POST {path}" + (": POST /commands" if commands else "")}

        def work() -> object:
            command = self._app.commands.decode(body)
            tenant = headers.get("tenant", "") if self._admission is None else self._admission.tenant(command, headers)
            key, trace = headers.get("idempotency-key", ""), headers.get("traceparent", "")
            answer = commands.send(command, key, tenant, "", trace)
            fields = {name: getattr(answer, name) for name in ("stream", "first", "last", "replayed")}
            return {"token": answer.token} | fields

        return replied(work, masked=self._admission is not None)

    def get(self, target: str) -> Reply:
        """Read rows, or say how things are."""
        parts = urlsplit(target)
        if parts.path == "/health":
            well, told = self._health()
            return 200 if well else 503, told
        if parts.path.startswith("/rows/") and self._reading is not None:
            asked = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
            part = unquote(parts.path.removeprefix("/rows/"))
            reading = self._reading
            return replied(lambda: one_row(reading, part, asked) if "key" in asked else page_of(reading, part, asked))
        return 404, {"error": f"there is no GET {parts.path}: GET /health" + (", GET /rows/<part>" if self._reading else "")}


def replied(work: Callable[[], object], *, masked: bool = False) -> Reply:
    """The status that stands for how work went; errors as one line of text, `masked` where strangers must not learn what we work on."""
    try:
        return 200, work()
    except (Rejected, Conflict, Unavailable, Stopped) as error:
        return refused(error, masked=masked)


def refused(error: Exception, *, masked: bool = False) -> Reply:
    """An error of the tree; texts of stores name hosts and databases."""
    text = AWAY if masked and isinstance(error, Unavailable) else FAULT if masked and isinstance(error, Misconfigured) else str(error)
    return status_of(error), {"error": text, "code": code_of(error)}


def status_of(error: Exception) -> int:
    """The HTTP status of an error of the tree."""
    match error:
        case Unauthenticated():
            return 401
        case Forbidden():
            return 403
        case Conflict() | KeyReused():
            return 409
        case Rejected():
            return 400
        case _:
            return 503


def one_row(reading: Reading, part: str, asked: Mapping[str, str]) -> object:
    """One row by its key."""
    known(asked, ("key", "after", "tenant"))
    read = run(reading.get(part, asked["key"], tenant=asked.get("tenant", ""), after=asked.get("after", "")))
    return {"row": read.row, "revision": [read.generation, read.revision], "stale": read.stale, "parked": read.parked}


def page_of(reading: Reading, part: str, asked: Mapping[str, str]) -> object:
    """A page of rows in key order."""
    known(asked, ("first", "cursor", "tenant"))
    first = asked.get("first", "100")
    if not first.isdigit() or not 1 <= int(first) <= 1_000:
        raise Malformed(f"first={first!r}: a number from 1 to 1,000")
    columns = reading.columns(part).columns
    _, page = run(reading.query(part, Query(first=int(first), cursor=asked.get("cursor", ""), tenant=asked.get("tenant", ""))))
    return {"rows": [as_json(columns, row.values) for _, row in page.rows], "cursor": page.cursor}


def known(asked: Mapping[str, str], names: tuple[str, ...]) -> None:
    """`Malformed` names a parameter that nobody reads."""
    for name in asked:
        if name not in names:
            raise Malformed(f"parameter {name!r} is not known here: {', '.join(names)}")


class Server:
    """The face behind a socket, on a thread of its own; port 0 takes any free one."""

    def __init__(self, face: Face, host: str, port: int) -> None:
        try:
            self._server = _Server((host, port), _handler(face))
        except PermissionError:
            raise Misconfigured(
                f"port {port} on {host} needs rights that this user does not have: choose one above 1023 with --port"
            ) from None
        except (OSError, OverflowError) as error:
            raise Misconfigured(f"cannot listen on {host}:{port} ({_line(error)}): choose another with --port or --host") from None
        self.port: int = self._server.server_address[1]
        self.url = f"http://{host}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="http", daemon=True)

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the requests in hand."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


def _line(error: Exception) -> str:
    return "in use" if getattr(error, "errno", 0) == 98 else getattr(error, "strerror", None) or str(error)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def _handler(face: Face) -> type[BaseHTTPRequestHandler]:
    class Request(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = IDLE_S

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if not length.isdigit() or int(length) > BODY_MAX:
                self.close_connection = True
                self._reply(413 if length.isdigit() else 411, {"error": f"send Content-Length, at most {BODY_MAX:,}"})
                return
            body = self.rfile.read(int(length))
            self._reply(*face.post(self.path, body, {name.lower(): value for name, value in self.headers.items()}))

        def do_GET(self) -> None:
            self._reply(*face.get(self.path))

        def _reply(self, status: int, content: object) -> None:
            body = msgspec.json.encode(content)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Not on the terminal, which belongs to the board."""

    return Request
