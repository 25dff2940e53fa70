"""Faults 17, 19 and 20: wrong clocks change no order and no time-out, a snapshot is only a short cut, and no old event is ever dropped."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from apps import shop
from runtime.domain import App, Command, Decider, Event, Projection, Upcast
from runtime.domain.upcasts import Raw
from runtime.errors import Malformed
from runtime.flow.command import Commands
from runtime.ports import Append, New, Recorded
from runtime.steps import run
from tests.flow.house import House, Stage, WalkingWorld, cast
from tests.rounds import rounds
from tests.simulation.domain import Write
from tests.simulation.world import START, Clock


# 17
class WrongWorld(WalkingWorld):
    """A clock that is an hour off, now this way, now that way, and so runs backwards."""

    def now(self) -> datetime:
        """Wrong."""
        return super().now() + timedelta(hours=self._dice.uniform(-1, 1))


@pytest.mark.rounds
def test_fault_17_clocks_that_are_wrong_or_run_backwards_change_no_order() -> None:
    for seed in range(rounds(100)):
        right, wrong = House(seed=seed), House(seed=seed)
        wrong.world = WrongWorld(wrong.clock, random.Random(seed))
        wrong.commands = Commands(wrong.app, wrong.store, wrong.snapshots, wrong.world)
        for house in (right, wrong):
            dice = random.Random(seed)
            for n in range(20):
                house.send(dice.choice((shop.Restock("tea", n + 1), Write("n1", dice.choice(("plain", "tear")), n))), f"key {n}")
            house.fold()
        assert [timeless(events) for events in right.streams().values()] == [timeless(events) for events in wrong.streams().values()]
        assert right.shown() == wrong.shown() == wrong.wanted()
        times = [event.time for events in wrong.streams().values() for event in events]
        assert times != sorted(times)


def timeless(events: list[Recorded]) -> list[Recorded]:
    return [replace(event, time="") for event in events]


def test_fault_17_a_timer_goes_by_the_databases_clock_whatever_its_processes_believe() -> None:
    for skew in (-3600.0, 3600.0):
        house = House(shop.app)
        house.world.skew = skew
        house.send(shop.PlaceOrder("o1", "ann", "tea", 1, 5_00, START))
        stage = Stage(house, cast(house, "selling"))
        for _ in range(100):
            stage.step()
        (timer,) = [output for output in house.rows.outputs("selling", 10) if output.due]
        assert timer.due is not None
        assert abs((timer.due - house.clock.now() - shop.PATIENCE).total_seconds()) < 60


# 19
def keeping(every: int) -> App:
    """The shop's stock, with a snapshot every so many events."""
    return App("stocked", parts=(Decider("stock", 0, shop.decide_stock, shop.evolve_stock, id="sku", snapshot_every=every),))


commands = st.lists(
    st.one_of(
        st.builds(lambda quantity: shop.Restock("tea", quantity), st.integers(1, 9)),
        st.builds(lambda quantity, order: shop.Reserve("tea", f"o{order}", quantity), st.integers(1, 9), st.integers(0, 5)),
    ),
    min_size=1,
    max_size=30,
)


@pytest.mark.rounds
def test_fault_19_a_snapshot_and_the_tail_after_it_are_the_fold_of_the_whole_stream() -> None:
    used = 0

    @settings(max_examples=rounds(1_000), deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True)
    @given(commands, st.integers(1, 7))
    def every_stream(wanted: list[Command], every: int) -> None:
        nonlocal used
        house = House(keeping(every))
        plan = house.app.plans["stock"]
        for command in wanted:
            house.send(command)
            stored = [event.data for event in house.store.read("stock-tea", 0, 100)]
            folded = plan.fold(plan.decider.initial, stored)
            snapshot = house.snapshots.newest("stock-tea", plan.stamp)
            if snapshot is None:
                assert len(stored) < every
                continue
            used += 1
            assert plan.fold(plan.decode_state(snapshot.state), stored[snapshot.version :]) == folded
            assert snapshot.version >= len(stored) - every

    every_stream()
    assert used > 100


# 20
@final
class Paint(Command):
    wall: str
    red: int
    green: int


@final
class Painted(Event):  # as it is today, the third version
    wall: str
    red: int
    green: int


@final
class Varnished(Event):
    wall: str


class Wall(Struct, frozen=True):
    wall: str
    coats: int
    red: int
    green: int


def decide_wall(command: Paint, coats: int) -> Iterator[Painted]:
    yield Painted(command.wall, command.red, command.green)


def evolve_wall(coats: int, event: Painted | Varnished) -> int:
    return coats + 1


def evolve_old_wall(coats: int, event: Painted) -> int:
    return coats + 1


def show_wall(wall: Wall | None, event: Painted | Varnished) -> Wall:
    before = wall or Wall(event.wall, 0, 0, 0)
    match event:
        case Painted():
            return Wall(event.wall, before.coats + 1, before.red + event.red, before.green + event.green)
        case Varnished():
            return replace(before, coats=before.coats + 1)


