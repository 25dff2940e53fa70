"""One app's schema in a PostgreSQL database, reached through a few connections that never wait past a deadline.

libpq by itself waits for ever for a server that hangs, so every wait here has a deadline. A call that reads, or that surely
changed nothing, is tried again with jitter until the deadline; a write whose answer was lost is never repeated blindly: it
raises `Unavailable` with `in_doubt`, and the caller asks again with the same key.
"""

import random
import re
import select
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import override

import psycopg
from psycopg import errors, waiting
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus

from providers.postgres.pipeline import Pipeline
from runtime.errors import Misconfigured, Unavailable

TIMEOUT_S = 2.0  # a call that takes longer is given up, connecting included
CONNECT_MAX_S = 10.0  # … connecting to a server that is not there, in a call that may take long: whoever calls has to hear of it
MIGRATE_TIMEOUT_S = 60.0
IDLE_MAX = 16  # idle connections kept; with more threads than this some reconnect now and then
PAUSE_S = 0.02  # the first pause between tries, doubled each time, with jitter

_NAMESPACE = re.compile(r"[a-z][a-z0-9_]{0,59}")
_REFUSED = re.compile(
    "authentication failed|no pg_hba.conf entry|does not exist|not permitted to log in|no password supplied"
    "|invalid port|invalid integer value|could not translate host name|not known|permission denied"
)
_CONFIGURED_WRONGLY = {
    "42501": "grant this user the right, or give another user",
    "25006": "this server is read-only (a replica?): give the primary's URL",
    "3F000": "the schema is gone: restart to make it anew, or restore it",
    "42P01": "a table is gone: restart to make it anew, or restore it",
    "42883": "a function is gone: restart to make it anew, or restore it",
}
_SURELY_ROLLED_BACK = {"40001", "40P01", "55P03"}  # serialization, deadlock, lock not available: try again at once
_MIGRATION_LOCK = 0x5472696D  # advisory lock of migrations alone; no append ever takes one


