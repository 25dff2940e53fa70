"""The outbox in the event store's PostgreSQL schema, shared by any number of relays.

A claim notes its instant in the stream's row, so that two relays seldom publish the same, and skips rows that an append holds at
this moment: they come with the next claim. No position cursor is kept anywhere, so a transaction that commits late is not missed.
Claims and marks need no durability (a repeat does no harm): they do not wait for the disk.
"""

from _thread import allocate_lock
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from providers.postgres.database import Connection
from providers.postgres.events import LONG_S, PostgresEventStore
from providers.postgres.schema import RECORDED
from runtime.ports import Head, Pending, Recorded

# `claimable` locks at most `limit` rows, each with at least one event; `chosen` are those that the limit has room for.
# An append that commits meanwhile may show in a head but not in this statement's events: they end where the snapshot ends.
_CLAIM = f"""
    WITH claimable AS (
        SELECT stream, version, unpublished, claimed FROM {{s}}.streams
        WHERE unpublished IS NOT NULL AND claimed <= clock_timestamp() - make_interval(secs => %(lease)s)
        ORDER BY claimed LIMIT %(limit)s FOR UPDATE SKIP LOCKED),
    chosen AS (
        SELECT stream FROM (
            SELECT stream, sum(version - unpublished + 1) OVER (ORDER BY claimed, stream) - (version - unpublished + 1) AS before
            FROM claimable) AS counted
        WHERE before < %(limit)s),
    taken AS (
        UPDATE {{s}}.streams SET claimed = clock_timestamp() FROM chosen WHERE streams.stream = chosen.stream
        RETURNING streams.stream, unpublished, claimed)
    SELECT {", ".join(f"events.{column}" for column in RECORDED.split(", "))}
    FROM taken CROSS JOIN LATERAL (
        SELECT * FROM {{s}}.events WHERE stream = taken.stream AND version >= taken.unpublished ORDER BY version LIMIT %(limit)s) AS events
    ORDER BY events.stream, events.version"""
_MARK = """UPDATE {s}.streams SET claimed = '-infinity', unpublished = CASE WHEN streams.version > head.version THEN head.version + 1 END
    FROM unnest(%s::text[], %s::int8[]) AS head (stream, version)
    WHERE streams.stream = head.stream AND streams.unpublished <= head.version"""
_BACKLOG = "SELECT count(*) FROM {s}.streams WHERE unpublished IS NOT NULL"


class PostgresRelay:
    """Claims from, and clears, the outbox of one schema."""

    def __init__(self, store: PostgresEventStore) -> None:
        self._database = store.database
        self._claim, self._mark, self._backlog = (store.database.sql(sql) for sql in (_CLAIM, _MARK, _BACKLOG))
        self._bell = allocate_lock()
        self._bell.acquire()
        store.bells.append(self._ring)

    def claim(self, limit: int, lease_s: float) -> list[Pending]:
        """See `Relay.claim`."""
        rows = self._relaxed(self._claim, {"limit": limit, "lease": lease_s})
        return [Pending(stream, [Recorded(*row) for row in group]) for stream, group in groupby(rows, key=lambda row: row[0])]

    def mark(self, published: Sequence[Head]) -> None:
        """See `Relay.mark`."""
        highest = {head.stream: head.version for head in sorted(published, key=lambda head: (head.stream, head.version))}
        if highest:
            self._relaxed(self._mark, (list(highest), list(highest.values())))

    def backlog(self) -> int:
        """See `Relay.backlog`."""
        rows: list[Any] = self._database.call(lambda connection: connection.execute(self._backlog).fetchall(), retry=True)
        return int(rows[0][0])

    def wait(self, timeout_s: float) -> None:
        """See `Relay.wait`."""
        self._bell.acquire(timeout=timeout_s)

    def _relaxed(self, sql: str, parameters: Any) -> list[Any]:
        """One statement in a transaction that does not wait for the disk; rows, if it gives any."""

        def work(connection: Connection) -> list[Any]:
            with connection.transaction():
                connection.execute("SET LOCAL synchronous_commit = off")
                cursor = connection.execute(sql, parameters, binary=True)
                return cursor.fetchall() if cursor.description else []

        return self._database.call(work, retry=True, timeout_s=LONG_S)

    def _ring(self) -> None:
        try:
            self._bell.release()
        except RuntimeError:  # it rings already
            return
