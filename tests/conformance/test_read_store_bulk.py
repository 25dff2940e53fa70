"""Batches of thousands of rows and watermarks, in sentences: nothing is special because much is written."""

import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from runtime.domain.filters import Query
from runtime.errors import Unavailable
from runtime.ports import SHARDS, ReadStore, Row, RowWrite, Writes
from tests.conformance.read_stores import (
    ONE_STREAM,
    meanwhile,
    place,
    store,
    ticket,
    write,
)

__all__ = ["place", "store"]


def test_thousands_of_rows_and_watermarks_are_written_and_read_in_one_go(store: ReadStore) -> None:
    keys = [f"o-{n}" for n in range(5_000)]
    write(store, rows=[ticket(key, n) for n, key in enumerate(keys)], watermarks={f"order-{key}": 2 for key in keys})
    write(store, rows=[ticket(key, n + 1, 2) for n, key in enumerate(keys)], watermarks={f"order-{key}": 4 for key in keys})
    tx = store.begin("rows", 1)
    tx.lock(range(256))
    assert tx.rows("ticket", keys) == {key: Row((key, n + 1, None), 2) for n, key in enumerate(keys)}
    assert set(tx.watermarks([f"order-{key}" for key in keys]).values()) == {4}
    tx.rollback()


def test_thousands_of_rows_never_seen_before_are_stored_as_they_are(store: ReadStore) -> None:
    strange = ["", "tab\tnew\nline\rback\\slash", "\\N", "NULL", '"{,}"', "🚀", None, "\\."]
    rows = [
        RowWrite(
            "plain",
            f"k\t{n}\\" if n % 100 == 0 else f"k{n}",
            strange[n % 8] or "",
            None
            if n % 50 == 0
            else (
                strange[n % 8],
                None if n % 9 == 0 else -n,
                None if n % 9 == 0 else n / 7 if n % 2 else float("-inf"),
                None if n % 9 == 0 else n % 2 == 0,
                None if n % 9 == 0 else datetime(2013, 1, 1, tzinfo=UTC) + timedelta(microseconds=n),
                None if n % 9 == 0 else date(2013, 1, 1 + n % 28),
                None if n % 9 == 0 else Decimal(n) / 8,
                strange[n % 8],
            ),
            1,
        )
        for n in range(1_200)
    ]
    keys = [row.key for row in rows]
    streams = {f"order-{key}\r": 1 + n for n, key in enumerate(keys)}
    for repeat in (1, 2):  # the second time nothing is new
        tx = store.begin("rows", 1)
        tx.lock(range(SHARDS))
        assert len(tx.watermarks([*streams])) == (0 if repeat == 1 else len(streams))
        assert len(tx.rows("plain", keys)) == (0 if repeat == 1 else len(keys))
        tx.write(Writes(rows=rows, watermarks=streams))
        tx.write(Writes(rows=rows, watermarks=streams))
        assert tx.rows("plain", keys) == {row.key: Row(row.values, 1) for row in rows}
        assert tx.watermarks([*streams]) == streams
        tx.commit()
    page = store.query(1, ONE_STREAM, Query(tenant=strange[1], first=1000))
    assert {key for key, _ in page.rows} == {row.key for row in rows if row.tenant == strange[1] and row.values is not None}


@pytest.mark.parametrize("strange", ["\t", "\n", "\r", "\\", '"', "\\N"])
def test_one_strange_character_among_thousands_is_stored_as_it_is(store: ReadStore, strange: str) -> None:
    rows = [ticket(f"{n}{strange}" if n == 300 else str(n)) for n in range(600)]
    keys = [row.key for row in rows]
    tx = store.begin("rows", 1)
    tx.lock([0])
    assert tx.rows("ticket", keys) == {}
    assert tx.watermarks(keys) == {}
    tx.write(Writes(rows=rows, watermarks=dict.fromkeys(keys, 1)))
    assert tx.rows("ticket", keys) == {row.key: Row(row.values, 1) for row in rows}
    assert tx.watermarks(keys) == dict.fromkeys(keys, 1)
    tx.commit()


def test_two_that_both_find_the_same_thousands_of_rows_absent_do_not_store_them_twice(store: ReadStore) -> None:
    """Against the rules (one stream feeds one row), and still nothing breaks: one of them is told to do it again."""
    keys = [f"k{n}" for n in range(600)]
    writes = Writes(rows=[RowWrite("plain", key, "", (key, None, None, None, None, None, None, None), 1) for key in keys])

    def batch(shard: int) -> None:
        for _ in range(3):
            tx = store.begin("rows", 1)
            try:
                tx.lock([shard])
                tx.rows("plain", keys)
                time.sleep(0.1)
                tx.write(writes)
                tx.commit()
            except Unavailable:
                continue
            finally:
                tx.rollback()

    threads = [meanwhile(lambda shard=shard: batch(shard)) for shard in (1, 2)]  # type: ignore[misc]
    for thread in threads:
        thread.join(30)
    assert len(store.query(1, ONE_STREAM, Query(first=1000)).rows) == 600
