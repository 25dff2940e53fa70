"""A transaction on the read store in PostgreSQL: shard rows and data rows are locked in order, whole batches go in one round trip."""

from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg
from psycopg import pq

from providers.postgres.database import Connection
from providers.postgres.rows_copy import COPY_MIN, copy, text_field
from providers.postgres.rows_database import Known, RowDatabase
from providers.postgres.rows_outbox import dropping_timers, putting, releasing
from providers.postgres.rows_tables import RowTable
from providers.postgres.rows_values import integers, numbers, texts
from runtime.errors import Unavailable
from runtime.ports import Change, Generation, Letter, Phase, Row, RowWrite, ShardState, Writes

type Statement = tuple[str, Sequence[Any]]

_WATERMARKS = (
    "INSERT INTO {s}.read_watermarks SELECT %s, * FROM unnest(%s::text[], %s::bigint[])"
    " ON CONFLICT (gid, stream) DO UPDATE SET version = excluded.version"
)
_PHASE = "SELECT phase, epoch FROM {s}.read_generations WHERE gid = %s AND NOT dropped"
_SHARDS = (
    "SELECT shard, changes, signalled, holder FROM {s}.read_shards WHERE gid = %s AND shard = ANY(%s::int[]) ORDER BY shard FOR UPDATE"
)
_ANY_LETTER = "SELECT 1 FROM {s}.read_letters WHERE gid = %s LIMIT 1"
_LETTERS = "SELECT part, stream, version, error, tries, parked, reason FROM {s}.read_letters WHERE gid = %s"


