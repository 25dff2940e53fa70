"""A bare projector on SQLite: one connection, statements by hand, the same tables and columns as the read store's.

The tables are made by the read store itself; from there on nothing of it is used.
"""

import sqlite3
from pathlib import Path

import msgspec

from bench.peers.bare_fold import Arrivals, fold, key_of, shards_of

GENERATION = 1
_MANY = "IN (SELECT value FROM json_each(?))"


def make_tables(path: Path) -> None:
    """The read store's tables for the ledger, with one live generation."""
    from bench.domain import app
    from providers.sqlite.rows import SqliteReadStore
    from runtime.ports import Phase

    store = SqliteReadStore(str(path))
    assert store.create(app.groups["rows"], Phase.LIVE, 1).number == GENERATION
    store.close()


class Projector:
    """Row, watermark and change log in one durable transaction a batch."""

    def __init__(self, path: Path) -> None:
        make_tables(path)
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")

    def apply(self, arrivals: Arrivals) -> int:
        """Fold one batch; how many events were new."""
        execute, executemany = self._connection.execute, self._connection.executemany
        streams = msgspec.json.encode(list(arrivals)).decode()
        keys = msgspec.json.encode([key_of(stream) for stream in arrivals]).decode()
        shard = shards_of(arrivals)[0]
        execute("BEGIN IMMEDIATE")
        (number,) = execute("SELECT changes FROM read_shards WHERE gid = 1 AND shard = ?", (shard,)).fetchone()
        marks = dict(execute(f"SELECT stream, version FROM read_watermarks WHERE gid = 1 AND stream {_MANY}", (streams,)).fetchall())
        found = execute(f'SELECT _key, _n, account, entries, total, last FROM "row_1_balance" WHERE _key {_MANY}', (keys,))
        folded = fold(arrivals, marks, {row[0]: (row[2:], row[1]) for row in found}, number)
        executemany(
            "INSERT INTO \"row_1_balance\" VALUES (?, '', ?, 0, ?, ?, ?, ?) ON CONFLICT (_key) DO UPDATE SET _n = excluded._n,"
            " account = excluded.account, entries = excluded.entries, total = excluded.total, last = excluded.last",
            [(key, revision, *values) for key, revision, values in folded.rows],
        )
        executemany("INSERT INTO read_watermarks VALUES (1, ?, ?) ON CONFLICT DO UPDATE SET version = excluded.version", folded.marks)
        executemany(
            "INSERT INTO read_changes VALUES (1, ?, ?, 'balance', ?, '', ?, ?, ?)",
            [(shard, *change) for change in folded.changes],
        )
        number += len(folded.changes)
        execute("UPDATE read_shards SET changes = ?, signalled = ? WHERE gid = 1 AND shard = ?", (number, number, shard))
        execute("COMMIT")
        return folded.events

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
