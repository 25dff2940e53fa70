"""What a client says over `graphql-transport-ws`, read strictly: a message that is not exactly one of these five ends the connection.

Reading never raises, whatever the bytes: a client must not be able to fill our logs with tracebacks.
"""

from typing import Any

import msgspec
from msgspec import Struct

from runtime.live.limits import Limits
from runtime.live.requests import Request

REASON_BYTES_MAX = 123  # RFC 6455 5.5: a control frame holds 125 bytes, the code takes 2
ID_CHARACTERS_MAX = 256  # an id goes out with every `next`, and is a key of a stateless gateway's table (DynamoDB: 1,024 bytes)
NESTING_MAX = 100  # of the JSON: whoever walks it later may do so recursively


class Violation(Struct, frozen=True):
    """Why a connection ends: its close code and reason (123 bytes at most)."""

    code: int
    reason: str


INVALID = Violation(4400, "Invalid message received")
TOO_BIG = Violation(1009, "Message too big")


class Init(Struct, frozen=True):
    """`connection_init`."""

    payload: dict[str, Any] | None = None


class Ping(Struct, frozen=True):
    """`ping`."""

    payload: dict[str, Any] | None = None


class Pong(Struct, frozen=True):
    """`pong`."""

    payload: dict[str, Any] | None = None


class Subscribe(Struct, frozen=True):
    """`subscribe`: a query, mutation or subscription begins."""

    id: str
    request: Request


class Complete(Struct, frozen=True):
    """`complete`: the client wants no more of an operation."""

    id: str


type Message = Init | Ping | Pong | Subscribe | Complete


def reason(text: str) -> str:
    """A close reason cut to what a close frame holds."""
    return text.encode("utf-8", "replace")[:REASON_BYTES_MAX].decode("utf-8", "ignore")


def parse(data: str | bytes, limits: Limits) -> Message | Violation:
    """The message in a frame, text or binary; never raises. Bigger than `limits.message_bytes`: 1009, before it is parsed."""
    if len(data) > limits.message_bytes:
        return TOO_BIG
    try:
        raw = data.encode() if isinstance(data, str) else data
        message = TOO_BIG if len(raw) > limits.message_bytes else decoded(raw)
    except ValueError:
        return INVALID
    if isinstance(message, Violation):
        return message
    return _message(message) if isinstance(message, dict) else INVALID


def decoded(raw: bytes) -> object:
    """JSON; ValueError when it is not UTF-8, not JSON, or nested deeper than NESTING_MAX. The last of a repeated key counts."""
    try:
        value = msgspec.json.decode(raw)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not shallow(raw, value):
        raise ValueError("nested too deeply")
    return value


def shallow(raw: bytes, value: object) -> bool:
    """Whether JSON nests no deeper than NESTING_MAX; brackets are counted first, since that alone answers for nearly all."""
    if raw.count(b"[") + raw.count(b"{") <= NESTING_MAX:
        return True
    level = [value]
    for _ in range(NESTING_MAX + 1):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return True
    return False


def _inside(value: object) -> list[object]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [each for each in inner if isinstance(each, dict | list)]


def _message(message: dict[str, Any]) -> Message | Violation:
    payload = message.get("payload")
    match message.get("type"):
        case "connection_init" if _object(payload):
            return Init(payload)
        case "ping" if _object(payload):
            return Ping(payload)
        case "pong" if _object(payload):
            return Pong(payload)
        case "complete" if _usable(message.get("id")):
            return Complete(message["id"])
        case "subscribe" if _usable(message.get("id")):
            request = request_of(payload)
            return INVALID if request is None else Subscribe(message["id"], request)
        case _:
            return INVALID


def request_of(payload: object) -> Request | None:
    """The GraphQL request in a `subscribe` payload or an HTTP body; None when a member is missing or of another type."""
    if not isinstance(payload, dict):
        return None
    query, name = payload.get("query"), payload.get("operationName")
    variables, extensions = payload.get("variables"), payload.get("extensions")
    if not isinstance(query, str) or not (name is None or isinstance(name, str)):
        return None
    if not _object(variables) or not _object(extensions):
        return None
    return Request(query, name, variables, extensions)


def _object(value: object) -> bool:
    return value is None or isinstance(value, dict)


def _usable(id: object) -> bool:
    return isinstance(id, str) and 0 < len(id) <= ID_CHARACTERS_MAX
