"""The read store in one SQLite file: rows, watermarks, letters, changes, saga outbox and timers commit together, durably.

Every thread reads with a connection of its own and sees what was committed; one writer at a time, which is the shard lock.
"""

import sqlite3

from providers.sqlite.rows_database import RowDatabase
from providers.sqlite.rows_generations import Generations
from providers.sqlite.rows_outbox import Outbox
from providers.sqlite.rows_query import Reading
from providers.sqlite.rows_transaction import SqliteTransaction
from runtime.ports import Letter

_COUNT = """INSERT INTO read_letters (gid, stream, part, version, error, tries, parked, reason, trying)
SELECT gid, ?1, ?2, ?3, ?4, 1, ?5, ?6, ?3 FROM read_generations WHERE gid = ?7
ON CONFLICT DO UPDATE SET
  tries = CASE WHEN trying = excluded.trying THEN tries + 1 ELSE 1 END,
  version = CASE WHEN parked THEN version ELSE excluded.version END,
  error = CASE WHEN excluded.error = '' AND (parked OR trying = excluded.trying) THEN error ELSE excluded.error END,
  reason = CASE WHEN parked OR trying = excluded.trying THEN reason ELSE excluded.reason END,
  parked = CASE WHEN parked OR trying = excluded.trying THEN parked ELSE excluded.parked END,
  trying = excluded.trying
RETURNING tries"""


class SqliteReadStore(Generations, Reading, Outbox):
    """See the ReadStore port."""

    def __init__(self, path: str) -> None:
        self._database = RowDatabase(path)
        self._parts = {}

    def begin(self, group: str, generation: int) -> SqliteTransaction:
        """A transaction; it becomes the writer with its first call."""
        return SqliteTransaction(self._database, group, generation)

    def count_try(self, group: str, generation: int, letter: Letter) -> int:
        """In a transaction of its own."""

        def work(connection: sqlite3.Connection) -> int:
            known = self._database.known(connection, group, generation)
            known.generation(connection)
            values = (letter.stream, letter.part, letter.version, letter.error, letter.parked, letter.reason, known.gid)
            tries: int = connection.execute(_COUNT, values).fetchone()[0]
            return tries

        return self._database.write(work)

    def trim_changes(self, group: str, generation: int, keep: int) -> int:
        """Forget old ones that were signalled."""

        def work(connection: sqlite3.Connection) -> int:
            gid = self._database.known(connection, group, generation).gid
            text = "SELECT gid, shard, min(changes - ?, signalled) FROM read_shards WHERE gid = ? AND changes > ?"
            shards = connection.execute(text, (keep, gid, keep)).fetchall()
            gone = connection.executemany("DELETE FROM read_changes WHERE gid = ? AND shard = ? AND number <= ?", shards)
            return gone.rowcount if shards else 0

        return self._database.write(work)

    def close(self) -> None:
        """Close every connection."""
        self._database.close()
