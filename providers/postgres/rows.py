"""The read store in a PostgreSQL schema: rows, watermarks, letters, changes, saga outbox and timers commit together, durably.

Any number of processes share it: shards and rows that several streams feed are locked in one order, so nobody waits in a circle.
"""

from providers.postgres.database import Connection
from providers.postgres.rows_counter import grant_counting
from providers.postgres.rows_database import RowDatabase
from providers.postgres.rows_generations import Generations
from providers.postgres.rows_outbox import Outbox
from providers.postgres.rows_query import Reading
from providers.postgres.rows_transaction import PostgresTransaction
from runtime.errors import Fenced
from runtime.ports import Letter

_COUNT = """INSERT INTO {s}.read_letters AS l (gid, part, stream, version, error, tries, parked, reason, trying)
SELECT gid, %s, %s, %s::bigint, %s, 1, %s, %s, %s::bigint FROM {s}.read_generations WHERE gid = %s AND NOT dropped
ON CONFLICT (gid, stream, part) DO UPDATE SET
  tries = CASE WHEN l.trying = excluded.trying THEN l.tries + 1 ELSE 1 END,
  version = CASE WHEN l.parked THEN l.version ELSE excluded.version END,
  error = CASE WHEN excluded.error = '' AND (l.parked OR l.trying = excluded.trying) THEN l.error ELSE excluded.error END,
  reason = CASE WHEN l.parked OR l.trying = excluded.trying THEN l.reason ELSE excluded.reason END,
  parked = CASE WHEN l.parked OR l.trying = excluded.trying THEN l.parked ELSE excluded.parked END,
  trying = excluded.trying
RETURNING tries"""

TRIM_S = 30.0  # one statement's time: a projector that trims waits for it, and has to get on within a minute (hosts.vitals)


class PostgresReadStore(Generations, Reading, Outbox):
    """See the ReadStore port. A stopped process loses its locks after `idle_timeout_s`; a lock is waited for somewhat longer."""

    def __init__(
        self,
        url: str,
        namespace: str,
        *,
        lock_timeout_s: float = 15.0,
        statement_timeout_s: float = 30.0,
        idle_timeout_s: float = 10.0,
    ) -> None:
        self._database = RowDatabase(url, namespace, lock_timeout_s, statement_timeout_s, idle_timeout_s)
        self._parts = {}

    def begin(self, group: str, generation: int) -> PostgresTransaction:
        """A transaction; it takes a connection with its first call."""
        return PostgresTransaction(self._database, group, generation)

    def count_try(self, group: str, generation: int, letter: Letter) -> int:
        """In a transaction of its own."""
        gid = self._database.known(group, generation).gid
        text = self._database.sql(_COUNT)
        values = (letter.part, letter.stream, letter.version, letter.error, letter.parked, letter.reason, letter.version, gid)
        row = self._database.ask(lambda connection: connection.execute(text, values).fetchone(), retry=False)
        if row is None:
            raise Fenced(f"generation {generation} of {group!r} was dropped")
        return int(str(row[0]))

    def trim_changes(self, group: str, generation: int, keep: int) -> int:
        """Forget old ones that were signalled."""
        gid = self._database.known(group, generation).gid
        text = self._database.sql(
            "DELETE FROM {s}.read_changes c USING {s}.read_shards s WHERE s.gid = %s AND c.gid = s.gid AND c.shard = s.shard"
            " AND s.changes > %s AND c.number <= least(s.changes - %s, s.signalled)"
        )

        def work(connection: Connection) -> int:
            return connection.execute(text, (gid, keep, keep)).rowcount

        return self._database.ask(work, timeout_s=TRIM_S)

    def let_count(self, login: str) -> None:
        """Let a login of the database count what is due, and read nothing of it. Raises `Misconfigured`."""
        self._database.ask(lambda connection: grant_counting(connection, self._database.namespace, login))

    def close(self) -> None:
        """Give connections back."""
        self._database.close()
