"""The Transaction port in sentences: locks, watermarks, letters and rows that commit together or not at all."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from runtime.domain.filters import Query
from runtime.errors import Fenced, Malformed, Unavailable
from runtime.ports import SHARDS, Generation, Phase, ReadStore, Row, RowWrite, ShardState, Writes
from tests.conformance.read_stores import (
    ONE_STREAM,
    Place,
    change,
    gone,
    green,
    parked,
    place,
    shared_url,
    store,
    ticket,
    write,
)

__all__ = ["place", "shared_url", "store"]


def meanwhile(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


# locks


def test_a_lock_says_the_generation_and_the_shards_in_ascending_order(store: ReadStore) -> None:
    tx = store.begin("rows", 1)
    generation, shards = tx.lock([7, 3, 255])
    tx.rollback()
    assert generation == Generation("rows", 1, Phase.LIVE, "hash-1", 1)
    assert shards == [ShardState(3, 0, 0, ""), ShardState(7, 0, 0, ""), ShardState(255, 0, 0, "")]


def test_a_lock_says_the_changes_the_signalled_and_the_holder_that_the_last_one_left(store: ReadStore) -> None:
    tx = store.begin("rows", 1)
    tx.lock([3, 4])
    tx.hold([3], "projector-a")
    tx.write(Writes(changes=[change(3, 1), change(3, 2)], signalled={3: 1}))
    tx.commit()
    tx = store.begin("rows", 1)
    assert tx.lock([3, 4])[1] == [ShardState(3, 2, 1, "projector-a"), ShardState(4, 0, 0, "")]
    tx.hold([3], "")
    tx.commit()
    tx = store.begin("rows", 1)
    assert tx.lock([3])[1] == [ShardState(3, 2, 1, "")]
    tx.rollback()


def test_a_locked_shard_waits_for_its_holder_and_then_sees_what_that_one_wrote(store: ReadStore) -> None:
    first = store.begin("rows", 1)
    first.lock([5])
    seen: list[dict[str, int]] = []
    at: list[float] = []

    def second() -> None:
        tx = store.begin("rows", 1)
        tx.lock([4, 5])
        at.append(time.monotonic())
        seen.append(tx.watermarks(["order-1"]))
        tx.rollback()

    thread = meanwhile(second)
    time.sleep(0.15)
    assert not at
    first.write(Writes(watermarks={"order-1": 9}))
    first.commit()
    thread.join(5)
    assert seen == [{"order-1": 9}]


def test_a_rollback_lets_the_next_holder_in(store: ReadStore) -> None:
    first = store.begin("rows", 1)
    first.lock([5])
    first.rollback()
    second = store.begin("rows", 1)
    assert second.lock([5])[1] == [ShardState(5, 0, 0, "")]
    second.rollback()


def test_counting_up_under_the_shard_lock_from_many_threads_loses_nothing(store: ReadStore) -> None:
    def count() -> None:
        for _ in range(10):
            tx = store.begin("rows", 1)
            tx.lock([1, 9])
            tx.write(Writes(watermarks={"order-1": tx.watermarks(["order-1"]).get("order-1", 0) + 1}))
            tx.commit()

    threads = [meanwhile(count) for _ in range(4)]
    for thread in threads:
        thread.join(30)
    assert store.watermarks_of("rows", 1, ["order-1"]) == {"order-1": 40}


def test_locked_rows_that_several_streams_feed_lose_no_delta_though_the_shards_differ(store: ReadStore) -> None:
    def add(shard: int) -> None:
        for _ in range(10):
            tx = store.begin("rows", 1)
            tx.lock([shard])
            row = tx.lock_rows("ticket", ["a", "b"])
            writes = []
            for key in ("a", "b"):
                values = row[key].values
                quantity = values[1] if values is not None else 0
                assert isinstance(quantity, int)
                writes.append(ticket(key, quantity + 1, row[key].revision + 1))
            tx.write(Writes(rows=writes))
            tx.commit()

    threads = [meanwhile(lambda shard=shard: add(shard)) for shard in range(4)]  # type: ignore[misc]
    for thread in threads:
        thread.join(30)
    for key in ("a", "b"):
        assert store.get("rows", 1, "ticket", key, "").row == Row((key, 40, None), 40)


def test_locking_an_absent_row_answers_a_row_never_seen_and_leaves_none_behind(store: ReadStore) -> None:
    tx = store.begin("rows", 1)
    tx.lock([0])
    assert tx.lock_rows("ticket", ["b", "a"]) == {"a": Row(None, 0), "b": Row(None, 0)}
    tx.commit()
    assert store.get("rows", 1, "ticket", "a", "").row is None
    tx = store.begin("rows", 1)
    tx.lock([0])
    assert tx.rows("ticket", ["a", "b"]) == {}
    tx.rollback()


def test_an_absent_row_is_locked_too_and_the_next_one_reads_what_the_first_made_of_it(store: ReadStore) -> None:
    first = store.begin("rows", 1)
    first.lock([1])
    first.lock_rows("ticket", ["a"])
    seen: list[dict[str, Row]] = []

    def second() -> None:
        tx = store.begin("rows", 1)
        tx.lock([2])
        seen.append(tx.lock_rows("ticket", ["a"]))
        tx.rollback()

    thread = meanwhile(second)
    time.sleep(0.15)
    assert not seen
    first.write(Writes(rows=[ticket("a", 7)]))
    first.commit()
    thread.join(5)
    assert seen == [{"a": Row(("a", 7, None), 1)}]


def test_a_swap_locks_the_shards_of_both_generations(store: ReadStore) -> None:
    green(store)
    swap = store.begin("rows", 1)
    swap.lock([2])
    swap.lock_both(2, [2])
    entered = threading.Event()

    def batch() -> None:
        tx = store.begin("rows", 2)
        tx.lock([2])
        entered.set()
        tx.rollback()

    thread = meanwhile(batch)
    assert not entered.wait(0.15)
    swap.rollback()
    thread.join(5)
    assert entered.is_set()


def test_a_lock_of_a_dropped_generation_is_fenced(place: Place, store: ReadStore) -> None:
    green(store)
    elsewhere = place.open()
    tx = elsewhere.begin("rows", 2)
    tx.lock([0])
    tx.rollback()
    store.drop("rows", 2)
    tx = elsewhere.begin("rows", 2)
    with pytest.raises(Fenced):
        tx.lock([0])
    tx.rollback()
    tx = store.begin("rows", 7)
    with pytest.raises(Fenced):
        tx.lock([0])
    tx.rollback()


# commit and rollback


def test_nothing_is_seen_by_others_before_the_commit(place: Place, store: ReadStore) -> None:
    other = place.open()
    tx = store.begin("rows", 1)
    tx.lock([0])
    tx.write(Writes(rows=[ticket("o-1")], watermarks={"order-o-1": 1}, letters=[parked("order-o-1", 2)], changes=[change(0, 1)]))
    for reader in (store, other):
        assert reader.get("rows", 1, "ticket", "o-1", "order-o-1").row is None
        assert reader.watermarks_of("rows", 1, ["order-o-1"]) == {}
        assert reader.letters("rows", 1) == []
        assert reader.changes("rows", 1, 0, 0, 10) == []
    tx.commit()
    for reader in (store, other):
        assert reader.get("rows", 1, "ticket", "o-1", "").row == Row(("o-1", 1, None), 1)
        assert reader.watermarks_of("rows", 1, ["order-o-1"]) == {"order-o-1": 1}
        assert reader.letters("rows", 1) == [parked("order-o-1", 2)]
        assert reader.changes("rows", 1, 0, 0, 10) == [change(0, 1)]


def test_after_a_rollback_it_is_as_if_it_had_never_been(store: ReadStore) -> None:
    tx = store.begin("rows", 1)
    tx.lock([0])
    tx.hold([0], "me")
    tx.write(Writes(rows=[ticket("o-1")], watermarks={"order-o-1": 1}, changes=[change(0, 1)]))
    tx.set_phase(1, Phase.FENCED)
    tx.rollback()
    tx.rollback()
    tx = store.begin("rows", 1)
    generation, shards = tx.lock([0])
    assert (generation.phase, shards) == (Phase.LIVE, [ShardState(0, 0, 0, "")])
    assert tx.watermarks(["order-o-1"]) == {}
    assert tx.rows("ticket", ["o-1"]) == {}
    tx.rollback()


def test_a_transaction_that_is_over_answers_no_more(store: ReadStore) -> None:
    for end in ("commit", "rollback"):
        tx = store.begin("rows", 1)
        tx.lock([0])
        getattr(tx, end)()
        with pytest.raises(Unavailable):
            tx.watermarks(["a"])
        with pytest.raises(Unavailable):
            tx.commit()
        tx.rollback()


def test_what_was_committed_is_there_for_another_handle(place: Place, store: ReadStore) -> None:
    write(store, rows=[ticket("o-1")], watermarks={"order-o-1": 3})
    assert place.open().get("rows", 1, "ticket", "o-1", "order-o-1").watermark == 3


# what a transaction reads


def test_a_transaction_sees_its_own_writes(store: ReadStore) -> None:
    tx = store.begin("rows", 1)
    tx.lock([0, 1])
    tx.write(Writes(rows=[ticket("o-1")], watermarks={"s": 1}, letters=[parked("s", 2)], changes=[change(0, 1)]))
    tx.write(Writes(rows=[ticket("o-1", 2, 2)], watermarks={"s": 4}, letters_gone=[("ticket", "s")], signalled={0: 1}))
    assert tx.rows("ticket", ["o-1"]) == {"o-1": Row(("o-1", 2, None), 2)}
    assert tx.lock_rows("ticket", ["o-1"]) == {"o-1": Row(("o-1", 2, None), 2)}
    assert tx.watermarks(["s"]) == {"s": 4}
    assert tx.letters(["s"]) == []
    tx.set_phase(1, Phase.BLUE)
    generation, shards = tx.lock([0])
    assert (generation.phase, shards) == (Phase.BLUE, [ShardState(0, 1, 1, "")])
    tx.commit()


def test_watermarks_rows_and_letters_answer_only_what_is_there(store: ReadStore) -> None:
    write(store, rows=[ticket("o-1"), ticket("o-2")], watermarks={"a": 1, "b": 2, "ü": 3}, letters=[parked("b", 3), parked("z", 1)])
    tx = store.begin("rows", 1)
    tx.lock([0])
    assert tx.watermarks(["b", "ü", "none"]) == {"b": 2, "ü": 3}
    assert tx.watermarks([]) == {}
    assert tx.letters(["a", "b"]) == [parked("b", 3)]
    assert tx.rows("ticket", ["o-2", "o-9"]) == {"o-2": Row(("o-2", 1, None), 1)}
    assert tx.rows("ticket", []) == {}
    tx.rollback()


def test_generations_keep_their_own_rows_watermarks_and_letters(store: ReadStore) -> None:
    green(store)
    write(store, generation=1, rows=[ticket("o-1", 1)], watermarks={"s": 1}, letters=[parked("s", 2)])
    write(store, generation=2, rows=[ticket("o-1", 2)], watermarks={"s": 7})
    tx = store.begin("rows", 2)
    tx.lock([0])
    assert tx.rows("ticket", ["o-1"]) == {"o-1": Row(("o-1", 2, None), 1)}
    assert tx.watermarks(["s"]) == {"s": 7}
    assert tx.letters(["s"]) == []
    tx.rollback()


# writing rows


def test_a_tombstone_keeps_its_revision_and_the_row_comes_back_after_it(store: ReadStore) -> None:
    write(store, rows=[ticket("o-1", revision=1)])
    write(store, rows=[gone("o-1", 2)])
    tx = store.begin("rows", 1)
    tx.lock([0])
    assert tx.rows("ticket", ["o-1"]) == {"o-1": Row(None, 2)}
    assert tx.lock_rows("ticket", ["o-1"]) == {"o-1": Row(None, 2)}
    tx.write(Writes(rows=[ticket("o-1", 5, 3)]))
    tx.commit()
    assert store.get("rows", 1, "ticket", "o-1", "").row == Row(("o-1", 5, None), 3)


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


def test_a_part_that_the_group_does_not_have_is_named(store: ReadStore) -> None:
    tx = store.begin("rows", 1)
    tx.lock([0])
    with pytest.raises(Malformed, match=r"no part 'nothing'.*ticket, sample"):
        tx.rows("nothing", ["a"])
    tx.rollback()


def test_the_number_of_a_shards_last_change_is_counted_per_shard(store: ReadStore) -> None:
    write(store, shards=(1, 2), changes=[change(1, 1), change(1, 2), change(1, 3), change(2, 1)])
    tx = store.begin("rows", 1)
    assert [(state.shard, state.changes) for state in tx.lock([1, 2])[1]] == [(1, 3), (2, 1)]
    tx.rollback()
