"""Import into the PostgreSQL event store: versions are kept, what is there is skipped, a difference or a hole is refused.

One transaction that holds the rows of the streams it touches, in stream order, so appends to them wait and no two imports block
each other.
"""

from collections.abc import Sequence
from typing import Any

from providers.postgres.database import Connection, Database
from providers.postgres.schema import RECORDED
from runtime.errors import Conflict, KeyReused
from runtime.ports import KeptKey, Recorded


def restore(connection: Connection, database: Database, events: Sequence[Recorded], keys: Sequence[KeptKey]) -> None:
    """Store what is not there yet; raising rolls everything back."""
    with connection.transaction():
        _Restore(connection, database).all(events, keys)


class _Restore:
    def __init__(self, connection: Connection, database: Database) -> None:
        self._connection, self._database = connection, database

    def all(self, events: Sequence[Recorded], keys: Sequence[KeptKey]) -> None:
        heads = self._lock({event.stream for event in events})
        places = [(event.stream, event.version) for event in events if event.version <= heads[event.stream]]
        stored = self._stored(places)
        fresh: dict[tuple[str, int], Recorded] = {}
        for event in events:
            place, head = (event.stream, event.version), heads[event.stream]
            if event.version == head + 1:
                heads[event.stream] = event.version
                fresh[place] = event
            elif event.version > head or (fresh.get(place) or stored[place]) != event:
                raise Conflict(event.stream, event.version - 1, head)
        self._copy(f"events ({RECORDED})", [[getattr(event, field) for field in Recorded.__struct_fields__] for event in fresh.values()])
        self._move(fresh.values(), heads)
        self._copy("keys (stream, key, digest, first, last, epoch)", self._fresh_keys(keys))

    def _lock(self, streams: set[str]) -> dict[str, int]:
        """The heads, their rows locked; absent streams get a row at version 0, seen by nobody before the commit."""
        names = sorted(streams)
        self._execute(
            'INSERT INTO {s}.streams (stream, version) SELECT name, 0 FROM unnest(%s::text[]) AS name ORDER BY name COLLATE "C"'
            " ON CONFLICT DO NOTHING",
            names,
        )
        rows = self._execute("SELECT stream, version FROM {s}.streams WHERE stream = ANY(%s) ORDER BY stream FOR UPDATE", names)
        return dict(rows.fetchall())

    def _stored(self, places: list[tuple[str, int]]) -> dict[tuple[str, int], Recorded]:
        sql = f"SELECT {RECORDED} FROM {{s}}.events WHERE (stream, version) IN (SELECT * FROM unnest(%s::text[], %s::int8[]))"
        rows = self._execute(sql, [stream for stream, _ in places], [version for _, version in places])
        return {(row[0], row[1]): Recorded(*row) for row in rows}

    def _move(self, fresh: Any, heads: dict[str, int]) -> None:
        firsts: dict[str, int] = {}
        for event in fresh:
            firsts.setdefault(event.stream, event.version)
        self._execute(
            "UPDATE {s}.streams SET version = new.version, unpublished = coalesce(unpublished, new.first)"
            " FROM unnest(%s::text[], %s::int8[], %s::int8[]) AS new (stream, version, first) WHERE streams.stream = new.stream",
            list(firsts),
            [heads[stream] for stream in firsts],
            list(firsts.values()),
        )

    def _fresh_keys(self, keys: Sequence[KeptKey]) -> list[list[Any]]:
        rows = self._execute(
            "SELECT stream, key, digest, first, last, epoch FROM {s}.keys"
            " WHERE (stream, key) IN (SELECT * FROM unnest(%s::text[], %s::text[]))",
            [key.stream for key in keys],
            [key.key for key in keys],
        )
        there = {(row[0], row[1]): KeptKey(*row) for row in rows}
        fresh: list[list[Any]] = []
        for key in keys:
            kept = there.setdefault((key.stream, key.key), key)
            if kept is key:
                fresh.append([key.stream, key.key, key.digest, key.first, key.last, key.epoch])
            elif kept.digest != key.digest:
                raise KeyReused(key.stream, key.key)
            elif kept != key:
                raise Conflict(key.stream, key.last, kept.last)
        return fresh

    def _copy(self, target: str, rows: list[list[Any]]) -> None:
        sql = self._database.sql(f"COPY {{s}}.{target} FROM STDIN")
        with self._connection.cursor() as cursor, cursor.copy(sql) as copy:
            for row in rows:
                copy.write_row(row)

    def _execute(self, sql: str, *parameters: Any) -> Any:
        return self._connection.execute(self._database.sql(sql), parameters, binary=True)
