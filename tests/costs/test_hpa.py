"""The autoscaler: the formula with its tolerance, the limits without and with a behavior, stabilisation, what cannot be read."""

import pytest

from costs.scaling.hpa import Autoscaler, Autoscaling, Behaviour, Policy, Rules, Told, wanted


def synced(autoscaler: Autoscaler, replicas: int, *values: float | None, target: float = 10, every_s: float = 15) -> list[int]:
    seen = []
    for number, value in enumerate(values):
        replicas = autoscaler.decide(number * every_s, replicas, [Told(value, target)])
        seen.append(replicas)
    return seen


@pytest.mark.parametrize(
    ("value", "existing", "replicas"),
    [
        (10, 1, 1),
        (11, 1, 1),  # 1.1 is within since 1.33
        (11.001, 1, 2),
        (9, 1, 1),
        (45, 4, 5),  # 1.125
        (44, 4, 4),  # 1.1
        (36, 4, 4),  # 0.9
        (35, 4, 4),  # 0.875, rounded up
        (30, 4, 3),
        (0, 4, 0),
        (25, 0, 3),
        (0, 0, 0),
    ],
)
def test_a_metric_within_the_tolerance_keeps_and_else_gives_each_its_target(value: float, existing: int, replicas: int) -> None:
    assert wanted(value, 10, existing) == replicas


def test_without_a_behavior_it_at_most_doubles_but_goes_to_four_at_once() -> None:
    assert synced(Autoscaler(1, 100), 1, *[1000] * 6) == [4, 8, 16, 32, 64, 100]


def test_with_the_default_behavior_it_adds_four_or_doubles_in_15_seconds() -> None:
    autoscaler = Autoscaler(1, 100, Autoscaling(behaviour=Behaviour()))
    assert synced(autoscaler, 1, *[1000] * 6) == [5, 10, 20, 40, 80, 100]


def test_it_goes_down_to_the_highest_recommendation_of_five_minutes() -> None:
    autoscaler = Autoscaler(1, 10)
    seen = synced(autoscaler, 4, 40, *[10] * 22)
    assert seen[:21] == [4] * 21, "the one of 300 s ago still counts"
    assert seen[21:] == [1, 1]


def test_a_behavior_without_a_window_of_its_own_has_the_controllers() -> None:
    autoscaler = Autoscaler(1, 10, Autoscaling(stabilization_s=30, behaviour=Behaviour()))
    assert synced(autoscaler, 4, 40, 10, 10, 10) == [4, 4, 1, 1]


def test_a_window_upwards_takes_the_lowest() -> None:
    autoscaler = Autoscaler(1, 10, Autoscaling(behaviour=Behaviour(up=Rules(stabilization_s=60))))
    assert synced(autoscaler, 1, *[30] * 6) == [1, 1, 1, 1, 3, 3]


def test_policies_limit_by_what_was_there_when_their_period_began() -> None:
    up = Rules(policies=(Policy(kind="pods", value=1, period_s=60),))
    assert synced(Autoscaler(1, 10, Autoscaling(behaviour=Behaviour(up=up))), 1, *[100] * 6) == [2, 2, 2, 2, 3, 3]
    down = Rules(stabilization_s=0, policies=(Policy(kind="percent", value=50, period_s=30),))
    assert synced(Autoscaler(1, 10, Autoscaling(behaviour=Behaviour(down=down))), 8, *[0] * 7) == [4, 4, 2, 2, 1, 1, 1]


def test_of_two_policies_the_larger_change_wins_unless_the_smaller_is_asked_for() -> None:
    both = (Policy(kind="pods", value=1), Policy(kind="percent", value=100))
    most = Autoscaler(1, 100, Autoscaling(behaviour=Behaviour(up=Rules(policies=both))))
    least = Autoscaler(1, 100, Autoscaling(behaviour=Behaviour(up=Rules(policies=both, select="min"))))
    assert synced(most, 4, 1000) == [8]
    assert synced(least, 4, 1000) == [5]
    down = Rules(stabilization_s=0, policies=both, select="min")
    assert synced(Autoscaler(1, 100, Autoscaling(behaviour=Behaviour(down=down))), 4, 0) == [3]


def test_a_disabled_direction_stays() -> None:
    off = Rules(select="disabled", stabilization_s=0)
    autoscaler = Autoscaler(1, 10, Autoscaling(behaviour=Behaviour(up=off, down=off)))
    assert synced(autoscaler, 3, 100, 0) == [3, 3]


def test_a_tolerance_of_its_own_for_each_direction() -> None:
    tolerant = Behaviour(up=Rules(tolerance=1.0), down=Rules(tolerance=0.0, stabilization_s=0))
    autoscaler = Autoscaler(1, 10, Autoscaling(behaviour=tolerant))
    assert synced(autoscaler, 2, 40, 41) == [2, 5]
    assert synced(Autoscaler(1, 10, Autoscaling(behaviour=tolerant)), 10, 99, 89) == [10, 9]


def test_at_zero_it_is_disabled_and_below_the_minimum_or_above_the_maximum_it_corrects() -> None:
    autoscaler = Autoscaler(2, 5)
    assert synced(autoscaler, 0, 1000) == [0]
    assert synced(autoscaler, 1, 0) == [2]
    assert synced(autoscaler, 9, 1000) == [5]


def test_what_cannot_be_read_changes_nothing_alone_and_stops_a_way_down() -> None:
    assert synced(Autoscaler(1, 10), 4, None, None) == [4, 4]
    autoscaler = Autoscaler(1, 10, Autoscaling(stabilization_s=0))
    assert autoscaler.decide(0, 4, [Told(None, 10), Told(1, 1)]) == 4
    assert autoscaler.decide(15, 4, [Told(None, 10), Told(6, 1)]) == 6
    assert autoscaler.decide(30, 6, [Told(20, 10), Told(1, 1)]) == 2, "the highest of all that can be read"


def test_a_metric_that_cannot_be_read_stops_a_way_down_that_no_earlier_recommendation_stops() -> None:
    autoscaler = Autoscaler(1, 10, Autoscaling(stabilization_s=0))
    assert autoscaler.decide(0, 4, [Told(40, 10), Told(1, 1)]) == 4
    assert autoscaler.decide(15, 4, [Told(None, 10), Told(1, 1)]) == 4
    assert autoscaler.decide(30, 4, [Told(10, 10), Told(1, 1)]) == 1, "nothing but the unreadable one was in the way"
