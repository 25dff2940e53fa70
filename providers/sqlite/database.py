"""One SQLite file, shared well: a writer that commits everybody's waiting work in one transaction, and a connection per reading thread.

A durable commit costs one disk flush however much it holds, so concurrent work is committed together (see `line`), while a lone
thread commits on its own thread at once. Work that fails takes nobody along: domain errors are raised before the first write, and
after any other error the transaction is rolled back and each work of the batch is committed alone.

Imports stay few on purpose: this module is on the way from a cold start to the first command.
"""

import contextlib
import os
import sqlite3
from _thread import get_ident
from collections.abc import Callable, Sequence
from time import monotonic, sleep

from providers.sqlite.line import Line, Turn
from providers.sqlite.migrations import migrate
from runtime.errors import Misconfigured, TrimaranError, Unavailable

type Work[T] = Callable[[sqlite3.Connection], T]

LOG_BYTES = 4_300_000  # SQLite checkpoints after 1,000 pages of 4 KiB
RESERVE_AFTER = 20  # commits: a process that makes only a few of them does not pay for many
BEGIN_PAUSE_S = 0.0002
BUSY_TIMEOUT_S = 5.0  # another process may hold the file's write lock; its own commits take milliseconds

_MISCONFIGURED = {
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: does its folder exist, and may this user write there?",
    sqlite3.SQLITE_NOTADB: "is not an SQLite file: give another path",
    sqlite3.SQLITE_READONLY: "is read-only for this user: change its owner or mode",
    sqlite3.SQLITE_PERM: "may not be opened by this user: change its owner or mode",
}
_UNAVAILABLE = {
    sqlite3.SQLITE_BUSY: "is locked by another process",
    sqlite3.SQLITE_LOCKED: "is locked",
    sqlite3.SQLITE_FULL: "is full: nothing was written, free some disk space",
    sqlite3.SQLITE_CORRUPT: "is damaged: restore it from a backup",
}


