"""The event store in one SQLite file: the default on one machine, durable on every append.

An append touches three small trees in one transaction: the stream's row (its head is the expected-version check, its
`unpublished` the relay's outbox), the kept key and the events. Concurrent appends share one flush (see `database`).
"""

import sqlite3
from collections.abc import Callable, Sequence

from providers.limits import check_append, check_restore, check_stream
from providers.sqlite.database import BUSY_TIMEOUT_S, Database
from runtime.errors import Conflict, KeyReused, Rejected
from runtime.ports import Answer, Append, Head, KeptKey, Loaded, Recorded

# `data` comes last in a row: large data spills to other pages, and the columns before it stay quick to reach.
MIGRATIONS = (
    """
CREATE TABLE events (
    stream TEXT NOT NULL, version INTEGER NOT NULL, type TEXT NOT NULL, key TEXT NOT NULL, cause TEXT NOT NULL, trace TEXT NOT NULL,
    time TEXT NOT NULL, epoch INTEGER NOT NULL, subject TEXT NOT NULL, key_id TEXT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (stream, version)) WITHOUT ROWID;
CREATE TABLE streams (stream TEXT PRIMARY KEY, version INTEGER NOT NULL, unpublished INTEGER) WITHOUT ROWID;
CREATE INDEX outbox ON streams (stream) WHERE unpublished IS NOT NULL;
CREATE TABLE keys (
    stream TEXT NOT NULL, key TEXT NOT NULL, digest BLOB NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, epoch INTEGER NOT NULL,
    PRIMARY KEY (stream, key)) WITHOUT ROWID;
CREATE TABLE snapshots (
    stream TEXT NOT NULL, stamp TEXT NOT NULL, version INTEGER NOT NULL, checksum INTEGER NOT NULL, state BLOB NOT NULL,
    PRIMARY KEY (stream, stamp)) WITHOUT ROWID;
CREATE TABLE meta (epoch INTEGER NOT NULL);
INSERT INTO meta VALUES (1);
""",
)

RECORDED = "stream, version, type, data, key, cause, trace, time, epoch, subject, key_id"  # as the fields of Recorded
_ADD_EVENT = (
    "INSERT INTO events (stream, version, type, data, key, cause, trace, time, epoch, subject, key_id) VALUES (?,?,?,?,?,?,?,?,?,?,?)"
)
_ADD_KEY = "INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?)"
_FIND_KEY = "SELECT first, last, epoch, digest FROM keys WHERE stream = ? AND key = ?"
_STANDING = """SELECT meta.epoch, (SELECT version FROM streams WHERE stream = ?1), first, last, keys.epoch, digest
    FROM meta LEFT JOIN keys ON stream = ?1 AND key = ?2"""
_FIND_HEAD = "SELECT version FROM streams WHERE stream = ?"
_MOVE_HEAD = "UPDATE streams SET version = ?, unpublished = ifnull(unpublished, ?) WHERE stream = ?"