class PostgresTransaction:
    """See the Transaction port."""

    def __init__(self, database: RowDatabase, group: str, number: int) -> None:
        self._database, self._group, self._number = database, group, number
        self._connection: Connection | None = None
        self._over = ""
        self._locked = False
        self._no_letters = False  # none of the whole generation, seen when the lock was held
        self._new_streams: set[str] = set()  # asked for under the lock, and not found
        self._new_rows: dict[str, set[str]] = {}

    def _known(self) -> Known:
        if self._over:
            raise Unavailable(self._over)
        return self._database.known(self._group, self._number)

    def _send(self, statements: Sequence[Statement], answers: int = 0) -> list[list[Any]]:
        """Send all in one round trip, the first time with the transaction's begin; the rows of the last `answers` of them."""
        if self._over:
            raise Unavailable(self._over)
        begun = self._connection
        connection = begun or self._database.take()
        self._connection = connection
        with self._database.errors(connection):
            if begun is not None and len(statements) == 1:
                cursors = [connection.execute(self._database.sql(text), values) for text, values in statements]
            else:
                with connection.pipeline():
                    if begun is None:
                        connection.execute("BEGIN")
                    cursors = [connection.execute(self._database.sql(text), values) for text, values in statements]
            return [cursor.fetchall() for cursor in cursors[len(cursors) - answers :]]

    # locks
    def lock(self, shards: Sequence[int]) -> tuple[Generation, list[ShardState]]:
        """Each statement has a snapshot of its own: the phase is read when the locks are held."""
        known = self._known()
        wanted = (_SHARDS, (known.gid, integers(sorted(shards))))
        states, phase, letters = self._send([wanted, (_PHASE, (known.gid,)), (_ANY_LETTER, (known.gid,))], answers=3)
        self._locked, self._no_letters = True, not letters
        return known.generation(phase[0] if phase else None), [ShardState(*row) for row in states]

    def lock_both(self, other: int, shards: Sequence[int]) -> None:
        """The same shards of the other generation."""
        known = self._database.known(self._group, other)
        _, phase = self._send([(_SHARDS, (known.gid, integers(sorted(shards)))), (_PHASE, (known.gid,))], answers=2)
        known.generation(phase[0] if phase else None)

    def lock_rows(self, part: str, keys: Sequence[str]) -> dict[str, Row]:
        """Placeholders first, so that there is something to lock."""
        known = self._known()
        table = known.table(part)
        ordered = sorted(set(keys))
        (found,) = self._send([table.placing(ordered), table.locking(ordered)], answers=1)
        return {row[0]: table.row(row) for row in found}

    # reading
    def watermarks(self, streams: Sequence[str]) -> dict[str, int]:
        """Those of these streams."""
        known = self._known()
        text = "SELECT stream, version FROM {s}.read_watermarks WHERE gid = %s AND stream = ANY(%s::text[])"
        (found,) = self._send([(text, (known.gid, texts(streams)))], answers=1)
        there = dict(found)
        if self._locked and len(streams) - len(there) >= COPY_MIN:
            self._new_streams.update(stream for stream in streams if stream not in there)
        return there

    def letters(self, streams: Sequence[str]) -> list[Letter]:
        """By part and stream."""
        known = self._known()
        if self._no_letters:
            return []
        text = _LETTERS + " AND stream = ANY(%s::text[]) ORDER BY part, stream"
        (found,) = self._send([(text, (known.gid, texts(streams)))], answers=1)
        return [Letter(*row) for row in found]

    def rows(self, part: str, keys: Sequence[str]) -> dict[str, Row]:
        """Those of these keys that were ever written."""
        known = self._known()
        table = known.table(part)
        (found,) = self._send([table.reading(keys)], answers=1)
        there = {row[0]: table.row(row) for row in found}
        if self._locked and len(keys) - len(there) >= COPY_MIN and not table.table.many:
            self._new_rows.setdefault(part, set()).update(key for key in keys if key not in there)
        return {key: row for key, row in there.items() if row.revision}

    # writing
    def write(self, writes: Writes) -> None:
        """In the order of the port, each kind in one statement, all in one round trip."""
        known = self._known()
        statements: list[Statement] = []
        for part, rows in _by_part(writes.rows).items():
            if not self._copy_rows(known.table(part), rows):
                statements.append(known.table(part).writing(rows))
        if writes.watermarks and not self._copy_watermarks(known.gid, writes.watermarks):
            streams = sorted(writes.watermarks)
            statements.append((_WATERMARKS, (known.gid, texts(streams), integers([writes.watermarks[stream] for stream in streams]))))
        statements += _changing(known.gid, writes)
        if writes.timers_dropped:
            ((phase,),) = self._send([(_PHASE, (known.gid,))], answers=1)
            statements.append(dropping_timers(writes.timers_dropped, self._number if known.generation(phase).phase is Phase.GREEN else 0))
        if writes.outputs:
            statements.append(putting(writes.outputs))
        if writes.letters:
            self._no_letters = False
        statements += _lettering(known.gid, writes)
        if statements:
            self._send(statements)

    def _copy_rows(self, table: RowTable, rows: Sequence[RowWrite]) -> bool:
        """Copy them if all are surely new."""
        new = self._new_rows.get(table.table.part)
        if self._connection is None or new is None or len(rows) < COPY_MIN or not new.issuperset(row.key for row in rows):
            return False
        target, fields = table.copying(rows)
        with self._database.errors(self._connection):
            copy(self._connection, target, fields)
        new.difference_update(row.key for row in rows)
        return True

    def _copy_watermarks(self, gid: int, watermarks: dict[str, int]) -> bool:
        """Copy them if all are surely new."""
        if self._connection is None or len(watermarks) < COPY_MIN or not self._new_streams.issuperset(watermarks):
            return False
        streams = sorted(watermarks)
        fields = ([str(gid)] * len(streams), text_field(streams), [str(watermarks[stream]) for stream in streams])
        with self._database.errors(self._connection):
            copy(self._connection, self._database.sql("{s}.read_watermarks"), fields)
        self._new_streams.difference_update(streams)
        return True

    def hold(self, shards: Sequence[int], holder: str) -> None:
        """One statement."""
        known = self._known()
        text = "UPDATE {s}.read_shards SET holder = %s WHERE gid = %s AND shard = ANY(%s::int[])"
        self._send([(text, (holder, known.gid, integers(shards)))])

    def set_phase(self, generation: int, phase: Phase) -> None:
        """One statement."""
        known = self._database.known(self._group, generation)
        text = "UPDATE {s}.read_generations SET phase = %s WHERE gid = %s AND NOT dropped RETURNING phase, epoch"
        (found,) = self._send([(text, (str(phase), known.gid))], answers=1)
        known.generation(found[0] if found else None)

    def release(self, generation: int, watermarks_of: int) -> None:
        """What is beyond those watermarks becomes real."""
        known = self._database.known(self._group, generation)
        other = self._database.known(self._group, watermarks_of).gid if watermarks_of else 0
        self._send(releasing(list(known.tables), generation, other))

    # the end
    def commit(self) -> None:
        """Durable when it returns."""
        if self._over:
            raise Unavailable(self._over)
        self._over = "the transaction was committed"
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            with self._database.errors(connection, in_doubt=True):
                if connection.pgconn.transaction_status == pq.TransactionStatus.INERROR:
                    raise Unavailable("the transaction had failed: nothing was committed")
                connection.execute("COMMIT")
        finally:
            self._database.give_back(connection)

    def rollback(self) -> None:
        """As if it had never been."""
        self._over = self._over or "the transaction was rolled back"
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            if not connection.closed and connection.pgconn.transaction_status != pq.TransactionStatus.IDLE:
                connection.execute("ROLLBACK")
        except psycopg.Error:
            connection.close()  # then the server rolls back
        finally:
            self._database.give_back(connection)


