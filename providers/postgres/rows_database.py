"""The read store's connections to PostgreSQL: those that look things up by key, and those that answer queries.

Look-ups always take an index: a plan made while a table was empty would read all of it once it has grown. Queries are left to
the planner. A process that is stopped in the middle of a transaction loses its session after `idle_timeout_s`, and with it
every lock; the others wait longer than that. No timeout of PostgreSQL's own ends a session that waits for its client to take an
answer: there the kernel does, by `tcp_user_timeout`.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
import psycopg
from msgspec import Struct
from psycopg import conninfo

from providers.postgres.database import Connection, Database
from providers.postgres.rows_schema import COMPONENT, MIGRATIONS
from providers.postgres.rows_tables import RowTable
from runtime.domain.tables import Group, Table
from runtime.errors import Fenced, Malformed, Unavailable
from runtime.ports import Generation, Phase

_TABLES = msgspec.json.Decoder(tuple[Table, ...])
_SESSION_ENDED = ("25P03", "25P04")  # idle in transaction, transaction timeout: the server rolled back and hung up
QUERY_S = 15.0
CONNECT_S = 3.0
ASK_S = 5.0  # one look-up or write by key, connecting and trying again included
LONG_S = 120.0  # making and dropping generations


class Known(Struct, frozen=True):
    """A generation's id and row tables, which never change; its phase does."""

    gid: int
    group: Group
    number: int
    tables: dict[str, RowTable]

    def table(self, part: str) -> RowTable:
        """The rows of a part."""
        if part not in self.tables:
            raise Malformed(f"group {self.group.name!r} has no part {part!r}: it has {', '.join(self.tables)}")
        return self.tables[part]

    def generation(self, row: tuple[object, ...] | None) -> Generation:
        """As it is now, by its phase and epoch; `Fenced` when it was dropped."""
        if row is None:
            raise dropped(self.group.name, self.number)
        return Generation(self.group.name, self.number, Phase(str(row[0])), self.group.schema, int(str(row[1])))


def dropped(group: str, number: int) -> Fenced:
    """What to say about a generation that is not there."""
    return Fenced(f"generation {number} of {group!r} was dropped")


class _Sessions(Database):
    """Connections that are closed when the store cannot be opened."""

    def _migrate(self, component: str, migrations: Sequence[str]) -> None:
        try:
            super()._migrate(component, migrations)
        except BaseException:
            self.close()
            raise


class RowDatabase:
    """The schema of one app."""

    def __init__(self, url: str, namespace: str, lock_timeout_s: float, statement_timeout_s: float, idle_timeout_s: float) -> None:
        queries = "-c TimeZone=UTC -c jit=off"
        lookups = (
            f"{queries} -c enable_seqscan=off -c plan_cache_mode=force_generic_plan -c lock_timeout={lock_timeout_s * 1000:.0f}"
            f" -c idle_in_transaction_session_timeout={idle_timeout_s * 1000:.0f} -c tcp_user_timeout={idle_timeout_s * 1000:.0f}"
        )
        self._statement_timeout_s = statement_timeout_s
        bounded = f" -c statement_timeout={statement_timeout_s * 1000:.0f}"
        self.namespace = namespace
        self._lookups = _Sessions(_with(url, lookups + bounded), namespace, COMPONENT, MIGRATIONS)
        try:
            self._queries = _Sessions(_with(url, f"{queries} -c statement_timeout={QUERY_S * 1000:.0f}"), namespace, COMPONENT, MIGRATIONS)
        except BaseException:
            self._lookups.close()
            raise
        self._lookups.timeout_s = ASK_S
        self.schema = self._lookups.sql("{s}")
        self._known: dict[tuple[str, int], Known] = {}

    def sql(self, text: str) -> str:
        """The statement with `{s}` replaced by the schema."""
        return self._lookups.sql(text)

    def ask[T](self, work: Callable[[Connection], T], *, retry: bool = True, timeout_s: float = 0) -> T:
        """Look something up, or write by key, in autocommit; `retry` unless a repeat would do it twice."""
        return self._lookups.call(work, retry=retry, timeout_s=timeout_s)

    def query[T](self, work: Callable[[Connection], T]) -> T:
        """A query of a reader, planned for itself."""
        return self._queries.call(work, retry=True, timeout_s=QUERY_S + 1)

    # transactions
    def take(self) -> Connection:
        """A connection for a transaction."""
        return self._lookups.take(time.monotonic() + CONNECT_S)

    def give_back(self, connection: Connection) -> None:
        """After its transaction."""
        self._lookups.give_back(connection)

    @contextmanager
    def errors(self, connection: Connection, *, in_doubt: bool = False) -> Iterator[None]:
        """Inside, the connection has a fresh deadline and PostgreSQL's errors become those of our tree."""
        connection.deadline = self._deadline()
        try:
            yield
        except psycopg.Error as error:
            if error.sqlstate in _SESSION_ENDED:
                raise Unavailable(f"PostgreSQL ended the transaction: {error}") from error
            if isinstance(error, psycopg.errors.UniqueViolation):
                raise Unavailable(f"somebody else just wrote the same row: {error}") from error  # found when it is done again
            raise self._lookups.translated(error, in_doubt=in_doubt) from error

    def _deadline(self) -> float:
        return time.monotonic() + self._statement_timeout_s + 1

    # generations
    def known(self, group: str, number: int) -> Known:
        """A generation's id and tables; `Fenced` when it was dropped or never made (a known one may have been dropped since)."""
        known = self._known.get((group, number))
        if known is None:
            text = self.sql("SELECT gid, schema, tables, saga FROM {s}.read_generations WHERE name = %s AND number = %s AND NOT dropped")
            row = self.ask(lambda connection: connection.execute(text, (group, number)).fetchone())
            if row is None:
                raise dropped(group, number)
            gid, schema, tables, saga = row
            known = self.remember(int(str(gid)), Group(group, _TABLES.decode(str(tables)), str(schema), bool(saga)), number)
        return known

    def remember(self, gid: int, group: Group, number: int) -> Known:
        """Keep what never changes."""
        known = Known(gid, group, number, {table.part: RowTable(table, number, self.schema) for table in group.tables})
        self._known[group.name, number] = known
        return known

    def forget(self, group: str, number: int) -> None:
        """It was dropped."""
        self._known.pop((group, number), None)

    def close(self) -> None:
        """Give connections back."""
        self._lookups.close()
        self._queries.close()


def _with(url: str, options: str) -> str:
    """The URL with settings for its sessions; those of the user come last and win."""
    try:
        given = conninfo.conninfo_to_dict(url).get("options") or ""
    except psycopg.Error:
        return url  # refused with a better text by who connects
    return conninfo.make_conninfo(url, options=f"{options} {given}".strip())