def show_old_wall(wall: Wall | None, event: Painted) -> Wall:
    return show_wall(wall, event)


def from_v1(raw: Raw) -> Raw:
    """The first version had one colour as text."""
    return {"type": "PaintedTwice", "wall": raw["wall"], "coats": [{"red": int(raw["colour"]), "green": 0}]}


def from_v2(raw: Raw) -> list[Raw]:
    """The second version had several coats in one event."""
    return [{"type": "Painted", "wall": raw["wall"], **coat} for coat in raw["coats"]]


UPCASTS = (Upcast("PaintedRed", from_v1), Upcast("PaintedTwice", from_v2))
new = App(
    "walls",
    parts=(Decider("wall", 0, decide_wall, evolve_wall), Projection("shown", key="wall", row=Wall, evolve=show_wall)),
    upcasts=UPCASTS,
)
old = App(
    "walls",
    parts=(Decider("wall", 0, decide_wall, evolve_old_wall), Projection("shown", key="wall", row=Wall, evolve=show_old_wall)),
    upcasts=UPCASTS,
)


def append(house: House, *events: New) -> None:
    """Store events as some version of the code wrote them."""
    version = len(house.streams().get("wall-north", ()))
    house.store.append(Append("wall-north", version, events, f"key {version}", b"digest"))


def painted(dice: random.Random) -> tuple[New, int, int, int]:
    """An event of some version, and what it adds: coats, red, green."""
    red, green = dice.randrange(9), dice.randrange(9)
    match dice.randrange(3):
        case 0:
            return New("PaintedRed", b'{"type":"PaintedRed","wall":"north","colour":"%d"}' % red), 1, red, 0
        case 1:
            coat = b'{"red":%d,"green":%d}' % (red, green)
            return New("PaintedTwice", b'{"type":"PaintedTwice","wall":"north","coats":[%s,%s]}' % (coat, coat)), 2, 2 * red, 2 * green
        case _:
            return New("Painted", b'{"type":"Painted","wall":"north","red":%d,"green":%d}' % (red, green)), 1, red, green


@pytest.mark.rounds
def test_fault_20_events_of_three_versions_mixed_in_one_stream_are_all_folded() -> None:
    for seed in range(rounds(200)):
        house, dice = House(new, seed=seed), random.Random(seed)
        wanted = [0, 0, 0]
        for _ in range(dice.randint(1, 20)):
            event, *added = painted(dice)
            append(house, event)
            wanted = [one + more for one, more in zip(wanted, added, strict=True)]
            if dice.random() < 0.3:
                house.fold()
        house.fold()
        assert house.table("shown") == {"north": ("north", *wanted)}
        plan = new.plans["wall"]
        assert plan.fold(0, [event.data for event in house.streams()["wall-north"]]) == wanted[0]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (New("Varnished", b'{"type":"Varnished","wall":"north"}'), "unknown type"),
        (New("Painted", b'{"type":"Painted","wall":"north","red":1,"green":1,"gloss":3}'), "error"),
        (New("Painted", b'{"type":"Painted","wall":"north","red":1}'), "error"),
        (New("Painted", b'{"type":"Painted","wall":"north","red":"one","green":1}'), "error"),
    ],
    ids=["an unknown type", "an unknown field", "a missing field", "a wrong type"],
)
def test_fault_20_what_this_code_cannot_read_parks_its_stream_and_is_never_dropped(event: New, reason: str) -> None:
    house = House(old)
    append(house, New("Painted", b'{"type":"Painted","wall":"north","red":1,"green":1}'))
    append(house, event)
    append(house, New("Painted", b'{"type":"Painted","wall":"north","red":5,"green":5}'))
    house.fold()
    (letter,) = house.rows.letters("rows", 1)
    assert (letter.part, letter.stream, letter.version, letter.reason) == ("shown", "wall-north", 2, reason)
    assert house.table("shown") == {"north": ("north", 1, 1, 1)}
    with pytest.raises(Malformed):
        house.send(Paint("north", 1, 1))


def test_fault_20_after_the_deployment_that_knows_the_type_a_redrive_folds_what_waited() -> None:
    house = House(old)
    for kind in ("Painted", "Varnished", "Painted"):
        coat = b',"red":2,"green":1' if kind == "Painted" else b""
        append(house, New(kind, b'{"type":"%s","wall":"north"%s}' % (kind.encode(), coat)))
    house.fold()
    house.app = new
    assert run(house.letters().redrive("shown", "wall-north")) == 2
    assert house.table("shown") == {"north": ("north", 3, 4, 2)}
    assert house.rows.letters("rows", 1) == []


def test_the_clock_of_these_tests_is_wrong() -> None:
    clock = Clock()
    world: Any = WrongWorld(clock, random.Random(0))
    believed = [world.now() for _ in range(20)]
    assert believed != sorted(believed)
    assert max(abs((one - clock.now()).total_seconds()) for one in believed) > 600
