"""The Transaction port in sentences: locks, watermarks, letters and rows that commit together or not at all."""

import threading
import time

import pytest

from runtime.errors import Fenced, Malformed, Unavailable
from runtime.ports import Generation, Phase, ReadStore, Row, ShardState, Writes
from tests.conformance.read_stores import (
    Place,
    change,
    gone,
    green,
    meanwhile,
    parked,
    place,
    store,
    ticket,
    write,
)
from tests.patience import PATIENCE_S

__all__ = ["place", "store"]


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
    thread.join(PATIENCE_S)
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
    thread.join(PATIENCE_S)
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
    thread.join(PATIENCE_S)
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
