"""Generations, changes and letters of the ReadStore port in sentences."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec.structs import replace

from runtime.domain.filters import Query
from runtime.domain.tables import Column, Group, Kind, Table
from runtime.errors import Fenced, Malformed, Misconfigured, Rejected
from runtime.ports import SHARDS, Generation, Head, Letter, Output, Phase, ReadStore, Row
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
    shared_url,
    store,
    ticket,
    write,
)

__all__ = ["place", "shared_url", "store"]


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


# watermarks


def test_watermarks_are_paged_in_code_point_order(store: ReadStore) -> None:
    streams = {"Order-1": 1, "order-1": 2, "order-10": 3, "order-2": 4, "ä": 5, "z": 6, "🚀": 7, "～": 8}
    write(store, watermarks=streams)
    write(store, watermarks={"order-2": 9})
    found: list[Head] = []
    while page := store.watermarks("rows", 1, found[-1].stream if found else "", 3):
        assert len(page) <= 3
        found += page
    assert found == [Head(stream, (streams | {"order-2": 9})[stream]) for stream in sorted(streams)]


def test_a_row_is_read_with_the_watermark_of_its_stream(store: ReadStore) -> None:
    assert store.get("rows", 1, "ticket", "o-1", "order-o-1").watermark == 0
    write(store, rows=[ticket("o-1")], watermarks={"order-o-1": 4}, letters=[parked("order-o-1", 5, "sample"), counting("order-o-1", 5)])
    seen = store.get("rows", 1, "ticket", "o-1", "order-o-1")
    assert (seen.row, seen.watermark, seen.generation) == (Row(("o-1", 1, None), 1), 4, 1)
    assert store.get("rows", 1, "ticket", "o-1", "").watermark == 0
    with pytest.raises(Malformed, match="no part"):
        store.get("rows", 1, "nothing", "o-1", "")


def test_a_stream_that_is_parked_for_the_part_is_told_apart(store: ReadStore) -> None:
    write(store, watermarks={"order-o-1": 4}, letters=[parked("order-o-1", 3)])
    assert store.get("rows", 1, "ticket", "o-1", "order-o-1").watermark == -1
    assert store.get("rows", 1, "sample", "o-1", "order-o-1").watermark == 4


# changes


def test_changes_of_a_shard_are_read_in_order_after_a_number(store: ReadStore) -> None:
    write(store, shards=(1, 2), changes=[change(1, 1), change(1, 2, "o-2"), change(2, 1, "ö")])
    write(store, shards=(1,), changes=[change(1, 3)])
    assert store.changes("rows", 1, 1, 0, 10) == [change(1, 1), change(1, 2, "o-2"), change(1, 3)]
    assert store.changes("rows", 1, 1, 1, 1) == [change(1, 2, "o-2")]
    assert store.changes("rows", 1, 2, 0, 10) == [change(2, 1, "ö")]
    assert store.changes("rows", 1, 3, 0, 10) == []
    assert store.history("rows", 1) == {1: (1, 3), 2: (1, 1)}


def test_changes_keep_their_columns_before_and_after(store: ReadStore) -> None:
    full = replace(change(0, 1), tenant="acme", before=b'{"quantity":1}', after='{"order":"\\"ö\\" \\\\ 🚀"}'.encode(), revision=7)
    removed = replace(change(0, 2), before=b'{"order":"o-1"}', after=b"")
    write(store, changes=[full, removed])
    assert store.changes("rows", 1, 0, 0, 10) == [full, removed]


def test_trimming_keeps_the_last_changes_of_each_shard(store: ReadStore) -> None:
    write(store, shards=(1, 2), changes=[change(1, n) for n in range(1, 8)] + [change(2, 1)], signalled={1: 7, 2: 1})
    assert store.trim_changes("rows", 1, 3) == 4
    assert [one.number for one in store.changes("rows", 1, 1, 0, 10)] == [5, 6, 7]
    assert store.history("rows", 1) == {1: (5, 7), 2: (1, 1)}
    assert store.trim_changes("rows", 1, 3) == 0
    assert store.trim_changes("rows", 1, 0) == 4
    assert store.history("rows", 1) == {1: (8, 7), 2: (2, 1)}


def test_trimming_never_takes_a_change_that_was_not_signalled(store: ReadStore) -> None:
    write(store, changes=[change(0, n) for n in range(1, 8)], signalled={0: 2})
    assert store.trim_changes("rows", 1, 1) == 2
    assert [one.number for one in store.changes("rows", 1, 0, 0, 10)] == [3, 4, 5, 6, 7]


def test_the_number_goes_on_after_everything_was_trimmed(store: ReadStore) -> None:
    write(store, changes=[change(0, 1)], signalled={0: 1})
    store.trim_changes("rows", 1, 0)
    tx = store.begin("rows", 1)
    (state,) = tx.lock([0])[1]
    tx.rollback()
    assert (state.changes, state.signalled) == (1, 1)


# letters


def test_parked_letters_are_listed_and_counting_ones_are_not(store: ReadStore) -> None:
    gap = Letter("sample", "order-1", 2, "the store has no version 2", 0, True, "gap")
    write(store, letters=[parked("order-2", 7), gap, counting("order-3", 1)])
    assert store.letters("rows", 1) == [gap, parked("order-2", 7)]


def test_a_letter_replaces_that_of_its_part_and_stream_until_it_is_gone(store: ReadStore) -> None:
    write(store, letters=[parked("order-1", 3), parked("order-1", 3, "sample")])
    write(store, letters=[parked("order-1", 6)])
    assert store.letters("rows", 1) == [parked("order-1", 3, "sample"), parked("order-1", 6)]
    write(store, letters_gone=[("ticket", "order-1"), ("ticket", "never")])
    assert store.letters("rows", 1) == [parked("order-1", 3, "sample")]


def test_tries_are_counted_durably_one_by_one(place: Place, store: ReadStore) -> None:
    letter = counting("order-1", 4)
    assert [store.count_try("rows", 1, letter) for _ in range(3)] == [1, 2, 3]
    assert place.open().count_try("rows", 1, replace(letter, error="ValueError: no")) == 4
    tx = store.begin("rows", 1)
    tx.lock([0])
    assert tx.letters(["order-1"]) == [replace(letter, tries=4, error="ValueError: no")]
    tx.rollback()
    assert store.letters("rows", 1) == []


def test_tries_of_another_event_or_part_are_counted_from_one(store: ReadStore) -> None:
    store.count_try("rows", 1, counting("order-1", 4))
    store.count_try("rows", 1, counting("order-1", 4))
    assert store.count_try("rows", 1, counting("order-1", 4, "sample")) == 1
    assert store.count_try("rows", 1, counting("order-2", 4)) == 1
    assert store.count_try("rows", 1, counting("order-1", 5)) == 1
    tx = store.begin("rows", 1)
    tx.lock([0])
    assert [(one.version, one.tries) for one in tx.letters(["order-1"]) if one.part == "ticket"] == [(5, 1)]
    tx.rollback()


def test_a_parked_letter_stays_parked_where_it_is_while_its_events_are_tried(store: ReadStore) -> None:
    write(store, letters=[parked("order-1", 4)])
    assert store.count_try("rows", 1, counting("order-1", 4)) == 6
    assert store.count_try("rows", 1, counting("order-1", 6)) == 1
    assert store.count_try("rows", 1, counting("order-1", 6)) == 2
    assert store.letters("rows", 1) == [replace(parked("order-1", 4), tries=2)]


def test_many_threads_count_every_try(store: ReadStore) -> None:
    with ThreadPoolExecutor(4) as pool:
        counted = list(pool.map(lambda _: store.count_try("rows", 1, counting("order-1", 4)), range(20)))
    assert sorted(counted) == list(range(1, 21))


def test_held_outputs_go_with_their_generation(store: ReadStore) -> None:
    green(store, SELLING)
    held: Output = output("order-1", 1, generation=2)
    write(store, "selling", 2, outputs=[held])
    write(store, "selling", 1, outputs=[output("order-1", 1)])
    assert len(store.outputs("selling", 10)) == 2
    store.drop("selling", 2)
    assert store.outputs("selling", 10) == [output("order-1", 1)]
