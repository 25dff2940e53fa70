"""One benchmark line: Trimaran and a named peer take turns on the same work, and what counts is the ratio between them.

Absolute figures move with the machine and with whatever else runs on it; a ratio of two neighbours in time does not. A round
is many short turns (ours, peer, ours, peer …); its ratio is the ratio of the sums (for latencies of the medians), and a line's
ratio is the median of its rounds.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from statistics import median
from time import perf_counter
from typing import Literal

from msgspec import Struct

type Better = Literal["higher", "lower"]
type Turn = Callable[[], float]  # does one turn's work and returns what it cost (seconds, or whatever the line's unit is)


class Sample(Struct, frozen=True):
    """One round: the ratio, what ours measured and what the peer measured, in the line's unit (None: there is no peer)."""

    ratio: float
    value: float
    peer_value: float | None = None


type Round = Callable[[], Sample]


class Line(Struct, frozen=True):
    """A line of the table: `open` prepares both sides, yields what measures one round, and cleans up."""

    name: str
    goal: float
    better: Better
    peer: str
    unit: str
    open: Callable[[], AbstractContextManager[Round]]
    rounds_max: int = 99  # a line of minutes is measured less often


class Result(Struct, frozen=True):
    """What a line came to."""

    line: str
    ratio: float
    goal: float
    better: Better
    low: float
    high: float
    rounds: int
    peer: str
    value: float
    peer_value: float | None
    unit: str

    @property
    def met(self) -> bool:
        """Whether the median reaches the goal."""
        return self.ratio >= self.goal if self.better == "higher" else self.ratio <= self.goal


def timed(work: Callable[[], object]) -> Turn:
    """A turn that costs the seconds `work` takes."""

    def turn() -> float:
        start = perf_counter()
        work()
        return perf_counter() - start

    return turn


def race(ours: Turn, peer: Turn, *, work: int, turns: int, peer_work: int | None = None) -> Round:
    """A round of throughput: both sides do `work` operations a turn (a slow peer `peer_work`); the ratio is ours over theirs, per second."""

    def measure() -> Sample:
        our_s, peer_s = _alternate(ours, peer, turns)
        ours_per_s = work * turns / sum(our_s)
        peer_per_s = (peer_work or work) * turns / sum(peer_s)
        return Sample(ours_per_s / peer_per_s, ours_per_s, peer_per_s)

    return measure


def cost(ours: Turn, peer: Turn, *, turns: int, scale: float = 1.0) -> Round:
    """A round of latency or time: what a turn costs us over what it costs the peer, medians of the turns; values are times `scale`."""

    def measure() -> Sample:
        our_costs, peer_costs = _alternate(ours, peer, turns)
        our_cost, peer_cost = median(our_costs), median(peer_costs)
        return Sample(our_cost / peer_cost, our_cost * scale, peer_cost * scale)

    return measure


def spent(ours: Turn, peer: Turn, *, turns: int, scale: float = 1.0) -> Round:
    """A round of work done: what all turns cost us over what they cost the peer; values are a turn's mean times `scale`."""

    def measure() -> Sample:
        our_costs, peer_costs = _alternate(ours, peer, turns)
        our_cost, peer_cost = sum(our_costs) / turns, sum(peer_costs) / turns
        return Sample(our_cost / peer_cost, our_cost * scale, peer_cost * scale)

    return measure


def bounded(turn: Turn, most: float) -> Round:
    """A round against a bound instead of a peer: the turn's value over the most that it may be."""

    def measure() -> Sample:
        value = turn()
        return Sample(value / most, value)

    return measure


def _alternate(ours: Turn, peer: Turn, turns: int) -> tuple[list[float], list[float]]:
    our_costs, peer_costs = [], []
    for _ in range(turns):
        our_costs.append(ours())
        peer_costs.append(peer())
    return our_costs, peer_costs


def result(line: Line, samples: list[Sample]) -> Result:
    """The line's median ratio with its lowest and highest round."""
    ratios = [sample.ratio for sample in samples]
    peers = [sample.peer_value for sample in samples if sample.peer_value is not None]
    return Result(
        line=line.name,
        ratio=round(median(ratios), 3),
        goal=line.goal,
        better=line.better,
        low=round(min(ratios), 3),
        high=round(max(ratios), 3),
        rounds=len(samples),
        peer=line.peer,
        value=round(median(sample.value for sample in samples), 3),
        peer_value=round(median(peers), 3) if peers else None,
        unit=line.unit,
    )


def rounds_of(line: Line, rounds: int) -> Iterator[Sample]:
    """Prepare a line and measure its rounds, one by one."""
    with line.open() as measure:
        for _ in range(max(1, min(rounds, line.rounds_max))):
            yield measure()
