"""Appends for tests of event stores; light enough for a child process that is started many times."""

import hashlib
import itertools

from runtime.ports import Append, EventStore, New

_keys = itertools.count(1)


def append(stream: str, expected: int, *datas: str, key: str = "", digest: bytes = b"") -> Append:
    """An append of these events; a fresh key unless told, and a digest that depends on the events."""
    events = tuple(New("Noted", data.encode()) for data in datas)
    digest = digest or hashlib.sha256("|".join(datas).encode()).digest()
    return Append(stream, expected, events, key or f"key-{next(_keys)}", digest, "cause-1@1", "00-trace-01", "2026-01-01T00:00:00Z")


def fill(store: EventStore, stream: str, count: int, first: int = 0) -> None:
    """Bring a stream from version `first` to `first + count`, one event per append."""
    for reply in store.append_all([append(stream, version, f"{stream}@{version + 1}") for version in range(first, first + count)]):
        if isinstance(reply, Exception):
            raise reply
