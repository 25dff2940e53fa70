"""Causes before effects, in memory and out of the store, however large the streams and however small the batches."""

import random

import pytest

from runtime.flow.causal import CausalReading, in_causal_order
from runtime.ports import Append, New, Recorded
from runtime.steps import run
from tests.flow.house import House


def event(place: str, cause: str = "") -> Recorded:
    stream, _, version = place.rpartition("@")
    return Recorded(stream, int(version), "T", b"{}", cause=cause)


def places(events: list[Recorded]) -> list[str]:
    return [f"{event.stream}@{event.version}" for event in events]


def test_an_effect_waits_for_its_cause_and_the_rest_stays_as_it_is() -> None:
    events = [event("a@1"), event("a@2", "c@1"), event("b@1", "a@1"), event("c@1", "b@1"), event("d@1")]
    assert places(list(in_causal_order(events, lambda one: one))) == ["a@1", "b@1", "c@1", "d@1", "a@2"]


def test_a_cause_that_is_not_among_them_holds_nobody_back() -> None:
    events = [event("b@2", "gone@7"), event("a@1", "b@1")]
    assert list(in_causal_order(events, lambda one: one)) == events


def test_lineage_in_a_circle_loses_nothing() -> None:
    events = [event("a@1", "b@1"), event("b@1", "a@1")]
    assert sorted(places(list(in_causal_order(events, lambda one: one)))) == ["a@1", "b@1"]


@pytest.mark.parametrize("limit", [1, 2, 5, 1_000])
def test_every_batch_out_of_the_store_has_its_causes_in_it_or_before_it(limit: int) -> None:
    dice, house = random.Random(limit), House()
    heads: dict[str, int] = {}
    stored: list[str] = []
    for n in range(200):
        stream = f"s{dice.randrange(9)}"
        version = heads.get(stream, 0)
        cause = dice.choice(stored) if stored and dice.random() < 0.7 else ""
        house.store.append(Append(stream, version, (New("T", b"{}"),), f"key {n}", b"", cause))
        heads[stream] = version + 1
        stored.append(f"{stream}@{version + 1}")
    goal = dict(sorted(heads.items()))
    reading, seen = CausalReading(house.store, goal, {}, list(goal)), set[str]()
    while batch := run(reading.next(limit)):
        new = [one for events in batch.values() for one in events]
        assert len(new) <= limit
        seen.update(places(new))
        assert all(not one.cause or one.cause in seen for one in new)
    assert seen == set(stored)


def test_reading_stops_at_its_goal_and_begins_at_what_is_done() -> None:
    house = House()
    for n in range(5):
        house.store.append(Append("s", n, (New("T", b"{}"),), f"key {n}", b""))
    reading = CausalReading(house.store, {"s": 4}, {"s": 2}, ["s"])
    assert places(run(reading.next(100))["s"]) == ["s@3", "s@4"]
    assert run(reading.next(100)) == {}
