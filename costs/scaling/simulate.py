"""The simulation: a workload, second by second, through KEDA's loop, the autoscaler's and the pods that they make.

Deterministic: no clock and no chance. A second goes: events arrive, pods that became ready share the partitions, each folds and commits,
then KEDA polls and the autoscaler syncs if it is their time. Both decide in the middle of a second: KEDA keeps the last activity in
whole seconds and compares it with a clock that has fractions, so a cooldown of 300 s is over at the poll 300 s after the last active one.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from math import ceil
from typing import NamedTuple

from msgspec import Struct

from costs.scaling.arrivals import Dealer, arriving
from costs.scaling.control import HALF, Control, Measured, within
from costs.scaling.keda import Partition
from costs.scaling.pods import Pods
from costs.scaling.topic import Log
from costs.scaling.workload import Workload

SAMPLES_MAX = 1440


class Moment(NamedTuple):
    """A stretch of the time line: replicas and ready pods at its end, the highest lag and age (seconds) in it, sums until its end."""

    at_s: int
    replicas: int
    ready: int
    lag: int
    age_s: int
    arrived: int
    folded: int


class Change(NamedTuple):
    """Who changed the number of replicas, and on what."""

    at_s: int
    replicas: int
    before: int
    by: str
    lag: int


class Freshness(NamedTuple):
    """Seconds from an event's arrival until it was folded and committed."""

    p50_s: int
    p99_s: int
    max_s: int


class Result(Struct, frozen=True, kw_only=True):
    """What came out. `waiting` is not folded at the end; `skipped` a group without offsets and with policy `latest` never saw."""

    name: str
    seconds: int
    step_s: int
    partitions: int
    maximum: int
    pod_hours: float
    idle_pod_hours: float
    at_zero_s: int
    peak_replicas: int
    peak_lag: int
    peak_age_s: int
    arrived: int
    folded: int
    waiting: int
    skipped: int
    freshness: Freshness | None
    wakings: int
    changes: tuple[Change, ...]
    moments: tuple[Moment, ...]
    notes: tuple[str, ...]


def simulate(workload: Workload) -> Result:
    """Run it to its end."""
    run = Run(workload)
    for _ in run.seconds():
        pass
    return run.result()