def translated(error: sqlite3.Error, path: str, *, in_doubt: bool = False) -> Exception:
    """The error of our tree that says what an SQLite error means to a caller; a bug of ours stays what it is."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # extended codes keep their kind in the low byte
    if code in _MISCONFIGURED:
        return Misconfigured(f"{path} {_MISCONFIGURED[code]}")
    if code in _UNAVAILABLE:
        return Unavailable(f"{path} {_UNAVAILABLE[code]}")
    if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_PROTOCOL):
        return Unavailable(f"{path}: {error}", in_doubt=in_doubt)
    return error


def _busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def connect(path: str, busy_timeout_s: float = BUSY_TIMEOUT_S) -> sqlite3.Connection:
    """A connection in autocommit mode, durable on every commit (WAL, synchronous=FULL)."""
    connection = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
    try:
        _use_wal(connection, monotonic() + busy_timeout_s)
        connection.execute("PRAGMA synchronous=FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _use_wal(connection: sqlite3.Connection, deadline: float) -> None:
    """SQLite does not wait by itself here: two processes that open a fresh file collide."""
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if not _busy(error) or monotonic() > deadline:
                raise
            sleep(0.005)
        else:
            return


class Database:
    """A file, its one writer, and its reading connections."""

    def __init__(self, path: str, component: str, migrations: Sequence[str], busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        """Open or create the file and bring the component's tables up to date. Raises `Misconfigured`, `Unavailable`."""
        self.path = path
        self._busy_timeout_s = busy_timeout_s
        try:
            self._writer = connect(path, busy_timeout_s)
        except sqlite3.Error as error:
            raise translated(error, path) from error
        try:
            migrate(self._writer, component, migrations, path)
            self._writer.execute("PRAGMA busy_timeout = 0")  # `_begin` waits by itself
        except BaseException as error:
            self._writer.close()
            if isinstance(error, sqlite3.Error):
                raise translated(error, path) from error
            raise
        self._home = get_ident()
        self._readers: dict[int, sqlite3.Connection] = {}
        self._line = Line()
        self._commits = 0

    # reading

    def read[T](self, work: Work[T]) -> T:
        """Do a short read: on the opening thread with the idle writer's connection (its cache is warm), else with the thread's own."""
        try:
            if get_ident() == self._home and self._line.lead_alone():
                try:
                    return work(self._writer)
                except sqlite3.Error as error:
                    if not _busy(error):
                        raise
                finally:
                    self._line.pass_on()
            return work(self.reader())
        except sqlite3.Error as error:
            raise translated(error, self.path) from error

    def reader(self) -> sqlite3.Connection:
        """This thread's own connection; it sees what was committed."""
        thread = get_ident()
        connection = self._readers.get(thread)
        if connection is None:
            connection = self._readers[thread] = connect(self.path, self._busy_timeout_s)
        return connection

    # writing

    def write[T](self, work: Work[T], *, flushed: bool = True) -> T:
        """Do work in a transaction, shared with others who wait, and return when it is durable.

        `work` may raise a `TrimaranError`, but only before its first write. `flushed` False: for notes that may be lost with the machine's
        power (never with the process); they are durable with the next write that is flushed.
        """
        if self._line.lead_alone():
            try:
                return self._commit_alone(work) if flushed else self._commit_unflushed(work)
            finally:
                self._line.pass_on()
        turn = self._line.stand(work)
        if not turn.done:
            self._lead()
        if turn.error is not None:
            raise turn.error
        outcome: T = turn.outcome
        return outcome

    def seize(self) -> sqlite3.Connection:
        """The writer for oneself, in a transaction just begun; give it back with `end`."""
        if not self._line.lead_alone(anyway=True):
            self._line.stand(None)
            self._line.batch()
        try:
            self._begin()
        except BaseException:
            self._line.pass_on()
            raise
        return self._writer

    def end(self, *, commit: bool) -> None:
        """Commit or roll back what `seize` began, and let the next one write."""
        try:
            if commit:
                self._commit()
            else:
                self._roll_back()
        finally:
            self._line.pass_on()

    def close(self) -> None:
        """Close every connection; nobody may be using the database."""
        for connection in [*self._readers.values(), self._writer]:
            connection.close()
        self._readers.clear()

    def _lead(self) -> None:
        """Commit the work of the line, with everybody's own outcome."""
        batch = self._line.batch()
        try:
            self._commit_batch(batch)
        except BaseException:  # Ctrl-C on the leading thread, and nobody else's fault
            for turn in batch:
                turn.error = Unavailable(f"{self.path}: the writing thread was interrupted", in_doubt=True)
            raise
        finally:
            self._line.release(batch)
            self._line.pass_on()

    def _commit_batch(self, batch: list[Turn]) -> None:
        try:
            self._begin()
        except TrimaranError as error:
            for turn in batch:
                turn.error = error
            return
        try:
            for turn in batch:
                assert turn.work is not None
                try:
                    turn.outcome = turn.work(self._writer)
                except TrimaranError as error:
                    turn.error = error
            self._commit()
        except Exception:  # noqa: BLE001  found again, and handed on, by the one whose fault it is
            self._roll_back()
            for turn in batch:
                self._redo(turn)
        except BaseException:
            self._roll_back()
            raise

    def _redo(self, turn: Turn) -> None:
        assert turn.work is not None
        turn.error = None
        try:
            turn.outcome = self._commit_alone(turn.work)
        except Exception as error:  # noqa: BLE001  handed to the thread whose work it is
            turn.error = error

    def _commit_unflushed[T](self, work: Work[T]) -> T:
        """The log is written in order and flushed by the next commit as a whole: https://www.sqlite.org/pragma.html#pragma_synchronous"""
        self._writer.execute("PRAGMA synchronous=NORMAL")
        try:
            return self._commit_alone(work)
        finally:
            self._writer.execute("PRAGMA synchronous=FULL")

    def _commit_alone[T](self, work: Work[T]) -> T:
        self._begin()
        try:
            outcome = work(self._writer)
            self._commit()
        except sqlite3.Error as error:
            self._roll_back()
            raise translated(error, self.path) from error
        except BaseException:
            self._roll_back()
            raise
        return outcome

    # the transaction

    def _begin(self) -> None:
        """Begin, waiting for other processes in short steps: SQLite's own back-off of up to 100 ms starves who comes last."""
        deadline = 0.0
        while True:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                deadline = deadline or monotonic() + self._busy_timeout_s
                if not _busy(error) or monotonic() > deadline:
                    raise translated(error, self.path) from error
                sleep(BEGIN_PAUSE_S)
            else:
                return

    def _commit(self) -> None:
        self._commits += 1
        if self._commits == RESERVE_AFTER:
            self._reserve_log()
        try:
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise translated(error, self.path, in_doubt=True) from error

    def _reserve_log(self) -> None:
        """Write zeros behind the end of the log, up to the length at which SQLite begins it anew.

        A flush that makes a file longer takes nearly twice as long, and without this all flushes before the first checkpoint do.
        Zeros are no valid frame, so to SQLite the log ends where it ended; the write lock is held, so nobody else appends to it.
        """
        with contextlib.suppress(OSError):  # no room: then it grows flush by flush, as it would have anyway
            log = os.open(f"{self.path}-wal", os.O_WRONLY)
            try:
                size = os.fstat(log).st_size
                os.pwrite(log, bytes(max(0, LOG_BYTES - size)), size)
            finally:
                os.close(log)

    def _roll_back(self) -> None:
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")
