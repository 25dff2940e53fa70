"""Cursors: what is written is read back, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from runtime.domain.filters import And, Compare
from runtime.errors import Malformed
from runtime.live.follow.positions import Cursors, Place, Positions, decode
from runtime.live.plans import Plan

PLAN = Plan("ticket", "rows", Compare("customer", "eq", "ada"), "", "", "", "c1")
NUMBERS = st.dictionaries(st.integers(0, 255), st.integers(1, 2**63 - 1), max_size=256)
CURSORS = Cursors("shop", PLAN)


@given(st.integers(1, 2**40), NUMBERS)
def test_a_cursor_is_read_back_as_it_was_written(generation: int, numbers: dict[int, int]) -> None:
    cursor = CURSORS.write(Positions(generation, numbers))
    assert CURSORS.read(cursor) == Place(generation, numbers)
    assert "@" not in cursor
    assert cursor.isascii()


@given(NUMBERS, st.lists(st.tuples(st.integers(0, 255), st.integers(1, 2**62)), max_size=40))
def test_positions_only_go_forward_and_their_text_is_that_of_positions_made_at_once(
    numbers: dict[int, int], moves: list[tuple[int, int]]
) -> None:
    positions = Positions(3, numbers)
    expected = dict(numbers)
    for shard, number in moves:
        positions.text()
        positions.advance(shard, number)
        expected[shard] = max(expected.get(shard, 0), number)
    assert positions.place() == Place(3, expected)
    assert positions.text() == Positions(3, expected).text()
    assert positions.reached(expected)
    assert not positions.reached({**expected, 7: expected.get(7, 0) + 1})


@given(st.text(max_size=200) | st.text("ABCDEFabcdef0123456789-_", max_size=200) | st.binary(max_size=60).map(lambda raw: raw.hex()))
def test_garbage_is_malformed_and_nothing_else(garbage: str) -> None:
    with pytest.raises(Malformed, match=r"^cursor: "):
        CURSORS.read(garbage)


@given(NUMBERS, st.data())
def test_a_cursor_that_was_tampered_with_is_malformed(numbers: dict[int, int], data: st.DataObject) -> None:
    cursor = CURSORS.write(Positions(1, numbers))
    at = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.sampled_from("ABCabc019-_ =@é\0"))
    for garbled in (cursor[:at], cursor[:at] + other + cursor[at:], cursor[:at] + other + cursor[at + 1 :], cursor + cursor[at:]):
        if garbled != cursor:
            with pytest.raises(Malformed, match=r"^cursor: "):
                CURSORS.read(garbled)


def test_a_cursor_is_good_for_its_own_subscription_only() -> None:
    cursor = CURSORS.write(Positions(2, {5: 9}))
    for app, other in (
        ("flights", PLAN),
        ("shop", replace(PLAN, part="sales")),
        ("shop", replace(PLAN, where=And(()))),
        ("shop", replace(PLAN, tenant="acme")),
        ("shop", replace(PLAN, key="o1")),
        ("shop", replace(PLAN, group="others")),
    ):
        with pytest.raises(Malformed, match="another subscription"):
            Cursors(app, other).read(cursor)
    assert Cursors("shop", replace(PLAN, cohort="c2", after="x")).read(cursor) == Place(2, {5: 9})
    assert decode(cursor) == Place(2, {5: 9})


def test_a_cursor_of_256_busy_shards_is_about_a_kilobyte_and_of_few_shards_short() -> None:
    assert len(CURSORS.write(Positions(1, dict.fromkeys(range(256), 10_000)))) < 800
    assert len(CURSORS.write(Positions(1, {7: 120}))) < 24