class Run:
    """A simulation under way."""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.replicas = 0
        self.logs = [Log(first_commit=workload.projector.first_commit) for _ in range(workload.partitions)]
        self.pods = Pods(workload.projector, self.logs, latest=workload.trigger.offset_reset_policy == "latest")
        self.changes: list[Change] = []
        self.moments: list[Moment] = []
        self.ages: Counter[int] = Counter()
        self.arrived = self.folded = self.zero_s = self.idle_s = 0
        self._arriving, self._dealer = arriving(workload), Dealer(workload.weights)
        self._source = Measured(workload) if workload.follows == "lag" else None
        self._held: list[tuple[int, int]] = []  # (born in second, events) that wait for a bus that is away
        self._control = Control(workload)
        self._end = workload.seconds
        self._step = ceil(self._end / SAMPLES_MAX)
        self._lag = self._age = 0

    def seconds(self) -> Iterator[int]:
        """Each second of it, after it is over."""
        for second in range(self._end):
            away = within(self.workload.outages, second)
            if self._source is None:
                self._arrive(second, away)
            else:
                self._source.go(second)
            self._work(second, away)
            self._decide(second, away)
            self._note(second)
            yield second

    def _arrive(self, second: int, away: bool) -> None:
        events = self._arriving(second)
        self.arrived += events
        if events:
            self._held.append((second, events))
        if not away:
            for born, count in self._held:
                for log, dealt in zip(self.logs, self._dealer.deal(count), strict=True):
                    log.append(dealt, born)
            self._held.clear()

    def _work(self, second: int, away: bool) -> None:
        self.folded += self.pods.settle(second, self.ages)
        if self._source is None and not away:
            done, idle = self.pods.work(second, self.ages) if self.lag else (0, self.pods.ready)
            self.folded += done
            self.idle_s += idle

    def _decide(self, second: int, away: bool) -> None:
        if not self._control.due(second):
            return
        for by, wanted in self._control.decide(second, self._read(second, away), lambda: self.replicas):
            if wanted != self.replicas:
                self.changes.append(Change(second, wanted, self.replicas, by, self.lag))
                self.folded += self.pods.scale(wanted, second + HALF, self.ages)
                self.replicas = wanted

    def _read(self, second: int, away: bool) -> Mapping[int, Partition] | None:
        if away:
            return None
        if self._source is not None:
            return self._source.partitions
        return {number: log.offsets() for number, log in enumerate(self.logs)}

    @property
    def lag(self) -> int:
        """Events that are not done, wherever they wait."""
        if self._source is not None:
            return self._source.total
        return self.arrived - self.folded - self.pods.skipped

    def _oldest(self, second: int) -> int:
        born = [log.oldest for log in self.logs if log.oldest is not None] + [held for held, _ in self._held[:1]]
        return second + 1 - min(born) if born else 0

    def _note(self, second: int) -> None:
        self.zero_s += self.replicas == 0
        lag = self.lag
        if lag:
            self._lag = max(self._lag, lag)
            self._age = max(self._age, self._oldest(second) if self._source is None else 0)
        if (second + 1) % self._step == 0 or second + 1 == self._end:
            begun = second - second % self._step
            self.moments.append(Moment(begun, self.replicas, self.pods.ready, self._lag, self._age, self.arrived, self.folded))
            self._lag = self._age = 0

    def result(self) -> Result:
        """What came out until now."""
        workload = self.workload
        own = self._source is None
        return Result(
            name=workload.name,
            seconds=self._end,
            step_s=self._step,
            partitions=workload.partitions,
            maximum=workload.scaling.hpa_maximum,
            pod_hours=self.pods.seconds(self._end) / 3600,
            idle_pod_hours=self.idle_s / 3600,
            at_zero_s=self.zero_s,
            peak_replicas=max((change.replicas for change in self.changes), default=0),
            peak_lag=max((moment.lag for moment in self.moments), default=0),
            peak_age_s=max((moment.age_s for moment in self.moments), default=0),
            arrived=self.arrived,
            folded=self.folded,
            waiting=self.lag if own else 0,
            skipped=self.pods.skipped,
            freshness=freshness(self.ages),
            wakings=sum(change.before == 0 for change in self.changes),
            changes=tuple(self.changes),
            moments=tuple(self.moments),
            notes=tuple(notes(workload)),
        )


def freshness(ages: Counter[int]) -> Freshness | None:
    """Quantiles of the ages at which events were done."""
    total = ages.total()
    if not total:
        return None
    seen, found = 0, dict[float, int]()
    for age in sorted(ages):
        seen += ages[age]
        for share in (0.5, 0.99):
            if seen >= share * total:
                found.setdefault(share, age)
    return Freshness(found[0.5], found[0.99], max(ages))


def notes(workload: Workload) -> Iterator[str]:
    """What one should know of these settings."""
    scaling, trigger, sync = workload.scaling, workload.trigger, workload.sync
    if scaling.hpa_maximum > workload.partitions:
        yield f"maximum {scaling.hpa_maximum} is above {workload.partitions} partitions: a replica without a partition idles"
    if trigger.offset_reset_policy == "latest" and not workload.projector.first_commit:
        yield "policy latest without a first commit: each partition without an offset counts 1, and what came before the first pod is skipped"
    if trigger.scale_to_zero_on_invalid_offset and not workload.projector.first_commit:
        yield "scale_to_zero_on_invalid_offset without a first commit: nothing wakes, however much waits"
    if sync.every_s and sync.lasts_s < scaling.polling_s:
        yield f"sync lasts {sync.lasts_s} s, less than the polling of {scaling.polling_s} s: a poll can miss it"
    if sync.every_s and sync.every_s <= scaling.cooldown_s + sync.lasts_s:
        yield f"sync every {sync.every_s} s with a cooldown of {scaling.cooldown_s} s: it is never at zero"
