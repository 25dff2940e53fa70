"""Live and ready by a clock that the test moves: what is away is waited for, what hangs is told, and no text of a store gets out."""

import threading
from pathlib import Path

import pytest

from hosts.vitals import START_S, Vitals
from runtime.errors import Unavailable

AWAY = Unavailable("postgresql://10.0.0.7:5432/shop did not answer: connection refused")


class Clock:
    """Seconds that the test lets pass."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vitals(clock: Clock) -> Vitals:
    """Begun, nothing opened yet."""
    vitals = Vitals(clock)
    vitals.begin(threading.Event())
    return vitals


def test_while_it_starts_it_is_live_and_not_ready_and_a_start_that_never_ends_is_not_live(vitals: Vitals, clock: Clock) -> None:
    assert vitals.live() == (True, {"failure": None})
    assert vitals.ready() == (False, {"failure": "starting"})
    clock.now += START_S + 1
    assert vitals.live() == (False, {"failure": "it has been starting for 181 s"})
    vitals.started()
    assert (vitals.live()[0], vitals.ready()[0]) == (True, True)


def test_a_loop_that_says_nothing_for_a_minute_is_wedged(vitals: Vitals, clock: Clock) -> None:
    pulse, other = vitals.watch("generation 1"), vitals.watch("dispatcher")
    vitals.started()
    assert vitals.ready() == (False, {"failure": "generation 1: its first round has not ended"})
    for _ in range(10):
        clock.now += 59
        pulse(None)
        other(None)
        assert (vitals.live()[0], vitals.ready()[0]) == (True, True)
    clock.now += 31  # a statement that takes all of its time is no wedge
    assert vitals.live()[0]
    clock.now += 30
    other(None)
    assert vitals.live() == (False, {"failure": "generation 1: has not got on for 61 s"})
    assert not vitals.ready()[0]
    pulse(None)
    assert vitals.live()[0]


def test_what_is_away_is_waited_for_told_without_its_address_and_written_once_to_the_log(
    vitals: Vitals, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    pulse = vitals.watch("relay")
    vitals.started()
    pulse(None)
    for _ in range(100):
        clock.now += 5
        pulse(Unavailable(str(AWAY)))
        assert vitals.live() == (True, {"failure": None})
    well, told = vitals.ready()
    assert (well, told) == (False, {"failure": "relay: what it works on does not answer; the log says what"})
    pulse(None)
    assert vitals.ready()[0]
    assert capsys.readouterr().err.splitlines() == [f"relay: {AWAY}: waits for it", "relay: goes on"]


def test_a_loop_that_has_ended_is_not_missed(vitals: Vitals, clock: Clock) -> None:
    blue, green = vitals.watch("generation 1"), vitals.watch("generation 2")
    vitals.started()
    blue(None)
    clock.now += 50
    green(None)
    vitals.forget("generation 1")
    clock.now += 50
    assert (vitals.live()[0], vitals.ready()[0]) == (True, True)


def test_what_it_needs_and_what_has_to_be_asked_count_too(vitals: Vitals) -> None:
    stuck_s, there = [0.0], [True]
    vitals.look("the event loop", lambda: stuck_s[0])
    vitals.need(lambda: (there[0], {"failure": None if there[0] else "the bus does not answer"}))
    vitals.started()
    assert (vitals.live()[0], vitals.ready()[0]) == (True, True)
    there[0] = False
    assert vitals.live()[0]
    assert vitals.ready() == (False, {"failure": "the bus does not answer"})
    stuck_s[0] = 61.0
    assert vitals.live() == (False, {"failure": "the event loop: has not got on for 61 s"})


def test_once_told_to_stop_it_is_not_ready_at_once_and_nobody_restarts_it(clock: Clock) -> None:
    stop, vitals = threading.Event(), Vitals(clock)
    vitals.begin(stop)
    vitals.watch("generation 1")(None)
    vitals.started()
    stop.set()
    clock.now += 100
    assert vitals.ready() == (False, {"failure": "shutting down"})
    assert vitals.live() == (True, {"failure": None, "state": "shutting down"})


def test_nothing_of_this_costs_a_round_anything_to_speak_of(vitals: Vitals) -> None:
    """A round talks to a database and a broker, a millisecond at least; a pulse is a clock and two assignments."""
    import timeit

    pulse = Vitals().watch("generation 1")
    assert min(timeit.repeat(lambda: pulse(None), number=1_000, repeat=20)) / 1_000 < 20e-6


def test_the_runtime_does_not_know_of_it() -> None:
    assert not [path for path in Path("runtime").rglob("*.py") if "vitals" in path.read_text()]
