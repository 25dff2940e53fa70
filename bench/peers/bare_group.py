"""A plain consumer as a process: kafka-python, msgspec and psycopg by hand, the same fold into one table, without watermarks.

`python -m bench.peers.bare_group BOOTSTRAP TOPIC GROUP POSTGRES`. A batch is one transaction, the offset is committed after it: at least
once, as a careful person writes it who has heard of neither exactly-once nor change logs. SIGTERM ends it after the batch in hand.
"""

import contextlib
import signal
import sys
import threading
from collections.abc import Mapping

import psycopg
from kafka import errors

from bench.domain import Account, show
from bench.peers.bare_fold import Arrivals, key_of
from bench.peers.bare_kafka import Loop

TABLE = "CREATE TABLE IF NOT EXISTS balance (account text PRIMARY KEY, entries bigint, total bigint, last text)"
UPSERT = """
INSERT INTO balance SELECT * FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::text[])
    ON CONFLICT (account) DO UPDATE SET entries = excluded.entries, total = excluded.total, last = excluded.last
"""


class Table:
    """One table and nothing else."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.prepare_threshold = 0

    def apply(self, arrivals: Arrivals) -> int:
        """Fold one batch, row by row of what is stored; how many events."""
        with self._connection.transaction():
            keys = sorted(map(key_of, arrivals))
            found = self._connection.execute("SELECT * FROM balance WHERE account = ANY(%s) FOR UPDATE", (keys,))
            rows = folded(arrivals, {row[0]: Account(*row) for row in found.fetchall()})
            columns = zip(
                *((row.account, row.entries, row.total, row.last) for row in sorted(rows, key=lambda one: one.account)), strict=True
            )
            self._connection.execute(UPSERT, [list(column) for column in columns])
        return sum(map(len, arrivals.values()))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def folded(arrivals: Arrivals, stored: Mapping[str, Account]) -> list[Account]:
    """The rows after these events."""
    rows: list[Account] = []
    for stream, events in arrivals.items():
        row = stored.get(key_of(stream))
        for _, event in events:
            row = show(row, event)
        assert row is not None
        rows.append(row)
    return rows


def main(bootstrap: str, topic: str, group: str, url: str) -> None:
    """Consume until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with contextlib.closing(Table(url)) as table, contextlib.closing(Loop(bootstrap, topic, group, table.apply)) as loop:
        while not stop.is_set():
            with contextlib.suppress(errors.CommitFailedError, errors.RebalanceInProgressError):  # others will read it again
                loop.once()


if __name__ == "__main__":
    main(*sys.argv[1:])
