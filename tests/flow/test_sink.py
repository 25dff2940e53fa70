"""The sink: whatever arrives, however often and in whatever order, each event changes each row exactly once, or parks visibly."""

import random
from itertools import pairwise

import pytest
from msgspec.structs import replace

from apps import shop
from runtime.errors import Fenced, StoreRestored, Unavailable
from runtime.flow.sink import MAX_TRIES
from runtime.ports import Phase, Recorded, shard_of
from runtime.steps import run
from tests.flow.house import House, answer, arrivals, crash, go_on, until
from tests.simulation.domain import Write, medicine


def stocked(house: House, events: int = 6) -> list[Recorded]:
    for n in range(events):
        house.send(shop.Restock("tea", n + 1))
    return house.streams()["stock-tea"]


def test_an_event_that_arrives_twice_is_folded_once() -> None:
    house = House()
    events = stocked(house)
    sink = house.sink()
    assert run(sink.apply({"stock-tea": [*events, *events]})).events == 6
    assert run(sink.apply({"stock-tea": events})).events == 0
    assert house.shown() == house.wanted()


def test_any_order_and_any_cut_of_arrivals_gives_the_same_rows() -> None:
    for seed in range(20):
        house, dice = House(), random.Random(seed)
        stocked(house)
        for n in range(9):
            house.send(Write(f"n{n % 2}", dice.choice(("plain", "tear")), n))
        everything = [event for events in house.streams().values() for event in events] * 2
        dice.shuffle(everything)
        while everything:
            some: dict[str, list[Recorded]] = {}
            for event in [everything.pop() for _ in range(min(len(everything), dice.randint(1, 9)))]:
                some.setdefault(event.stream, []).append(event)
            run(house.sink().apply(some))
        assert house.shown() == house.wanted()


def test_a_gap_is_filled_from_the_store() -> None:
    house = House()
    events = stocked(house)
    applied = run(house.sink().apply({"stock-tea": [events[1], events[5]]}))
    assert applied.events == 6
    assert house.shown() == house.wanted()


def test_a_hole_in_the_store_itself_parks_every_part_with_reason_gap_and_others_go_on() -> None:
    house = House()
    events = stocked(house)
    house.send(Write("n1", "plain", 1))
    house.store._streams["stock-tea"] = events[:3]
    run(house.sink().apply({"stock-tea": [events[5]], "note-n1": house.streams()["note-n1"]}))
    parked = house.rows.letters("rows", 1)
    assert {(letter.stream, letter.version, letter.reason) for letter in parked} == {("stock-tea", 4, "gap")}
    assert {letter.part for letter in parked} == {fold.part.name for fold in house.app.folds_of("rows")}
    assert house.table("shelf")["tea"] == ("tea", 6, 3)
    assert house.table("page")["n1"] == ("n1", 1, "plain")


def test_an_event_type_that_the_app_does_not_know_parks_and_later_events_wait() -> None:
    house = House()
    events = stocked(house, 3)
    strange = replace(events[1], type="Burnt", data=b'{"type":"Burnt","sku":"tea"}')
    house.store._streams["stock-tea"][1] = strange
    run(house.sink().apply(arrivals(house.streams())))
    parked = house.rows.letters("rows", 1)
    assert {(letter.version, letter.reason) for letter in parked} == {(2, "unknown type")}
    assert house.table("shelf")["tea"] == ("tea", 1, 1)
    assert house.rows.watermarks_of("rows", 1, ["stock-tea"]) == {"stock-tea": 3}
    later = replace(events[2], version=4)
    house.store._streams["stock-tea"].append(later)
    run(house.sink().apply({"stock-tea": [later]}))
    assert house.rows.watermarks_of("rows", 1, ["stock-tea"]) == {"stock-tea": 4}
    assert house.table("shelf")["tea"] == ("tea", 1, 1)


def test_a_poison_parks_after_its_counted_tries_and_its_siblings_go_on() -> None:
    house = House()
    for text in ("one", "poison", "three"):
        house.send(Write("bad", text, 5))
    house.send(Write("good", "plain", 1))
    tries: list[int] = []
    core = house.sink().apply(arrivals(house.streams()))
    request = next(core)
    with pytest.raises(StopIteration):
        while True:
            try:
                reply = request.perform()
            except Exception as error:  # noqa: BLE001  handed to the core, which decides
                request = core.throw(error)
                continue
            if request.name == "count_try":
                tries.append(reply)
            request = core.send(reply)
    assert tries == list(range(1, MAX_TRIES + 2))
    (letter,) = house.rows.letters("rows", 1)
    assert (letter.part, letter.stream, letter.version, letter.tries) == ("page", "note-bad", 2, MAX_TRIES)
    assert "poison" in letter.error
    assert house.table("page") == {"bad": ("bad", 1, "one"), "good": ("good", 1, "plain")}
    assert house.table("weights")["bad"] == ("bad", 3, 15, 5)


def test_what_comes_after_a_parked_event_is_not_folded_by_the_part_that_parked() -> None:
    house = House()
    house.send(Write("bad", "poison", 1))
    sink = house.sink()
    run(sink.apply(arrivals(house.streams())))
    house.send(Write("bad", "plain", 2))
    run(sink.apply(arrivals(house.streams())))
    assert house.table("page") == {}
    assert house.table("weights")["bad"] == ("bad", 2, 3, 2)
    (letter,) = house.rows.letters("rows", 1)
    assert letter.version == 1


