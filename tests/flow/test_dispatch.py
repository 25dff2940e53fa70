"""Saga output: sent after its commit, in the saga's order, once; refused is stuck in the end, visibly, and away is not refused."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import final

import pytest
from msgspec import Struct

from apps import shop
from runtime.domain import After, App, Command, Decider, End, Event, Rejected, Saga
from runtime.errors import Unavailable
from runtime.ports import Output
from runtime.steps import run
from tests.flow.house import House, answer, crash, until


@final
class Begin(Command):
    task: str
    tries: int = 0


@final
class Finish(Command):
    task: str
    how: str


@final
class Begun(Event):
    task: str
    tries: int


@final
class Finished(Event):
    task: str
    how: str


class Progress(Struct, frozen=True):
    steps: int = 0


def decide(command: Begin | Finish, state: str) -> Iterator[Begun | Finished]:
    match command:
        case Begin():
            yield Begun(command.task, command.tries)
        case Finish(how="never"):
            raise Rejected("never")
        case Finish():
            yield Finished(command.task, command.how)


def evolve(state: str, event: Begun | Finished) -> str:
    return event.task


def track(state: Progress, event: Begun | Finished) -> Progress:
    return Progress(state.steps + 1)


def react(state: Progress, event: Begun | Finished) -> Iterator[Finish | After | End]:
    match event:
        case Begun(task="stubborn"):
            yield Finish(event.task, "never")
        case Begun(task="two"):
            yield Finish(event.task, "first")
            yield Finish(event.task, "second")
        case Begun(task="quick"):
            yield After(timedelta(hours=1), Finish(event.task, "late"))
            yield Finish(event.task, "over")
        case Begun(task="instant"):
            yield After(timedelta(hours=1), Finish(event.task, "late"))
            yield End()
        case Begun():
            yield After(timedelta(hours=1), Finish(event.task, "late"))
        case Finished(how="over"):
            yield End()
        case Finished():
            return


app = App(
    "tasks",
    parts=(
        Decider("task", "", decide, evolve),
        Saga("doing", key="task", state=Progress(), evolve=track, react=react, many=False, max_tries=4),
    ),
)


def begun(task: str) -> House:
    house = House(app)
    house.send(Begin(task))
    run(house.sink("doing").apply(house.streams()))
    return house


def sent(house: House, task: str) -> list[str]:
    return [event.type for event in house.streams()[f"task-{task}"]]


def outputs(house: House) -> list[Output]:
    return house.rows.outputs("doing", 100)


def test_a_command_takes_effect_and_goes() -> None:
    house = begun("two")
    assert run(house.dispatcher("doing").once()) == 2
    assert sent(house, "two") == ["Begun", "Finished", "Finished"]
    assert outputs(house) == []


def test_commands_of_one_saga_go_in_the_order_that_it_chose() -> None:
    house = begun("two")
    run(house.dispatcher("doing").once())
    assert [event.data for event in house.streams()["task-two"]][1:] == [
        b'{"type":"Finished","task":"two","how":"first"}',
        b'{"type":"Finished","task":"two","how":"second"}',
    ]


def test_the_key_and_the_cause_of_a_command_are_the_event_that_made_it() -> None:
    house = begun("two")
    run(house.dispatcher("doing").once())
    first, second = house.streams()["task-two"][1:]
    assert (first.key, first.cause) == ("doing:task-two@1:1", "task-two@1")
    assert (second.key, second.cause) == ("doing:task-two@1:2", "task-two@1")


@pytest.mark.parametrize("point", ["append_all", "sent"])
def test_a_crash_around_the_effect_sends_again_and_takes_effect_once(point: str) -> None:
    house = begun("two")
    core = house.dispatcher("doing").once()
    pending = until(core, point)
    if point == "append_all":
        pending.perform()
    crash(core)
    while run(house.dispatcher("doing").once()):
        pass
    assert sent(house, "two") == ["Begun", "Finished", "Finished"]
    assert outputs(house) == []


def test_two_dispatchers_at_once_take_effect_once() -> None:
    house = begun("two")
    slow = house.dispatcher("doing").once()
    pending = until(slow, "append_all")
    run(house.dispatcher("doing").once())
    answer(slow, pending.perform())
    assert sent(house, "two") == ["Begun", "Finished", "Finished"]
    assert outputs(house) == []


def test_a_refused_command_is_tried_with_growing_waits_and_then_stuck_visibly() -> None:
    house = begun("stubborn")
    dispatcher = house.dispatcher("doing")
    tries = []
    for _ in range(2_000):
        before = outputs(house)[0].tries
        run(dispatcher.once())
        if outputs(house)[0].tries > before:
            tries.append(house.clock.seconds)
        house.clock.seconds += 0.1
    (left,) = outputs(house)
    assert (left.tries, left.stuck, left.error) == (4, True, "never")
    waits = [later - earlier for earlier, later in pairwise(tries)]
    assert len(waits) == 3
    assert waits == sorted(waits)
    assert waits[0] >= 0.5


@pytest.mark.parametrize("skew", [-3_600.0, 3_600.0])
def test_a_process_with_a_wrong_clock_neither_hurries_the_tries_nor_delays_them(skew: float) -> None:
    house = begun("stubborn")
    house.world.skew = skew
    dispatcher = house.dispatcher("doing")
    run(dispatcher.once())
    for _ in range(10):
        run(dispatcher.once())
    assert outputs(house)[0].tries == 1
    house.clock.seconds += 2
    run(dispatcher.once())
    assert outputs(house)[0].tries == 2


def test_under_a_replays_clock_the_tries_go_on_in_replayed_time() -> None:
    house = begun("stubborn")
    then = house.clock.now() - timedelta(days=4_000)
    for minutes in range(20):
        house.rows.set_clock(then + timedelta(minutes=minutes))
        run(house.dispatcher("doing").once())
    assert outputs(house)[0].stuck


def test_a_stuck_command_can_be_tried_again_from_zero() -> None:
    house = begun("stubborn")
    dispatcher = house.dispatcher("doing")
    while not outputs(house)[0].stuck:
        run(dispatcher.once())
        house.clock.seconds += 100
    assert run(dispatcher.once()) == 0
    house.rows.unstick("doing", outputs(house))
    run(dispatcher.once())
    assert (outputs(house)[0].tries, outputs(house)[0].stuck) == (1, False)


def test_a_store_that_is_away_is_never_a_try() -> None:
    house = begun("two")
    for _ in range(10):
        core = house.dispatcher("doing").once()
        request = until(core, "append_all")
        with pytest.raises(StopIteration):
            while True:
                away = request.name in ("append_all", "load")
                request = core.throw(Unavailable("away")) if away else core.send(request.perform())
    assert [(output.tries, output.stuck) for output in outputs(house)] == [(0, False), (0, False)]
    run(house.dispatcher("doing").once())
    assert outputs(house) == []


def test_a_timer_fires_at_its_time_and_not_before() -> None:
    house = begun("slow")
    dispatcher = house.dispatcher("doing")
    house.clock.seconds += 3_500
    assert run(dispatcher.once()) == 0
    house.clock.seconds += 200
    assert run(dispatcher.once()) == 1
    assert sent(house, "slow") == ["Begun", "Finished"]


def test_a_replay_drives_the_clock_of_timers() -> None:
    house = begun("slow")
    house.rows.set_clock(house.clock.now() + timedelta(hours=2))
    assert run(house.dispatcher("doing").once()) == 1


def test_the_end_drops_the_timers_that_wait_but_not_what_was_already_to_be_sent() -> None:
    house = begun("quick")
    assert [output.due is not None for output in outputs(house)] == [True, False]
    run(house.dispatcher("doing").once())
    run(house.sink("doing").apply(house.streams()))
    assert outputs(house) == []
    assert house.table("doing", "doing") == {}


def test_the_end_drops_the_timers_of_its_own_batch() -> None:
    house = begun("instant")
    assert outputs(house) == []
    house.clock.seconds += 10_000
    assert run(house.dispatcher("doing").once()) == 0


def test_a_command_that_today_has_no_class_is_refused_and_stuck_not_lost() -> None:
    house = begun("two")
    strange = Output("doing", "two", "task-two", 1, 9, b'{"type":"Forgotten","task":"two"}')
    house.rows.put_outputs([strange])
    for _ in range(10):
        run(house.dispatcher("doing").once())
        house.clock.seconds += 100
    (left,) = outputs(house)
    assert left.stuck
    assert "Forgotten" in left.error


def test_commands_of_many_sagas_for_one_stream_do_not_get_in_each_others_way() -> None:
    house = House(shop.app)
    house.send(shop.Restock("cup", 100))
    for number in range(100):
        at = datetime(2026, 5, 1, 12, tzinfo=UTC)
        house.send(shop.PlaceOrder(f"o{number}", "ann", "cup", 1, 100, at))
    run(house.sink("selling").apply(house.streams()))
    begun_s = house.clock.seconds
    assert run(house.dispatcher().once()) == 100  # all Reserve commands, in one round …
    assert house.clock.seconds == begun_s  # … and nobody had to wait for a conflict to pass
    assert [event.type for event in house.streams()["stock-cup"]] == ["Restocked"] + ["Reserved"] * 100
