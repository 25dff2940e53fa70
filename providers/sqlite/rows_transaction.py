"""A transaction on the read store's SQLite file: its first call begins it as the file's only writer, which is every lock at once."""

import sqlite3
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from providers.sqlite.rows_database import Known, RowDatabase
from providers.sqlite.rows_outbox import drop_timers, put, release
from runtime.errors import TrimaranError, Unavailable
from runtime.ports import Generation, Letter, Phase, Row, RowWrite, ShardState, Writes

_LETTERS = "SELECT part, stream, version, error, tries, parked, reason FROM read_letters WHERE gid = ? "


def letter_of(row: tuple[str, str, int, str, int, int, str]) -> Letter:
    """A letter as it is stored."""
    return Letter(row[0], row[1], row[2], row[3], row[4], bool(row[5]), row[6])


def listed(values: Sequence[object]) -> str:
    """Values for `json_each(?)`."""
    return msgspec.json.encode(list(values)).decode()


class SqliteTransaction:
    """See the Transaction port."""

    def __init__(self, database: RowDatabase, group: str, number: int) -> None:
        self._database, self._group, self._number = database, group, number
        self._connection: sqlite3.Connection | None = None
        self._over = ""

    def _open(self) -> tuple[sqlite3.Connection, Known]:
        """The writer, waiting for it at the first call."""
        if self._over:
            raise Unavailable(self._over)
        if self._connection is None:
            self._connection = self._database.seize()
        return self._connection, self._database.known(self._connection, self._group, self._number)

    # locks
    def lock(self, shards: Sequence[int]) -> tuple[Generation, list[ShardState]]:
        """Every shard is ours from here on."""
        with self._database.errors():
            connection, known = self._open()
            generation = known.generation(connection)
            found = connection.execute(
                "SELECT shard, changes, signalled, holder FROM read_shards WHERE gid = ? AND shard IN (SELECT value FROM json_each(?))"
                " ORDER BY shard",
                (known.gid, listed(shards)),
            )
            return generation, [ShardState(*row) for row in found]

    def lock_both(self, other: int, shards: Sequence[int]) -> None:
        """Ours already, if it is there."""
        with self._database.errors():
            connection, _ = self._open()
            self._database.known(connection, self._group, other).generation(connection)

    def lock_rows(self, part: str, keys: Sequence[str]) -> dict[str, Row]:
        """Ours already: an absent row needs no placeholder."""
        found = self.rows(part, keys)
        return {key: found.get(key) or Row(None, 0) for key in keys}

    # reading
    def watermarks(self, streams: Sequence[str]) -> dict[str, int]:
        """Those of these streams."""
        with self._database.errors():
            connection, known = self._open()
            return dict(
                connection.execute(
                    "SELECT stream, version FROM read_watermarks WHERE gid = ? AND stream IN (SELECT value FROM json_each(?))",
                    (known.gid, listed(streams)),
                ).fetchall()
            )

    def letters(self, streams: Sequence[str]) -> list[Letter]:
        """By part and stream."""
        with self._database.errors():
            connection, known = self._open()
            if connection.execute("SELECT 1 FROM read_letters WHERE gid = ? LIMIT 1", (known.gid,)).fetchone() is None:
                return []  # nearly always
            found = connection.execute(
                _LETTERS + "AND stream IN (SELECT value FROM json_each(?)) ORDER BY part, stream", (known.gid, listed(streams))
            )
            return [letter_of(row) for row in found]

    def rows(self, part: str, keys: Sequence[str]) -> dict[str, Row]:
        """Those of these keys."""
        with self._database.errors():
            connection, known = self._open()
            return known.table(part).read(connection, keys)

    # writing
    def write(self, writes: Writes) -> None:
        """In the order of the port, each kind in one go."""
        with self._database.errors():
            connection, known = self._open()
            for part, rows in _by_part(writes.rows).items():
                known.table(part).write(connection, rows)
            gid = known.gid
            if writes.watermarks:
                connection.executemany(
                    "INSERT INTO read_watermarks VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET version = excluded.version",
                    [(gid, stream, version) for stream, version in sorted(writes.watermarks.items())],
                )
            self._write_changes(connection, gid, writes)
            if writes.timers_dropped:
                green = known.generation(connection).phase is Phase.GREEN
                drop_timers(connection, writes.timers_dropped, self._number if green else 0)
            if writes.outputs:
                put(connection, writes.outputs)
            self._write_letters(connection, gid, writes)

    def _write_changes(self, connection: sqlite3.Connection, gid: int, writes: Writes) -> None:
        last: dict[int, int] = {}
        for change in writes.changes:
            last[change.shard] = max(change.number, last.get(change.shard, 0))
        if last:
            connection.executemany(
                "INSERT OR REPLACE INTO read_changes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(gid, *msgspec.structs.astuple(change)) for change in writes.changes],
            )
            connection.executemany(
                "UPDATE read_shards SET changes = max(changes, ?) WHERE gid = ? AND shard = ?",
                [(number, gid, shard) for shard, number in last.items()],
            )
        if writes.signalled:
            connection.executemany(
                "UPDATE read_shards SET signalled = ? WHERE gid = ? AND shard = ?",
                [(number, gid, shard) for shard, number in writes.signalled.items()],
            )

    def _write_letters(self, connection: sqlite3.Connection, gid: int, writes: Writes) -> None:
        if writes.letters:
            connection.executemany(
                "INSERT OR REPLACE INTO read_letters (gid, stream, part, version, error, tries, parked, reason, trying)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (gid, one.stream, one.part, one.version, one.error, one.tries, one.parked, one.reason, one.version)
                    for one in writes.letters
                ],
            )
        if writes.letters_gone:
            connection.executemany(
                "DELETE FROM read_letters WHERE gid = ? AND part = ? AND stream = ?",
                [(gid, part, stream) for part, stream in writes.letters_gone],
            )

    def hold(self, shards: Sequence[int], holder: str) -> None:
        """One statement."""
        with self._database.errors():
            connection, known = self._open()
            connection.execute(
                "UPDATE read_shards SET holder = ? WHERE gid = ? AND shard IN (SELECT value FROM json_each(?))",
                (holder, known.gid, listed(shards)),
            )

    def set_phase(self, generation: int, phase: Phase) -> None:
        """One statement."""
        with self._database.errors():
            connection, _ = self._open()
            known = self._database.known(connection, self._group, generation)
            known.generation(connection)
            connection.execute("UPDATE read_generations SET phase = ? WHERE gid = ?", (str(phase), known.gid))

    def release(self, generation: int, watermarks_of: int) -> None:
        """What is beyond those watermarks becomes real."""
        with self._database.errors():
            connection, _ = self._open()
            known = self._database.known(connection, self._group, generation)
            other = self._database.known(connection, self._group, watermarks_of).gid if watermarks_of else 0
            release(connection, list(known.tables), generation, other)

    # the end
    def commit(self) -> None:
        """Durable when it returns."""
        if self._over:
            raise Unavailable(self._over)
        self._over = "the transaction was committed"
        if self._connection is not None:
            self._connection = None
            self._database.end(commit=True)

    def rollback(self) -> None:
        """As if it had never been."""
        self._over = self._over or "the transaction was rolled back"
        if self._connection is not None:
            self._connection = None
            with suppress(sqlite3.Error, TrimaranError):  # SQLite forgets what was never committed
                self._database.end(commit=False)


def _by_part(rows: Sequence[RowWrite]) -> dict[str, list[RowWrite]]:
    parts: dict[str, list[RowWrite]] = {}
    for row in rows:
        parts.setdefault(row.part, []).append(row)
    return parts
