"""How far a simulation is from what was measured: by how many seconds one would have to wait to see the other's replicas.

KEDA's and the autoscaler's loops have phases that nobody controls, so two runs of the same thing differ by up to one interval; a
difference beyond that is one of arithmetic. Who goes from 1 to 4 at once has been at 2 and 3 at that moment: in one run two deciders act
within a second, in another one of them a second later (lines are compared as completed graphs, as in Skorokhod's M topologies).
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from msgspec.structs import replace

from costs.scaling.simulate import Change, Result, simulate
from costs.scaling.workload import Sample, Workload

PHASES_MAX = 60  # whole simulations


class Step(NamedTuple):
    """From `at_s` on there are so many."""

    at_s: float
    replicas: int


def fitted(workload: Workload) -> tuple[Result, float | None]:
    """The simulation, and its distance in seconds from the measured replicas (None where there are none). Where KEDA's loop began is not
    known unless `scaled_object.first_poll_s` says it: of all whole seconds that it may have been, the one that fits best is taken.
    """
    steps, scaling = measured(workload.measured), workload.scaled_object
    if not steps:
        return simulate(workload), None
    told = scaling.first_poll_s
    phases = range(min(scaling.polling_s, PHASES_MAX)) if told is None else (told,)
    tried = [simulate(replace(workload, scaled_object=replace(scaling, first_poll_s=phase))) for phase in phases]
    return min(((result, apart_s(steps, simulated(result.changes), result.seconds)) for result in tried), key=lambda one: one[1])


def simulated(changes: Sequence[Change]) -> list[Step]:
    """A simulation's steps, from zero at its beginning."""
    return thinned([Step(0, 0), *(Step(change.at_s, change.replicas) for change in changes)])


def measured(samples: Sequence[Sample]) -> list[Step]:
    """A measured time line's steps; empty where no replicas were measured."""
    return thinned([Step(sample.at_s, sample.replicas) for sample in samples if sample.replicas is not None])


def thinned(steps: Sequence[Step]) -> list[Step]:
    """Only where something changes; of several at one time the last."""
    last: dict[float, int] = {}
    for step in steps:
        last[step.at_s] = step.replicas
    kept: list[Step] = []
    for at_s, replicas in sorted(last.items()):
        if not kept or kept[-1].replicas != replicas:
            kept.append(Step(at_s, replicas))
    return kept


def apart_s(one: Sequence[Step], other: Sequence[Step], end_s: float) -> float:
    """The longest wait, at any moment of either, until the other has (or since it had) as many replicas; `end_s` where it never has."""
    return max(_wait(one, other, end_s), _wait(other, one, end_s))


def _wait(steps: Sequence[Step], other: Sequence[Step], end_s: float) -> float:
    """The farthest moments lie at the ends of a stretch or halfway between two stretches of the other."""
    longest = 0.0
    for begin, end, replicas in _stretches(steps, end_s):
        there = _there(other, replicas, end_s)
        moments = [begin, end, *((left[1] + right[0]) / 2 for left, right in pairwise(there))]
        longest = max([longest, *(_nearest(there, moment, end_s) for moment in moments if begin <= moment <= end)])
    return longest


def _there(steps: Sequence[Step], replicas: int, end_s: float) -> list[tuple[float, float]]:
    """When there are so many, or were in passing."""
    stretches = [(begin, end) for begin, end, number in _stretches(steps, end_s) if number == replicas]
    passed = [(step.at_s, step.at_s) for before, step in pairwise(steps) if _between(before.replicas, replicas, step.replicas)]
    return sorted([*stretches, *passed])


def _between(one: int, number: int, other: int) -> bool:
    return min(one, other) < number < max(one, other)


def _stretches(steps: Sequence[Step], end_s: float) -> list[tuple[float, float, int]]:
    ends = [*(step.at_s for step in steps[1:]), end_s]
    return [(step.at_s, end, step.replicas) for step, end in zip(steps, ends, strict=True) if end > step.at_s]


def _nearest(there: Sequence[tuple[float, float]], moment: float, never: float) -> float:
    if not there:
        return never
    index = bisect_right(there, (moment, moment))
    near = there[max(index - 1, 0) : index + 1]
    return min(0.0 if begin <= moment <= end else min(abs(begin - moment), abs(end - moment)) for begin, end in near)
