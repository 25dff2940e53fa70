"""The messages that a server sends, as text: built from finished pieces, since one change may go out to thousands of sockets.

{"id":"1","type":"next","payload":   {"data":…}   }
└── head: once per operation         └── once per cohort, shared by all its clients
"""

import json
from typing import Any

import msgspec

from runtime.live.wire.messages import Violation, reason

PING = '{"type":"ping"}'


def as_json(value: Any) -> bytes:
    """JSON of a response. What msgspec does not take (a lone surrogate, a foreign type) is written the slow way, as text where nothing else fits."""
    try:
        return msgspec.json.encode(value)
    except (ValueError, TypeError):
        return json.dumps(value, default=str, skipkeys=True, separators=(",", ":")).encode()


def head(id: str) -> str:
    """How every `next` of an operation begins."""
    return f'{{"id":{_text(id)},"type":"next","payload":'


def next_frame(id: str, payload: bytes) -> str:
    """One result of an operation."""
    return f"{head(id)}{payload.decode()}}}"


def error(id: str, errors: list[dict[str, Any]]) -> str:
    """The operation is over, without results."""
    return f'{{"id":{_text(id)},"type":"error","payload":{as_json(errors).decode()}}}'


def complete(id: str) -> str:
    """The operation is over."""
    return f'{{"id":{_text(id)},"type":"complete"}}'


def ack(payload: dict[str, Any] | None = None) -> str:
    """The connection is ready; no payload, no key."""
    return _with_payload("connection_ack", payload)


def ping(payload: dict[str, Any] | None = None) -> str:
    """Is anybody there?"""
    return _with_payload("ping", payload)


def pong(payload: dict[str, Any] | None = None) -> str:
    """The answer to a ping, with what it carried."""
    return _with_payload("pong", payload)


def closing(violation: Violation) -> str:
    """The in-band frame for gateways that cannot send a close code: clients end for good on a type that they do not know, and show it."""
    return f'{{"type":{_text(reason(f"{violation.code}: {violation.reason}"))}}}'


def _with_payload(type: str, payload: dict[str, Any] | None) -> str:
    return f'{{"type":"{type}"}}' if payload is None else f'{{"type":"{type}","payload":{as_json(payload).decode()}}}'


def _text(value: str) -> str:
    return as_json(value).decode()
