"""Snapshots beside the events in the same SQLite file.

A checksum over what matters makes a damaged row as good as none: the caller then folds from the start.
"""

import sqlite3
from zlib import crc32

from providers.sqlite.events import SqliteEventStore
from runtime.ports import Snapshot

STAMPS_MAX = 3  # kept per stream, so that two deployed versions of an app do not take each other's snapshots away


class SqliteSnapshots:
    """The table `snapshots` of an event store's file."""

    def __init__(self, store: SqliteEventStore) -> None:
        self._database = store.database

    def newest(self, stream: str, stamp: str) -> Snapshot | None:
        """See `Snapshots.newest`."""
        return self._database.read(lambda connection: _find(connection, stream, stamp))

    def keep(self, stream: str, snapshot: Snapshot) -> None:
        """See `Snapshots.keep`."""

        def work(connection: sqlite3.Connection) -> None:
            kept = _find(connection, stream, snapshot.stamp)
            if kept is not None and kept.version > snapshot.version:
                return
            connection.execute(
                "INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?, ?)",
                (stream, snapshot.stamp, snapshot.version, _checksum(stream, snapshot), snapshot.state),
            )
            connection.execute(
                "DELETE FROM snapshots WHERE stream = ?1 AND stamp <> ?2 AND stamp NOT IN"
                " (SELECT stamp FROM snapshots WHERE stream = ?1 AND stamp <> ?2 ORDER BY version DESC, stamp DESC LIMIT ?3)",
                (stream, snapshot.stamp, STAMPS_MAX - 1),
            )

        self._database.write(work)


def _find(connection: sqlite3.Connection, stream: str, stamp: str) -> Snapshot | None:
    sql = "SELECT version, state, checksum FROM snapshots WHERE stream = ? AND stamp = ?"
    row = connection.execute(sql, (stream, stamp)).fetchone()
    if row is None or not isinstance(row[0], int) or not isinstance(row[1], bytes):
        return None
    snapshot = Snapshot(row[0], stamp, row[1])
    return snapshot if _checksum(stream, snapshot) == row[2] else None


def _checksum(stream: str, snapshot: Snapshot) -> int:
    return crc32(snapshot.state, crc32(f"{stream}\n{snapshot.stamp}\n{snapshot.version}".encode()))
