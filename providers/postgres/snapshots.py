"""Snapshots beside the events in the same PostgreSQL schema.

A checksum over what matters makes a damaged row as good as none: the caller then folds from the start.
"""

from typing import Any
from zlib import crc32

from providers.postgres.database import Connection
from providers.postgres.events import PostgresEventStore
from runtime.ports import Snapshot

STAMPS_MAX = 3  # kept per stream, so that two deployed versions of an app do not take each other's snapshots away

_FIND = "SELECT version, state, checksum FROM {s}.snapshots WHERE stream = %s AND stamp = %s"
_KEEP = """INSERT INTO {s}.snapshots AS kept VALUES (%s, %s, %s, %s, %s) ON CONFLICT (stream, stamp) DO UPDATE
    SET version = excluded.version, checksum = excluded.checksum, state = excluded.state
    WHERE kept.version <= excluded.version OR (kept.version, kept.checksum) = (%s, %s)"""
_TRIM = """DELETE FROM {s}.snapshots WHERE stream = %(stream)s AND stamp <> %(stamp)s AND stamp NOT IN (
    SELECT stamp FROM {s}.snapshots WHERE stream = %(stream)s AND stamp <> %(stamp)s ORDER BY version DESC, stamp DESC LIMIT %(others)s)"""


class PostgresSnapshots:
    """The table `snapshots` of an event store's schema."""

    def __init__(self, store: PostgresEventStore) -> None:
        self._database = store.database
        self._find, self._keep, self._trim = (store.database.sql(sql) for sql in (_FIND, _KEEP, _TRIM))

    def newest(self, stream: str, stamp: str) -> Snapshot | None:
        """See `Snapshots.newest`."""
        row = self._row(stream, stamp)
        return None if row is None else _sound(stream, stamp, row)

    def keep(self, stream: str, snapshot: Snapshot) -> None:
        """See `Snapshots.keep`."""
        row = self._row(stream, snapshot.stamp)
        # a damaged row gives way whatever version it claims to have; one that was mended meanwhile does not
        damaged = (row[0], row[2]) if row is not None and _sound(stream, snapshot.stamp, row) is None else (-1, -1)
        values = (stream, snapshot.stamp, snapshot.version, _checksum(stream, snapshot), snapshot.state, *damaged)

        def work(connection: Connection) -> None:
            connection.execute(self._keep, values)
            connection.execute(self._trim, {"stream": stream, "stamp": snapshot.stamp, "others": STAMPS_MAX - 1})

        self._database.call(work, retry=True)

    def _row(self, stream: str, stamp: str) -> Any:
        return self._database.call(lambda connection: connection.execute(self._find, (stream, stamp), binary=True).fetchone(), retry=True)


def _sound(stream: str, stamp: str, row: Any) -> Snapshot | None:
    snapshot = Snapshot(row[0], stamp, row[1])
    return snapshot if _checksum(stream, snapshot) == row[2] else None


def _checksum(stream: str, snapshot: Snapshot) -> int:
    return crc32(snapshot.state, crc32(f"{stream}\n{snapshot.stamp}\n{snapshot.version}".encode()))
