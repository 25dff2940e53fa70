"""Watermarks, changes and letters of the ReadStore port in sentences."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec.structs import replace

from runtime.errors import Malformed
from runtime.ports import Head, Letter, ReadStore, Row
from tests.conformance.read_stores import (
    Place,
    change,
    counting,
    parked,
    place,
    store,
    ticket,
    write,
)

__all__ = ["place", "store"]


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
