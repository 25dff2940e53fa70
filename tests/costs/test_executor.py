"""KEDA's loop: waking, cooling down, idle replicas, errors and their fallback."""

import pytest

from costs.scaling.executor import Executor, Fallback, ScaledObject, Watched
from costs.scaling.keda import Metric


def polled(executor: Executor, replicas: int, *activity: bool, every_s: float = 30, begin: float = 0.5) -> list[int]:
    seen = []
    for number, active in enumerate(activity):
        replicas = executor.decide(begin + number * every_s, replicas, active=active)
        seen.append(replicas)
    return seen


def test_it_wakes_at_once_and_sleeps_when_the_cooldown_is_over() -> None:
    executor = Executor(ScaledObject())
    assert polled(executor, 0, True, *[False] * 11) == [1] * 10 + [0, 0], "300 s after the last active poll, which is the tenth one"


def test_activity_begins_the_cooldown_anew() -> None:
    executor = Executor(ScaledObject(cooldown_s=60))
    assert polled(executor, 0, True, False, True, False, False, False) == [1, 1, 1, 1, 0, 0]


def test_the_cooldown_counts_from_whole_seconds_and_must_be_exceeded() -> None:
    executor = Executor(ScaledObject(cooldown_s=30))
    executor.decide(10.9, 1, active=True)
    assert executor.last_active == 10
    assert executor.decide(40.0, 1, active=False) == 1
    assert executor.decide(40.1, 1, active=False) == 0


def test_what_somebody_else_scaled_up_waits_for_the_initial_cooldown_only() -> None:
    assert polled(Executor(ScaledObject()), 3, False) == [0]
    assert polled(Executor(ScaledObject(initial_cooldown_s=60)), 3, False, False, False) == [3, 3, 0]


def test_it_never_scales_what_lies_between() -> None:
    assert polled(Executor(ScaledObject(minimum=2)), 7, True, False, False, every_s=1000) == [7, 7, 7]


def test_an_error_leaves_everything_as_it_is() -> None:
    executor = Executor(ScaledObject())
    executor.decide(0.5, 0, active=True)
    assert executor.decide(1000, 4, active=False, error=True) == 4
    assert executor.decide(1000, 0, active=False, error=True) == 0


def test_an_active_trigger_beside_a_failing_one_wakes_but_does_not_begin_the_cooldown_anew() -> None:
    executor = Executor(ScaledObject())
    assert executor.decide(0.5, 0, active=True, error=True) == 1
    assert executor.decide(200.5, 1, active=True, error=True) == 1
    assert executor.last_active == 0


def test_a_fallback_of_no_replicas_sleeps_through_an_error() -> None:
    executor = Executor(ScaledObject(fallback=Fallback(failure_threshold=3, replicas=0)))
    executor.decide(0.5, 0, active=True)
    assert executor.decide(301, 2, active=False, error=True) == 0


@pytest.mark.parametrize(
    ("behaviour", "current", "replicas"),
    [
        ("static", 7, 3),
        ("currentReplicas", 7, 7),
        ("currentReplicasIfHigher", 7, 7),
        ("currentReplicasIfHigher", 2, 3),
        ("currentReplicasIfLower", 7, 3),
        ("currentReplicasIfLower", 2, 2),
    ],
)
def test_a_fallback_asks_for_its_replicas_past_the_threshold(behaviour: str, current: int, replicas: int) -> None:
    watched = Watched(Fallback(failure_threshold=2, replicas=3, behaviour=behaviour), target=10)  # type: ignore[arg-type]
    assert [watched.read(None, current) for _ in range(3)] == [None, None, Metric(10 * replicas, True)]
    assert watched.read(Metric(5, False), current) == Metric(5, False)
    assert watched.read(None, current) is None, "counted from the beginning"


def test_without_a_fallback_an_error_stays_one() -> None:
    watched = Watched(None, target=10)
    assert [watched.read(None, 1) for _ in range(5)] == [None] * 5
