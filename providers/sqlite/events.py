"""The event store in one SQLite file: the default on one machine, durable on every append.

What a commit costs is the pages it writes and the flush. So a stream's events and its kept keys lie side by side in one tree:
an append to a short stream writes one page of it, and one of the small outbox if nothing was unpublished. Concurrent appends
share one flush (see `database`).
"""

import sqlite3
from collections.abc import Callable, Sequence

from providers.limits import check_append, check_restore, check_stream
from providers.sqlite.database import BUSY_TIMEOUT_S, Database
from runtime.errors import Conflict, KeyReused, Rejected
from runtime.ports import Answer, Append, Head, KeptKey, Loaded, Recorded

# `place` is an event's version (an integer) or an idempotency key (a text). SQLite sorts integers before text, so `place < ''` are
# the events. `data` comes last: large data spills to other pages, and the columns before it stay quick to reach.
MIGRATIONS = (
    """
CREATE TABLE log (
    stream TEXT NOT NULL, place NOT NULL, epoch INTEGER NOT NULL, first INTEGER, last INTEGER, type TEXT, key TEXT, cause TEXT,
    trace TEXT, time TEXT, subject TEXT, key_id TEXT, data BLOB NOT NULL, PRIMARY KEY (stream, place)) WITHOUT ROWID;
CREATE VIEW events AS
    SELECT stream, place AS version, type, data, key, cause, trace, time, epoch, subject, key_id FROM log WHERE place < '';
CREATE VIEW keys AS SELECT stream, place AS key, data AS digest, first, last, epoch FROM log WHERE place >= '';
CREATE TABLE streams (stream TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE outbox (stream TEXT PRIMARY KEY, unpublished INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE snapshots (
    stream TEXT NOT NULL, stamp TEXT NOT NULL, version INTEGER NOT NULL, checksum INTEGER NOT NULL, state BLOB NOT NULL,
    PRIMARY KEY (stream, stamp)) WITHOUT ROWID;
CREATE TABLE meta (epoch INTEGER NOT NULL);
INSERT INTO meta VALUES (1);
""",
)

RECORDED = "stream, version, type, data, key, cause, trace, time, epoch, subject, key_id"  # as the fields of Recorded
ADD_EVENT = """INSERT INTO log (stream, place, type, data, key, cause, trace, time, epoch, subject, key_id)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
ADD_KEY = "INSERT INTO log (stream, place, data, first, last, epoch) VALUES (?, ?, ?, ?, ?, ?)"
ADD_STREAM = "INSERT OR IGNORE INTO streams VALUES (?)"
ADD_PENDING = "INSERT OR IGNORE INTO outbox VALUES (?, ?)"  # an earlier unpublished version stays
_HEAD = "SELECT max(version) FROM events WHERE stream = ?"
# One statement, and so one snapshot; each arm is read in the order of the tree, the kept key comes last: a text behind the blobs.
# One column, because every further one would cost a third more on a long stream.
_LOAD = """SELECT data FROM log WHERE stream = ?1 AND place > ?2 AND place < ''
    UNION ALL SELECT first || ' ' || last || ' ' || epoch || ' ' || hex(data) FROM log WHERE stream = ?1 AND place = ?3"""
_STANDING = """SELECT meta.epoch, (SELECT max(version) FROM events WHERE stream = ?1), kept.first, kept.last, kept.epoch, kept.data
    FROM meta LEFT JOIN log AS kept ON kept.stream = ?1 AND kept.place = ?2"""
_HEADS = """SELECT stream, (SELECT max(version) FROM events WHERE events.stream = streams.stream) FROM streams
    WHERE stream > ? ORDER BY stream LIMIT ?"""


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
            data = [row[0] for row in connection.execute(_LOAD, (stream, after, key)).fetchall()]
            kept: str = data.pop() if data and type(data[-1]) is str else ""
            # events have no holes: the head needs a look only if nothing came after a version somebody knew of
            version = after + len(data) if data or not after else min(after, head(connection, stream))
            if not kept:
                return Loaded(version, data)
            first, last, epoch, digest = kept.split(" ")
            return Loaded(version, data, Answer(stream, int(first), int(last), int(epoch), True), bytes.fromhex(digest))

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
        return self.database.read(lambda connection: [Head(*row) for row in connection.execute(_HEADS, (after, limit))])

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
    epoch, standing, kept_first, kept_last, kept_epoch, digest = execute(_STANDING, (stream, key)).fetchone()
    if digest is not None:
        if digest != append.digest:
            raise KeyReused(stream, key)
        return Answer(stream, kept_first, kept_last, kept_epoch, True)
    first = standing or 0
    if first != append.expected:
        raise Conflict(stream, append.expected, first)
    last = first + len(events)
    if events:
        if not first:
            execute(ADD_STREAM, (stream,))
        cause, trace, time = append.cause, append.trace, append.time
        for version, new in enumerate(events, first + 1):
            execute(ADD_EVENT, (stream, version, new.type, new.data, key, cause, trace, time, epoch, "", ""))
        execute(ADD_PENDING, (stream, first + 1))
    execute(ADD_KEY, (stream, key, append.digest, first, last, epoch))
    return Answer(stream, first, last, epoch)


def head(connection: sqlite3.Connection, stream: str) -> int:
    """The version a stream stands at, 0 if it is not there."""
    (version,) = connection.execute(_HEAD, (stream,)).fetchone()
    return version or 0


def _epoch(connection: sqlite3.Connection) -> int:
    (epoch,) = connection.execute("SELECT epoch FROM meta").fetchone()
    return int(epoch)
