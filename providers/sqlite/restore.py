"""Import into the SQLite event store: versions are kept, what is there is skipped, a difference or a hole is refused.

Its own module because a command never needs it.
"""

import sqlite3
from collections.abc import Sequence

from providers.sqlite.events import ADD_EVENT, ADD_KEY, ADD_PENDING, ADD_STREAM, RECORDED, head
from runtime.errors import Conflict, KeyReused
from runtime.ports import KeptKey, Recorded


def restore(connection: sqlite3.Connection, events: Sequence[Recorded], keys: Sequence[KeptKey]) -> None:
    """Store what is not there yet. Raises before the first write: reads everything it needs first."""
    heads = {stream: head(connection, stream) for stream in {event.stream for event in events}}
    fresh: dict[tuple[str, int], Recorded] = {}
    firsts: dict[str, int] = {}
    for event in events:
        stream, version, stands_at = event.stream, event.version, heads[event.stream]
        if version == stands_at + 1:
            heads[stream] = version
            fresh[stream, version] = event
            firsts.setdefault(stream, version)
        elif version > stands_at or (fresh.get((stream, version)) or _stored(connection, stream, version)) != event:
            raise Conflict(stream, version - 1, stands_at)
    fresh_keys = _fresh_keys(connection, keys)
    rows = ([getattr(event, field) for field in Recorded.__struct_fields__] for event in fresh.values())
    connection.executemany(ADD_EVENT, rows)
    connection.executemany(ADD_STREAM, ((stream,) for stream in firsts))
    connection.executemany(ADD_PENDING, firsts.items())
    connection.executemany(ADD_KEY, ((key.stream, key.key, key.digest, key.first, key.last, key.epoch) for key in fresh_keys))


def _fresh_keys(connection: sqlite3.Connection, keys: Sequence[KeptKey]) -> list[KeptKey]:
    fresh: dict[tuple[str, str], KeptKey] = {}
    for key in keys:
        place = (key.stream, key.key)
        kept = fresh.get(place) or _kept(connection, *place)
        if kept is None:
            fresh[place] = key
        elif kept.digest != key.digest:
            raise KeyReused(key.stream, key.key)
        elif kept != key:
            raise Conflict(key.stream, key.last, kept.last)
    return list(fresh.values())


def _stored(connection: sqlite3.Connection, stream: str, version: int) -> Recorded | None:
    row = connection.execute(f"SELECT {RECORDED} FROM events WHERE stream = ? AND version = ?", (stream, version)).fetchone()
    return Recorded(*row) if row else None


def _kept(connection: sqlite3.Connection, stream: str, key: str) -> KeptKey | None:
    sql = "SELECT stream, key, digest, first, last, epoch FROM keys WHERE stream = ? AND key = ?"
    row = connection.execute(sql, (stream, key)).fetchone()
    return KeptKey(*row) if row else None
