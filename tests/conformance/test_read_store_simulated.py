"""What the memory read store adds for simulation: no waiting, a given time, and transactions that somebody else ends."""

from datetime import UTC, datetime, timedelta

import pytest

from providers.memory.rows import MemoryReadStore, WouldBlock
from runtime.errors import Rejected, Unavailable
from runtime.ports import Phase, Writes
from tests.conformance.read_stores import ROWS, green, ticket, write

NOON = datetime(2013, 6, 1, 12, tzinfo=UTC)


def live(now: datetime = NOON) -> MemoryReadStore:
    store = MemoryReadStore(now=lambda: now, blocking=False)
    store.create(ROWS, Phase.LIVE, 1)
    return store


def test_a_held_shard_would_block_and_nothing_is_taken_by_the_call_that_says_so() -> None:
    store = live()
    first, second, third = (store.begin("rows", 1) for _ in range(3))
    first.lock([5])
    with pytest.raises(WouldBlock):
        second.lock([4, 5])
    third.lock([4])
    third.rollback()
    first.commit()
    assert [state.shard for state in second.lock([4, 5])[1]] == [4, 5]


def test_a_held_row_would_block_though_the_shards_differ() -> None:
    store = live()
    first, second = store.begin("rows", 1), store.begin("rows", 1)
    first.lock([1])
    second.lock([2])
    first.lock_rows("ticket", ["b"])
    with pytest.raises(WouldBlock):
        second.lock_rows("ticket", ["a", "b"])
    assert set(second.lock_rows("ticket", ["a"])) == {"a"}
    first.write(Writes(rows=[ticket("b", 7)]))
    first.commit()
    assert second.lock_rows("ticket", ["a", "b"])["b"].revision == 1


def test_a_transaction_may_lock_again_what_it_holds() -> None:
    tx = live().begin("rows", 1)
    tx.lock([1, 2])
    tx.lock([2, 3])
    tx.lock_rows("ticket", ["a"])
    tx.lock_rows("ticket", ["a", "b"])
    tx.commit()


def test_generations_of_a_group_do_not_block_each_other_until_both_are_locked() -> None:
    store = live()
    green(store)
    blue, other, swap = store.begin("rows", 1), store.begin("rows", 2), store.begin("rows", 2)
    blue.lock([1])
    other.lock([1])
    other.commit()
    swap.lock([1])
    with pytest.raises(WouldBlock):
        swap.lock_both(1, [1])
    blue.commit()
    swap.lock_both(1, [1])


def test_dropping_a_generation_that_a_transaction_holds_would_block() -> None:
    store = live()
    green(store)
    tx = store.begin("rows", 2)
    tx.lock([9])
    with pytest.raises(WouldBlock):
        store.drop("rows", 2)
    tx.rollback()
    store.drop("rows", 2)
    with pytest.raises(Rejected):
        store.drop("rows", 1)
    store.begin("rows", 1).lock([0])  # a refused drop keeps no lock


def test_a_killed_transaction_never_was_and_answers_unavailable() -> None:
    store = live()
    tx = store.begin("rows", 1)
    tx.lock([0])
    tx.write(Writes(rows=[ticket("a")], watermarks={"s": 1}))
    store.kill(tx)
    write(store, watermarks={"s": 5})
    for call in (
        lambda: tx.watermarks(["s"]),
        lambda: tx.write(Writes(watermarks={"s": 9})),
        lambda: tx.hold([0], "me"),
        lambda: tx.lock([0]),
        tx.commit,
    ):
        with pytest.raises(Unavailable):
            call()
    tx.rollback()
    assert store.watermarks_of("rows", 1, ["s"]) == {"s": 5}
    assert store.get("rows", 1, "ticket", "a", "").row is None


def test_killing_a_committed_transaction_changes_nothing() -> None:
    store = live()
    tx = store.begin("rows", 1)
    tx.lock([0])
    tx.write(Writes(watermarks={"s": 1}))
    tx.commit()
    store.kill(tx)
    assert store.watermarks_of("rows", 1, ["s"]) == {"s": 1}


def test_the_given_time_is_the_databases_for_clock_and_leases() -> None:
    times = [NOON]
    store = MemoryReadStore(now=lambda: times[-1], blocking=False)
    store.create(ROWS, Phase.LIVE, 1)
    assert store.clock() == NOON
    store.lease("rows", 1, "gateway", 60)
    times.append(NOON + timedelta(seconds=60))
    assert store.clock() == NOON + timedelta(seconds=60)
    assert store.leases("rows", 1) == 0


def test_what_is_written_after_the_call_is_not_part_of_it() -> None:
    store = live()
    writes = Writes(rows=[ticket("a")], watermarks={"s": 1})
    tx = store.begin("rows", 1)
    tx.lock([0])
    tx.write(writes)
    writes.watermarks["s"] = 9
    writes.rows.clear()
    tx.commit()
    assert store.watermarks_of("rows", 1, ["s"]) == {"s": 1}