class SqliteEventStore:
    """One file; `database` is shared with the snapshots and the relay beside it."""

    def __init__(self, path: str, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        """Open or create the file. Raises `Misconfigured`, `Unavailable`."""
        self.database = Database(path, "events", MIGRATIONS, busy_timeout_s)
        self.bells: list[Callable[[], None]] = []  # rung after every append

    def load(self, stream: str, key: str, after: int) -> Loaded:
        """See `EventStore.load`."""
        check_stream(stream)

        def work(connection: sqlite3.Connection) -> Loaded:
            execute = connection.execute
            execute("BEGIN")  # one snapshot for the three reads
            try:
                rows = execute("SELECT data FROM events WHERE stream = ? AND version > ? ORDER BY version", (stream, after)).fetchall()
                kept = execute(_FIND_KEY, (stream, key)).fetchone()
                # events have no holes: the head needs a look only if nothing came
                version = after + len(rows) if rows else _head(connection, stream)
            finally:
                execute("COMMIT")
            data = [row[0] for row in rows]
            if kept is None:
                return Loaded(version, data)
            first, last, epoch, digest = kept
            return Loaded(version, data, Answer(stream, first, last, epoch, True), digest)

        return self.database.read(work)

    def append(self, append: Append) -> Answer:
        """See `EventStore.append`."""
        check_append(append)
        answer = self.database.write(lambda connection: _append(connection, append))
        self._ring()
        return answer

    def append_all(self, appends: Sequence[Append]) -> list[Answer | Conflict | Rejected]:
        """See `EventStore.append_all`."""

        def work(connection: sqlite3.Connection) -> list[Answer | Conflict | Rejected]:
            return [_outcome(connection, append) for append in appends]

        outcomes = self.database.write(work)
        self._ring()
        return outcomes

    def read(self, stream: str, after: int, limit: int) -> list[Recorded]:
        """See `EventStore.read`."""
        return self._recorded("stream = ? AND version > ?", (stream, after, limit))

    def bulk(self, after: Head, until: str, limit: int) -> list[Recorded]:
        """See `EventStore.bulk`."""
        place = (after.stream, after.version)
        if until:
            return self._recorded("(stream, version) > (?, ?) AND stream < ?", (*place, until, limit))
        return self._recorded("(stream, version) > (?, ?)", (*place, limit))

    def heads(self, after: str, limit: int) -> list[Head]:
        """See `EventStore.heads`."""
        sql = "SELECT stream, version FROM streams WHERE stream > ? ORDER BY stream LIMIT ?"
        return self.database.read(lambda connection: [Head(*row) for row in connection.execute(sql, (after, limit))])

    def keys(self, after: tuple[str, str], limit: int) -> list[KeptKey]:
        """See `EventStore.keys`."""
        sql = "SELECT stream, key, digest, first, last, epoch FROM keys WHERE (stream, key) > (?, ?) ORDER BY stream, key LIMIT ?"
        return self.database.read(lambda connection: [KeptKey(*row) for row in connection.execute(sql, (*after, limit))])

    def epoch(self) -> int:
        """See `EventStore.epoch`."""
        return self.database.read(_epoch)

    def raise_epoch(self) -> int:
        """See `EventStore.raise_epoch`."""

        def work(connection: sqlite3.Connection) -> int:
            connection.execute("UPDATE meta SET epoch = epoch + 1")
            return _epoch(connection)

        return self.database.write(work)

    def restore(self, events: Sequence[Recorded], keys: Sequence[KeptKey]) -> None:
        """See `EventStore.restore`: all of it, or nothing when it raises."""
        from providers.sqlite.restore import restore  # imports of the command path stay few

        check_restore(events, keys)
        self.database.write(lambda connection: restore(connection, events, keys))
        self._ring()

    def close(self) -> None:
        """See `EventStore.close`."""
        self.database.close()

    def _recorded(self, where: str, parameters: tuple[str | int, ...]) -> list[Recorded]:
        sql = f"SELECT {RECORDED} FROM events WHERE {where} ORDER BY stream, version LIMIT ?"
        return self.database.read(lambda connection: [Recorded(*row) for row in connection.execute(sql, parameters)])

    def _ring(self) -> None:
        for ring in self.bells:
            ring()


def _outcome(connection: sqlite3.Connection, append: Append) -> Answer | Conflict | Rejected:
    try:
        check_append(append)
        return _append(connection, append)
    except (Conflict, Rejected) as error:  # raised before the append's first write: its neighbours go on
        return error


def _append(connection: sqlite3.Connection, append: Append) -> Answer:
    """Every check comes before the first write, so a refused append needs no savepoint to leave nothing behind."""
    execute, stream, events, key = connection.execute, append.stream, append.events, append.key
    epoch, head, kept_first, kept_last, kept_epoch, digest = execute(_STANDING, (stream, key)).fetchone()
    if digest is not None:
        if digest != append.digest:
            raise KeyReused(stream, key)
        return Answer(stream, kept_first, kept_last, kept_epoch, True)
    first = head or 0
    if first != append.expected:
        raise Conflict(stream, append.expected, first)
    last = first + len(events)
    if events:
        if first:
            execute(_MOVE_HEAD, (last, first + 1, stream))
        else:
            execute("INSERT INTO streams VALUES (?, ?, 1)", (stream, last))
        cause, trace, time = append.cause, append.trace, append.time
        for version, new in enumerate(events, first + 1):
            execute(_ADD_EVENT, (stream, version, new.type, new.data, key, cause, trace, time, epoch, "", ""))
    execute(_ADD_KEY, (stream, key, append.digest, first, last, epoch))
    return Answer(stream, first, last, epoch)


def _head(connection: sqlite3.Connection, stream: str) -> int:
    row = connection.execute(_FIND_HEAD, (stream,)).fetchone()
    return row[0] if row else 0


def _epoch(connection: sqlite3.Connection) -> int:
    (epoch,) = connection.execute("SELECT epoch FROM meta").fetchone()
    return int(epoch)