def _by_part(rows: Sequence[RowWrite]) -> dict[str, list[RowWrite]]:
    parts: dict[str, list[RowWrite]] = {}
    for row in rows:
        parts.setdefault(row.part, []).append(row)
    return parts


def _changing(gid: int, writes: Writes) -> list[Statement]:
    statements: list[Statement] = []
    if writes.changes:
        statements.append(_logging(gid, writes.changes))
        last: dict[int, int] = {}
        for change in writes.changes:
            last[change.shard] = max(change.number, last.get(change.shard, 0))
        text = "UPDATE {s}.read_shards s SET changes = greatest(s.changes, u.number) FROM unnest(%s::int[], %s::bigint[]) u (shard, number)"
        text += " WHERE s.gid = %s AND s.shard = u.shard"
        statements.append((text, (integers([*last]), integers([*last.values()]), gid)))
    if writes.signalled:
        text = "UPDATE {s}.read_shards s SET signalled = u.number FROM unnest(%s::int[], %s::bigint[]) u (shard, number)"
        text += " WHERE s.gid = %s AND s.shard = u.shard"
        statements.append((text, (integers([*writes.signalled]), integers([*writes.signalled.values()]), gid)))
    return statements


def _logging(gid: int, changes: Sequence[Change]) -> Statement:
    columns = list(zip(*map(msgspec.structs.astuple, changes), strict=True))
    shard, number, part, key, tenant, revision, before, after = columns
    text = "INSERT INTO {s}.read_changes SELECT %s, * FROM unnest(%s::int[], %s::bigint[], %s::text[], %s::text[], %s::text[],"
    text += " %s::bigint[], %s::text[], %s::text[])"
    changed = (texts([one.decode() for one in before]), texts([one.decode() for one in after]))
    return text, (gid, integers(shard), integers(number), texts(part), texts(key), texts(tenant), integers(revision), *changed)


def _lettering(gid: int, writes: Writes) -> list[Statement]:
    statements: list[Statement] = []
    if writes.letters:
        letters = list({(one.part, one.stream): one for one in writes.letters}.values())
        columns = list(zip(*map(msgspec.structs.astuple, letters), strict=True))
        part, stream, version, error, tries, parked, reason = columns
        text = (
            "INSERT INTO {s}.read_letters (gid, part, stream, version, error, tries, parked, reason, trying)"
            " SELECT %s, p, s, v, e, t, k, r, v FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::text[], %s::int[], %s::boolean[],"
            " %s::text[]) u (p, s, v, e, t, k, r) ON CONFLICT (gid, stream, part) DO UPDATE SET version = excluded.version,"
            " error = excluded.error, tries = excluded.tries, parked = excluded.parked, reason = excluded.reason, trying = excluded.trying"
        )
        values = (gid, texts(part), texts(stream), integers(version), texts(error), integers(tries), numbers(parked), texts(reason))
        statements.append((text, values))
    if writes.letters_gone:
        text = "DELETE FROM {s}.read_letters l USING unnest(%s::text[], %s::text[]) u (part, stream)"
        text += " WHERE l.gid = %s AND l.part = u.part AND l.stream = u.stream"
        parts, streams = zip(*writes.letters_gone, strict=True)
        statements.append((text, (texts(parts), texts(streams), gid)))
    return statements
