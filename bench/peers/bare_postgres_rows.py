"""A bare projector on PostgreSQL: whole batches in two round trips by hand, the same tables and columns as the read store's.

The tables are made by the read store itself; from there on nothing of it is used.
"""

from typing import Any

import psycopg

from bench.peers.bare_fold import Arrivals, Folded, fold, key_of, shards_of

NAMESPACE = "bare"
GENERATION = 1
ROWS = f'{NAMESPACE}."row_1_balance"'
UPSERT_ROWS = f"""
INSERT INTO {ROWS} SELECT key, '', n, false, account, entries, total, last
    FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::text[]) u (key, n, account, entries, total, last)
    ON CONFLICT (_key) DO UPDATE SET _n = excluded._n, account = excluded.account, entries = excluded.entries, total = excluded.total,
    last = excluded.last
"""
UPSERT_MARKS = f"""
INSERT INTO {NAMESPACE}.read_watermarks SELECT 1, * FROM unnest(%s::text[], %s::bigint[])
    ON CONFLICT (gid, stream) DO UPDATE SET version = excluded.version
"""
LOG = f"""
INSERT INTO {NAMESPACE}.read_changes SELECT 1, %s, number, 'balance', key, '', revision, before, after
    FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::text[], %s::text[]) u (number, key, revision, before, after)
"""


class Projector:
    """Row, watermark and change log in one durable transaction a batch."""

    def __init__(self, url: str) -> None:
        from bench.domain import app
        from providers.postgres.rows import PostgresReadStore
        from runtime.ports import Phase

        store = PostgresReadStore(url, NAMESPACE)
        assert store.create(app.groups["rows"], Phase.LIVE, 1).number == GENERATION
        store.close()
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.prepare_threshold = 0
        self.folded = Folded()  # of the last batch

    def apply(self, arrivals: Arrivals) -> int:
        """Fold one batch; how many events were new."""
        connection = self._connection
        execute = connection.execute
        streams = list(arrivals)
        shard = shards_of(streams)[0]
        with connection.pipeline():
            execute("BEGIN")
            numbers = execute(f"SELECT changes FROM {NAMESPACE}.read_shards WHERE gid = 1 AND shard = %s FOR UPDATE", (shard,))
            marks = execute(f"SELECT stream, version FROM {NAMESPACE}.read_watermarks WHERE gid = 1 AND stream = ANY(%s)", (streams,))
            keys = [key_of(stream) for stream in streams]
            found = execute(f"SELECT _key, _n, account, entries, total, last FROM {ROWS} WHERE _key = ANY(%s)", (keys,))
        row: Any = numbers.fetchone()
        number = row[0]
        folded = self.folded = fold(arrivals, dict(marks.fetchall()), {one[0]: (one[2:], one[1]) for one in found}, number)
        if folded.rows:
            self._write(folded, shard, number + len(folded.changes))
        else:
            execute("ROLLBACK")
        return folded.events

    def _write(self, folded: Folded, shard: int, number: int) -> None:
        execute = self._connection.execute
        rows = zip(*[(key, revision, *values) for key, revision, values in folded.rows], strict=True)
        changes = zip(
            *[(n, key, revision, before.decode(), after.decode()) for n, key, revision, before, after in folded.changes], strict=True
        )
        with self._connection.pipeline():
            execute(UPSERT_ROWS, [list(column) for column in rows])
            execute(UPSERT_MARKS, [list(column) for column in zip(*folded.marks, strict=True)])
            execute(LOG, [shard, *(list(column) for column in changes)])
            execute(
                f"UPDATE {NAMESPACE}.read_shards SET changes = %s, signalled = %s WHERE gid = 1 AND shard = %s", (number, number, shard)
            )
            execute("COMMIT")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
