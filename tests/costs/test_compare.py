"""Two time lines of replicas: how long one has to wait to see the other's."""

import pytest

from costs.scaling.compare import Step, apart_s, fitted, measured, simulated, thinned
from tests.costs.building import ScaledObject, simulate
from tests.costs.building import measured as lag_of

LINE = [Step(0, 0), Step(30, 1), Step(37, 4), Step(400, 0)]


def test_a_line_is_no_second_from_itself() -> None:
    assert apart_s(LINE, LINE, 1000) == 0


@pytest.mark.parametrize("shift", [1, 7, 29])
def test_a_shifted_line_is_as_far_as_it_was_shifted(shift: float) -> None:
    later = [Step(step.at_s + shift if step.at_s else 0, step.replicas) for step in LINE]
    assert apart_s(LINE, later, 1000) == apart_s(later, LINE, 1000) == pytest.approx(shift, abs=7)


def test_what_never_comes_is_as_far_as_the_end() -> None:
    assert apart_s(LINE, [Step(0, 0), Step(30, 1), Step(400, 0)], 1000) == 1000


def test_a_gap_in_the_middle_of_a_stretch_is_seen() -> None:
    dip = [Step(0, 0), Step(30, 1), Step(130, 2), Step(150, 1), Step(400, 0)]
    flat = [Step(0, 0), Step(30, 1), Step(400, 0)]
    assert apart_s(flat, dip, 1000) == 1000, "the other never has 2"
    assert apart_s([Step(0, 1), Step(150, 0), Step(152, 1)], [Step(0, 1), Step(100, 0), Step(200, 1)], 300) == 50


def test_who_goes_up_at_once_has_been_at_every_number_in_passing() -> None:
    at_once = [Step(0, 0), Step(31, 4), Step(400, 0)]
    assert apart_s(LINE, at_once, 1000) == apart_s(at_once, LINE, 1000) == 6
    slowly = [Step(0, 0), Step(30, 1), Step(130, 4), Step(400, 0)]
    assert apart_s(at_once, slowly, 1000) == 99, "but it was at 1 only then"


def test_the_middle_of_a_gap_is_the_farthest_from_both_its_sides() -> None:
    one = [Step(0, 0), Step(99, 1), Step(201, 0)]
    other = [Step(0, 0), Step(50, 1), Step(100, 0), Step(200, 1), Step(250, 0)]
    assert apart_s(one, other, 300) == 51


def test_steps_of_a_time_line_are_its_changes() -> None:
    assert thinned([Step(0, 0), Step(1, 0), Step(2, 1), Step(2, 4), Step(3, 4)]) == [Step(0, 0), Step(2, 4)]
    assert measured(lag_of((0, 5)).measured) == []


def test_a_measured_run_is_met_within_a_polling_interval() -> None:
    """Replicas as a run with other phases would have shown them: its polls 11 s later, its syncs 4 s."""
    line = lag_of((0, 0, 0), (20, 2500, 0), (41, 2500, 1), (56, 2500, 3), (90, 0, 3), (371, 0, 0), (600, 0, 0))
    steps = simulated(simulate(line).changes)
    assert apart_s(measured(line.measured), steps, 600) <= line.scaling.polling_s
    wrong = [Step(step.at_s, min(step.replicas, 2)) for step in steps]
    assert apart_s(measured(line.measured), wrong, 600) > line.scaling.polling_s


@pytest.mark.parametrize("phase", [0, 11, 29])
def test_where_the_loop_began_is_found(phase: int) -> None:
    samples = [(second, 200 if 100 < second < 150 or 1000 < second < 1300 else 0) for second in range(0, 2000, 2)]
    run = simulate(lag_of(*samples, scaled_object=ScaledObject(first_poll_s=phase)))
    steps = simulated(run.changes)
    seen = [
        (second, lag, max(step.replicas for step in steps[:1] + [one for one in steps if one.at_s <= second][-1:]))
        for second, lag in samples
    ]
    result, apart = fitted(lag_of(*seen))
    assert apart is not None
    assert apart <= 2
    assert abs(simulated(result.changes)[1].at_s - steps[1].at_s) <= 2
    _, told = fitted(lag_of(*seen, scaled_object=ScaledObject(first_poll_s=(phase + 15) % 30)))
    assert told is not None
    assert told > 2, "what is said is not searched for"


def test_nothing_measured_is_as_far_from_nothing() -> None:
    assert fitted(lag_of((0, 5)))[1] is None