class Connection(psycopg.Connection[tuple[object, ...]]):
    """A psycopg connection whose every wait ends at `deadline` (as `time.monotonic` counts)."""

    deadline = float("inf")
    prepared: set[bytes]  # names of statements that this session knows (see `wire`)

    @override
    def wait[T](self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Run psycopg's generator until it ends; after the deadline the connection is closed."""
        if timeout is None and self.deadline != float("inf"):
            timeout = max(self.deadline - time.monotonic(), 0.001)
        try:
            return super().wait(gen, interval, timeout)
        except errors.OperationalError as error:
            if error.sqlstate is None:
                self.pgconn.finish()  # an answer that comes late must never be taken for the next call's
            raise

    @override
    @contextmanager
    def pipeline(self) -> Iterator[psycopg.Pipeline]:
        """Several statements in one round trip."""
        if self._pipeline is None:
            self._pipeline = Pipeline(self)
        with super().pipeline() as pipeline:
            yield pipeline

    def usable(self) -> bool:
        """False when the server hung up, or said something, while the connection was idle: nothing may be sent on it any more."""
        if self.closed:
            return False
        poll = select.poll()
        poll.register(self.pgconn.socket, select.POLLIN)
        return not poll.poll(0)


def connect(url: str, deadline: float) -> Connection:
    """One try to connect, in autocommit mode, statements prepared at their first use."""
    timeout_s = max(deadline - time.monotonic(), 0.05)
    # psycopg's own connect() never waits less than 2 s
    connection = waiting.wait_conn(Connection._connect_gen(url), interval=0.05, timeout=timeout_s)
    connection.autocommit = True
    connection.prepare_threshold = 0
    connection.prepared = set()
    return connection


class Database:
    """A schema, its connections, and what their errors mean."""

    def __init__(self, url: str, namespace: str, component: str, migrations: Sequence[str], timeout_s: float = TIMEOUT_S) -> None:
        """Bring the component's tables in schema `namespace` up to date; `{s}` in a migration is the schema. Raises `Misconfigured`."""
        if not _NAMESPACE.fullmatch(namespace):
            raise Misconfigured(f"{namespace!r} cannot name a schema: use small letters, digits and _, at most 60")
        self.url, self.namespace, self.timeout_s = url, namespace, timeout_s
        try:
            self._where = _where(url)
        except psycopg.Error as error:
            raise Misconfigured(f"not a PostgreSQL URL: {_line(error)}") from error
        self._idle: list[Connection] = []
        self._closed = False
        try:
            self._migrate(component, migrations)
        except BaseException:
            self.close()
            raise

    def sql(self, text: str) -> str:
        """The statement with `{s}` replaced by the schema."""
        return text.replace("{s}", f'"{self.namespace}"')

    def call[T](self, work: Callable[[Connection], T], *, retry: bool, timeout_s: float = 0) -> T:
        """Do `work` on a connection within the deadline.

        With `retry` (reads, and writes that may be done twice) a lost connection is replaced and the work done again;
        without, it raises `Unavailable` with `in_doubt`.
        """
        deadline = time.monotonic() + (timeout_s or self.timeout_s)
        pause_s = PAUSE_S
        while True:
            connection = self.take(min(deadline, time.monotonic() + CONNECT_MAX_S))
            connection.deadline = deadline
            try:
                outcome = work(connection)
            except psycopg.Error as error:
                failure = self.translated(error, in_doubt=not retry)
                self.give_back(connection)
                again = retry or error.sqlstate in _SURELY_ROLLED_BACK
                if not again or not isinstance(failure, Unavailable) or time.monotonic() + pause_s > deadline:
                    raise failure from error
            except BaseException:
                self.give_back(connection)
                raise
            else:
                self.give_back(connection)
                return outcome
            time.sleep(pause_s * random.uniform(0.5, 1.5))
            pause_s *= 2

    def take(self, deadline: float) -> Connection:
        """An idle connection, or a new one: connecting is tried again with jitter until the deadline. Give it back with `give_back`."""
        if self._closed:
            raise Unavailable(f"{self._where}: this store was closed")
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            if connection.usable():
                connection.deadline = deadline
                return connection
            connection.close()
        return self._connect(deadline)

    def give_back(self, connection: Connection) -> None:
        """Keep the connection for the next call, unless it is broken or still in a transaction."""
        if connection.closed:
            return
        if connection.pgconn.transaction_status != TransactionStatus.IDLE or len(self._idle) >= IDLE_MAX or self._closed:
            connection.close()
            return
        connection.deadline = float("inf")
        self._idle.append(connection)

    def translated(self, error: psycopg.Error, *, in_doubt: bool) -> Exception:
        """The error of our tree that says what a PostgreSQL error means to a caller; a bug of ours stays what it is."""
        state, text = error.sqlstate, _line(error)
        if state in _CONFIGURED_WRONGLY:
            return Misconfigured(f"{self._where}: {text}: {_CONFIGURED_WRONGLY[state]}")
        if state is None and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            return Unavailable(f"{self._where} did not answer: {text}", in_doubt=in_doubt)
        if state is not None and (state[:2] in ("08", "53", "57", "58") or state in _SURELY_ROLLED_BACK):
            lost = state[:2] in ("08", "57", "58")  # else the server said that it rolled back
            return Unavailable(f"{self._where}: {text}", in_doubt=in_doubt and lost)
        return error

    def close(self) -> None:
        """Close idle connections; those in use are closed when they are given back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _connect(self, deadline: float) -> Connection:
        pause_s = PAUSE_S
        while True:
            try:
                connection = connect(self.url, deadline)
            except psycopg.Error as error:
                text = _line(error)
                if _REFUSED.search(text):
                    raise Misconfigured(f"{self._where}: {text}: mend the URL, the user's password or rights") from error
                if time.monotonic() + pause_s > deadline:
                    raise Unavailable(f"{self._where} cannot be reached: {text}: is the server running?") from error
            else:
                connection.deadline = deadline
                return connection
            time.sleep(min(pause_s * random.uniform(0.5, 1.5), max(0.0, deadline - time.monotonic())))
            pause_s *= 2

    # migrations

    def _migrate(self, component: str, migrations: Sequence[str]) -> None:
        def work(connection: Connection) -> None:
            if self._schema_version(connection, component) == len(migrations):
                return
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
                connection.execute(self.sql("CREATE SCHEMA IF NOT EXISTS {s}"))
                connection.execute(
                    self.sql("CREATE TABLE IF NOT EXISTS {s}.schema_versions (component text PRIMARY KEY, version int NOT NULL)")
                )
                found = self._schema_version(connection, component)  # again: another process may just have migrated
                self._refuse_newer(component, found, len(migrations))
                for script in migrations[found:]:
                    connection.execute(self.sql(script), prepare=False)
                connection.execute(
                    self.sql(
                        "INSERT INTO {s}.schema_versions VALUES (%s, %s) ON CONFLICT (component) DO UPDATE SET version = excluded.version"
                    ),
                    (component, len(migrations)),
                )

        # connecting keeps the short deadline; only the migration itself may take long
        self.give_back(self.take(time.monotonic() + self.timeout_s))
        self.call(work, retry=True, timeout_s=MIGRATE_TIMEOUT_S)

    def _schema_version(self, connection: Connection, component: str) -> int:
        (there,) = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (self.sql("{s}.schema_versions"),)).fetchone() or (False,)
        if not there:
            return 0
        row = connection.execute(self.sql("SELECT version FROM {s}.schema_versions WHERE component = %s"), (component,)).fetchone()
        return int(str(row[0])) if row else 0

    def _refuse_newer(self, component: str, found: int, known: int) -> None:
        if found > known:
            raise Misconfigured(
                f"{self._where}: {component} tables have schema version {found}, this program knows {known}: run a newer program"
            )


def _where(url: str) -> str:
    """The URL for people: without its password."""
    parts = psycopg.conninfo.conninfo_to_dict(url)
    return f"postgresql://{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


def _line(error: Exception) -> str:
    """What an error says, on one line."""
    return " ".join(str(error).split())
