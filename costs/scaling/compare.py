"""How far a simulation is from what was measured: by how many seconds one would have to wait to see the other's replicas.

KEDA's and the autoscaler's loops have phases that nobody controls, so two runs of the same thing differ by up to one interval; a
difference beyond that is one of arithmetic.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from costs.scaling.simulate import Change
from costs.scaling.workload import Sample


class Step(NamedTuple):
    """From `at_s` on there are so many."""

    at_s: float
    replicas: int


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
        there = [(a, b) for a, b, n in _stretches(other, end_s) if n == replicas]
        moments = [begin, end, *((left[1] + right[0]) / 2 for left, right in pairwise(there))]
        longest = max([longest, *(_nearest(there, moment, end_s) for moment in moments if begin <= moment <= end)])
    return longest


def _stretches(steps: Sequence[Step], end_s: float) -> list[tuple[float, float, int]]:
    ends = [*(step.at_s for step in steps[1:]), end_s]
    return [(step.at_s, end, step.replicas) for step, end in zip(steps, ends, strict=True) if end > step.at_s]


def _nearest(there: Sequence[tuple[float, float]], moment: float, never: float) -> float:
    if not there:
        return never
    index = bisect_right(there, (moment, moment))
    near = there[max(index - 1, 0) : index + 1]
    return min(0.0 if begin <= moment <= end else min(abs(begin - moment), abs(end - moment)) for begin, end in near)
