"""Generations, changes and letters of the ReadStore port in sentences."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec.structs import replace

from runtime.domain.filters import Query
from runtime.domain.tables import Column, Group, Kind, Table
from runtime.errors import Fenced, Misconfigured, Rejected
from runtime.ports import SHARDS, Generation, Output, Phase, ReadStore
from tests.conformance.read_stores import (
    ROWS,
    SELLING,
    TICKETS,
    Place,
    change,
    counting,
    green,
    output,
    parked,
    place,
    store,
    ticket,
    write,
)

__all__ = ["place", "store"]


# generations


def test_a_generation_has_the_number_after_the_highest_and_what_it_was_made_from(place: Place) -> None:
    assert place.store.generations("rows") == []
    assert place.store.create(ROWS, Phase.LIVE, 3) == Generation("rows", 1, Phase.LIVE, "hash-1", 3)
    assert place.store.create(ROWS, Phase.GREEN, 4) == Generation("rows", 2, Phase.GREEN, "hash-1", 4)
    assert place.open().generations("rows") == [
        Generation("rows", 1, Phase.LIVE, "hash-1", 3),
        Generation("rows", 2, Phase.GREEN, "hash-1", 4),
    ]
    assert place.store.create(SELLING, Phase.LIVE, 3).number == 1


def test_a_live_generation_is_made_once_and_then_given_to_everybody(place: Place) -> None:
    first = place.store.create(ROWS, Phase.LIVE, 1)
    changed = replace(ROWS, schema="hash-2")
    assert place.open().create(changed, Phase.LIVE, 2) == first
    assert place.store.generations("rows") == [first]


def test_processes_that_start_at_once_get_one_live_generation(place: Place) -> None:
    stores = [place.open() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda store: store.create(ROWS, Phase.LIVE, 1), stores))
    assert {one.number for one in made} == {1}
    assert len(place.store.generations("rows")) == 1


def test_a_number_is_never_used_twice(store: ReadStore) -> None:
    green(store)
    store.drop("rows", 2)
    assert green(store).number == 3


def test_a_part_that_moved_to_another_group_does_not_meet_its_old_table(store: ReadStore) -> None:
    moved = store.create(Group("fast", (TICKETS,), "hash-f"), Phase.LIVE, 1)
    assert moved.number == 2
    write(store, "fast", 2, rows=[ticket("o-1")])
    assert store.get("rows", 1, "ticket", "o-1", "").row is None
    assert len(store.query(2, TICKETS, Query()).rows) == 1


def test_a_phase_set_in_a_transaction_holds_from_its_commit(place: Place, store: ReadStore) -> None:
    green(store)
    tx = store.begin("rows", 2)
    tx.lock(range(SHARDS))
    tx.lock_both(1, range(SHARDS))
    tx.set_phase(2, Phase.LIVE)
    tx.set_phase(1, Phase.BLUE)
    assert [one.phase for one in place.open().generations("rows")] == [Phase.LIVE, Phase.GREEN]
    tx.commit()
    assert [one.phase for one in place.open().generations("rows")] == [Phase.BLUE, Phase.LIVE]
    assert store.create(ROWS, Phase.LIVE, 1).number == 2


def test_dropping_takes_everything_of_the_generation_and_nothing_else(place: Place, store: ReadStore) -> None:
    green(store)
    for generation in (1, 2):
        write(
            store,
            generation=generation,
            rows=[ticket("o-1")],
            watermarks={"s": 1},
            letters=[parked("s", 2)],
            changes=[change(0, 1)],
        )
    other = place.open()
    assert other.watermarks_of("rows", 2, ["s"]) == {"s": 1}
    assert len(other.query(2, TICKETS, Query()).rows) == 1
    store.drop("rows", 2)
    store.drop("rows", 2)
    assert [one.number for one in store.generations("rows")] == [1]
    for reader in (store, other):
        with pytest.raises(Fenced):
            reader.watermarks_of("rows", 2, ["s"])
        with pytest.raises(Fenced):
            reader.watermarks("rows", 2, "", 10)
        with pytest.raises(Fenced):
            reader.get("rows", 2, "ticket", "o-1", "s")
        with pytest.raises(Fenced):
            reader.query(2, TICKETS, Query())
        with pytest.raises(Fenced):
            reader.letters("rows", 2)
        with pytest.raises(Fenced):
            reader.changes("rows", 2, 0, 0, 10)
        with pytest.raises(Fenced):
            reader.history("rows", 2)
        with pytest.raises(Fenced):
            reader.count_try("rows", 2, counting("s", 1))
    assert store.get("rows", 1, "ticket", "o-1", "s").watermark == -1
    assert store.history("rows", 1) == {0: (1, 1)}


@pytest.mark.parametrize("phase", [Phase.LIVE, Phase.BLUE])
def test_a_generation_that_somebody_reads_is_not_dropped(store: ReadStore, phase: Phase) -> None:
    tx = store.begin("rows", 1)
    tx.lock([0])
    tx.set_phase(1, phase)
    tx.commit()
    with pytest.raises(Rejected, match=f"generation 1 of 'rows' is {phase}"):
        store.drop("rows", 1)
    assert len(store.generations("rows")) == 1


def test_names_that_a_database_would_mix_up_are_refused(place: Place) -> None:
    for names in (("price", "Price"), ("_key",), ("_GONE",), ("n" * 64,), ("",)):
        table = Table("ticket", tuple(Column(name, Kind.INT) for name in names))
        with pytest.raises(Misconfigured, match="ticket"):
            place.store.create(Group("rows", (table,), "h"), Phase.LIVE, 1)
    with pytest.raises(Misconfigured, match="differ in case only"):
        place.store.create(Group("rows", (Table("a", ()), Table("A", ())), "h"), Phase.LIVE, 1)
    assert place.store.generations("rows") == []


def test_strange_but_legal_names_work(place: Place) -> None:
    table = Table('tick"et 100%', (Column('sel"ect {x} %s', Kind.TEXT), Column("value", Kind.INT), Column("key", Kind.INT)))
    place.store.create(Group("rows", (table,), "h"), Phase.LIVE, 1)
    tx = place.store.begin("rows", 1)
    tx.lock([0])
    from runtime.domain.filters import Compare, Order
    from runtime.ports import RowWrite, Writes

    tx.write(Writes(rows=[RowWrite(table.part, str(n), "", ("x", n, n), 1) for n in range(3)]))
    tx.commit()
    query = Query(Compare('sel"ect {x} %s', "starts_with", "x"), (Order('sel"ect {x} %s'), Order("key", True)), first=2)
    page = place.store.query(1, table, query)
    assert [key for key, _ in page.rows] == ["2", "1"]
    assert [key for key, _ in place.store.query(1, table, replace(query, cursor=page.cursor)).rows] == ["0"]


# leases


def test_leases_count_until_they_run_out_or_are_ended(place: Place, store: ReadStore) -> None:
    assert store.leases("rows", 1) == 0
    store.lease("rows", 1, "gateway-a", 60)
    store.lease("rows", 1, "gateway-b", 60)
    store.lease("rows", 1, "gateway-a", 60)
    assert place.open().leases("rows", 1) == 2
    store.lease("rows", 1, "gateway-a", 0)
    assert store.leases("rows", 1) == 1
    store.lease("rows", 1, "gateway-b", 0.05)
    time.sleep(0.1)
    assert store.leases("rows", 1) == 0
    assert store.leases("selling", 1) == 0
    with pytest.raises(Fenced):
        store.lease("rows", 9, "gateway-a", 60)


def test_held_outputs_go_with_their_generation(store: ReadStore) -> None:
    green(store, SELLING)
    held: Output = output("order-1", 1, generation=2)
    write(store, "selling", 2, outputs=[held])
    write(store, "selling", 1, outputs=[output("order-1", 1)])
    assert len(store.outputs("selling", 10)) == 2
    store.drop("selling", 2)
    assert store.outputs("selling", 10) == [output("order-1", 1)]