def test_a_failing_database_is_not_poison() -> None:
    house = House()
    stocked(house)
    sink = house.sink()
    for n in range(MAX_TRIES * 2):
        core = sink.apply(arrivals(house.streams()))
        until(core, "commit", 1 if n else 2)
        with pytest.raises(Unavailable, match="away"):
            answer(core, Unavailable("away"))
    assert house.rows._state.find("rows", 1).letters == {}


def test_a_try_that_succeeds_forgets_the_count() -> None:
    house = House()
    house.send(Write("bad", "poison", 1))
    core = house.sink().apply(arrivals(house.streams()))
    until(core, "sleep")  # counted once
    medicine.mended = True
    answer(core, None)
    assert house.rows._state.find("rows", 1).letters == {}
    assert house.table("page")["bad"] == ("bad", 1, "poison")


def test_a_batch_prepared_before_somebody_elses_is_made_again() -> None:
    house = House()
    stocked(house)
    core = house.sink().apply(arrivals(house.streams()))
    pending = until(core, "lock", 2)  # the first only puts its name on the shards
    run(house.sink().apply(arrivals(house.streams())))
    applied = go_on(core, pending)
    assert applied.events == 0
    assert house.shown() == house.wanted()


def test_after_a_commit_in_doubt_nothing_is_folded_twice_and_its_signals_are_sent() -> None:
    house = House()
    stocked(house)
    with house.signals.listen() as listener:
        sink = house.sink()
        core = sink.apply(arrivals(house.streams()))
        pending = until(core, "commit", 2)
        pending.perform()
        with pytest.raises(Unavailable, match="no answer"):
            answer(core, Unavailable("no answer", in_doubt=True))
        assert listener.take(100, 0) == []
        assert run(sink.apply(arrivals(house.streams()))).events == 0
        house.send(shop.Restock("tea", 10))
        run(sink.apply(arrivals(house.streams())))
        told = [(signal.key, signal.revision) for signal in listener.take(100, 0)]
    assert told == [("tea", 1), ("tea", 2)]
    assert house.shown() == house.wanted()


def test_signals_that_a_crash_swallowed_are_sent_by_the_next_holder() -> None:
    house = House()
    stocked(house)
    with house.signals.listen() as listener:
        core = house.sink().apply(arrivals(house.streams()))
        until(core, "send")
        crash(core)
        assert listener.take(100, 0) == []
        house.send(shop.Restock("tea", 10))
        run(house.sink().apply(arrivals(house.streams())))
        assert [(signal.number, signal.revision) for signal in listener.take(100, 0)] == [(1, 1), (2, 2)]


def test_signals_that_nobody_could_hear_are_sent_with_the_next_batch() -> None:
    house = House()
    stocked(house)
    sink = house.sink()
    core = sink.apply(arrivals(house.streams()))
    until(core, "send")
    assert answer(core, Unavailable("away")).events == 6
    with house.signals.listen() as listener:
        house.send(shop.Restock("tea", 10))
        run(sink.apply(arrivals(house.streams())))
        assert [signal.number for signal in listener.take(100, 0)] == [1, 2]


def test_a_deleted_row_keeps_its_revision_and_comes_back_with_the_next() -> None:
    house = House()
    with house.signals.listen() as listener:
        sink = house.sink()
        for text in ("one", "tear", "two"):
            house.send(Write("n1", text, 1))
            run(sink.apply(arrivals(house.streams())))
        told = [signal for signal in listener.take(100, 0) if signal.part == "page"]
    assert [signal.revision for signal in told] == [1, 2, 3]
    assert [bool(signal.after) for signal in told] == [True, False, True]
    assert all(one.number < other.number for one, other in pairwise(told))


def test_a_fenced_generation_writes_no_more() -> None:
    house = House()
    stocked(house)
    sink = house.sink()
    tx = house.rows.begin("rows", 1)
    tx.lock([shard_of("stock-tea")])
    tx.set_phase(1, Phase.FENCED)
    tx.commit()
    with pytest.raises(Fenced):
        run(sink.apply(arrivals(house.streams())))
    assert house.rows.watermarks("rows", 1, "", 10) == []


def test_an_event_of_a_newer_epoch_stops_the_group() -> None:
    house = House()
    stocked(house, 2)
    sink = house.sink()
    house.store.raise_epoch()
    house.send(shop.Restock("tea", 1))
    with pytest.raises(StoreRestored, match="rebuild start --group rows"):
        run(sink.apply(arrivals(house.streams())))


def test_a_change_tells_what_differs_before_and_all_of_it_after() -> None:
    house = House()
    with house.signals.listen() as listener:
        sink = house.sink()
        for quantity in (3, 4):
            house.send(shop.Restock("tea", quantity))
            run(sink.apply(arrivals(house.streams())))
        first, second = listener.take(100, 0)
    assert (first.before, first.after) == (b"", b'{"sku":"tea","free":3,"n":1}')
    assert (second.before, second.after) == (b'{"free":3,"n":1}', b'{"sku":"tea","free":7,"n":2}')
