"""The outbox in the event store's SQLite file: one row per stream that has unpublished events, saying from where.

A claim is a plain read. It goes round: it begins behind the stream where the last one ended, so a busy stream never keeps
another waiting. What this process claimed is remembered here and not in the file, since a repeat does no harm.
"""

import sqlite3
import time
from _thread import allocate_lock
from collections.abc import Iterator, Sequence

from providers.sqlite.events import RECORDED, SqliteEventStore
from runtime.ports import Head, Pending, Recorded

_PENDING = "SELECT stream, unpublished FROM outbox WHERE stream > ? ORDER BY stream LIMIT ?"
_EVENTS = f"SELECT {RECORDED} FROM events WHERE stream = ? AND version >= ? ORDER BY version LIMIT ?"
# Streams have no holes: either the version after the published one is there and is the first unpublished now, or nothing is.
_DONE = """DELETE FROM outbox WHERE stream = ?1 AND unpublished <= ?2
    AND NOT EXISTS (SELECT 1 FROM log WHERE stream = ?1 AND place = ?2 + 1)"""
_ADVANCE = "UPDATE outbox SET unpublished = ?2 + 1 WHERE stream = ?1 AND unpublished <= ?2"


class SqliteRelay:
    """Claims from, and clears, the outbox of one file."""

    def __init__(self, store: SqliteEventStore) -> None:
        self._database = store.database
        self._mutex = allocate_lock()
        self._after = ""  # the stream where the last claim ended
        self._claimed: dict[str, float] = {}  # stream -> when
        self._bell = allocate_lock()
        self._bell.acquire()
        store.bells.append(self._ring)

    def claim(self, limit: int, lease_s: float) -> list[Pending]:
        """See `Relay.claim`."""
        with self._mutex:
            now = time.monotonic()
            self._claimed = {stream: when for stream, when in self._claimed.items() if when > now - lease_s}
            return self._database.read(lambda connection: self._claim(connection, limit, now))

    def mark(self, published: Sequence[Head]) -> None:
        """See `Relay.mark`."""

        def work(connection: sqlite3.Connection) -> None:
            rows = [(head.stream, head.version) for head in published]
            connection.executemany(_DONE, rows)
            connection.executemany(_ADVANCE, rows)

        if published:
            self._database.write(work, flushed=False)  # a mark that is lost is published again, which does no harm
        with self._mutex:
            for head in published:
                self._claimed.pop(head.stream, None)

    def backlog(self) -> int:
        """See `Relay.backlog`."""
        sql = "SELECT count(*) FROM outbox"
        return self._database.read(lambda connection: int(connection.execute(sql).fetchone()[0]))

    def wait(self, timeout_s: float) -> None:
        """See `Relay.wait`."""
        self._bell.acquire(timeout=timeout_s)

    def _claim(self, connection: sqlite3.Connection, limit: int, now: float) -> list[Pending]:
        found: list[Pending] = []
        for stream, first in self._pending(connection, limit):
            if limit <= 0:
                break
            self._after = stream
            if stream not in self._claimed:
                self._claimed[stream] = now
                events = [Recorded(*row) for row in connection.execute(_EVENTS, (stream, first, limit)).fetchall()]
                found.append(Pending(stream, events))
                limit -= len(events)
        return found

    def _pending(self, connection: sqlite3.Connection, limit: int) -> Iterator[tuple[str, int]]:
        """Pending streams from where the last claim ended, once round."""
        began = after = self._after
        for last_lap in (False, True):
            while page := connection.execute(_PENDING, (after, limit)).fetchall():
                for stream, first in page:
                    if last_lap and stream > began:
                        return
                    yield stream, first
                after = page[-1][0]
            after = ""

    def _ring(self) -> None:
        try:
            self._bell.release()
        except RuntimeError:  # it rings already
            return
