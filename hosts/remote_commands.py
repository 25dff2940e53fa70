"""Commands carried out elsewhere: the gateway's mutations as POSTs to the command functions, so that those scale and fail on their own.

The caller's own token goes along, so that the command function decides for itself; the gateway has no rights that its callers lack.
"""

import http.client
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec

from runtime.domain import App, Command
from runtime.errors import Conflict, KeyReused, LimitExceeded, Malformed, Rejected, Stopped, TrimaranError, Unavailable
from runtime.flow.world import WORLD
from runtime.live.errors import Forbidden, Unauthenticated
from runtime.ports import Answer

TIMEOUT_S = 15.0  # above the command path's own deadline, which is 10


class _Told(msgspec.Struct):
    error: str = ""
    code: str = ""


class _Answered(msgspec.Struct):
    stream: str
    first: int
    last: int
    replayed: bool


ERRORS: dict[str, type[Rejected]] = {
    "UNAUTHENTICATED": Unauthenticated,
    "FORBIDDEN": Forbidden,
    "BAD_INPUT": Malformed,
    "REJECTED": Rejected,
}


BARE: dict[int, type[Rejected]] = {401: Unauthenticated, 403: Forbidden, 400: Malformed, 413: Malformed}


class RemoteCommands:
    """Sends to `POST <url>/commands`; a connection a thread, opened again when the other side closed it."""

    def __init__(self, app: App, url: str, token: Callable[[], str]) -> None:
        self._app, self._token = app, token
        parts = urlsplit(url)
        self._path = f"{parts.path.rstrip('/')}/commands"
        self._secure, self._where = parts.scheme == "https", parts.netloc
        self._kept = threading.local()
        self._opened: list[http.client.HTTPConnection] = []  # by every thread; there are few of them, and they stay

    def send(self, command: Command, key: str, tenant: str, trace: str) -> Answer:
        """Raises what the command path raises; a request that got no answer is `Unavailable`, in doubt."""
        key = key or WORLD.token()  # so that asking again after a broken connection is safe
        headers = {"Content-Type": "application/json", "Idempotency-Key": key, "Tenant": tenant, "traceparent": trace}
        if token := self._token():
            headers["Authorization"] = f"Bearer {token}"
        status, body = self._asked(self._app.encode(command), {name: value for name, value in headers.items() if value})
        if status == 200:
            answered = msgspec.json.decode(body, type=_Answered)
            return Answer(answered.stream, answered.first, answered.last, replayed=answered.replayed)
        raise _error(status, body, key)

    def close(self) -> None:
        """Hang up; nothing is sent any more."""
        for connection in self._opened:
            connection.close()

    def _asked(self, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        for fresh in (False, True):
            connection = self._connection(fresh=fresh)
            try:
                connection.request("POST", self._path, body, headers)
                response = connection.getresponse()
                return response.status, response.read()
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                connection.close()  # most likely an idle connection that the other side had closed; the key makes a repeat harmless
                if fresh:
                    raise Unavailable("the command function hung up", in_doubt=True) from None
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                raise Unavailable(f"the command function does not answer ({type(error).__name__})", in_doubt=True) from None
        raise AssertionError("the second try returns or raises")

    def _connection(self, *, fresh: bool) -> http.client.HTTPConnection:
        kept: http.client.HTTPConnection | None = getattr(self._kept, "connection", None)
        if kept is None or fresh:
            kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
            if kept is not None:
                self._opened.remove(kept)
            kept = self._kept.connection = kind(self._where, timeout=TIMEOUT_S)
            self._opened.append(kept)
        return kept


def _error(status: int, body: bytes, key: str) -> TrimaranError:
    try:
        told = msgspec.json.decode(body, type=_Told)
    except msgspec.MsgspecError:
        told = _Told()
    text = told.error or f"the command function answered {status}"
    match told.code:
        case "KEY_REUSED":
            return _said(KeyReused("", key), text)
        case "LIMIT_EXCEEDED":
            return _said(LimitExceeded("", 0, 0, ""), text)
        case "CONFLICT":
            return _said(Conflict("", 0, 0), text)
        case "STOPPED":
            return Stopped(text)
        case code if code in ERRORS:
            return ERRORS[code](text)
        case _ if status in BARE:  # a gateway in between that knows no codes
            return BARE[status](text)
        case _:
            return Unavailable(text, in_doubt=status >= 500)


def _said[E: TrimaranError](error: E, text: str) -> E:
    """The same kind of error with the text that was told over there."""
    error.args = (text,)
    return error
