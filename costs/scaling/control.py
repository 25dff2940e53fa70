"""Who decides, and on what: KEDA's loop and the autoscaler's over the same triggers, and a measured lag in place of a topic's own."""

from collections.abc import Callable, Iterator, Mapping

from costs.scaling.executor import Executor, Watched
from costs.scaling.hpa import Autoscaler, Told
from costs.scaling.keda import KafkaScaler, Metric, Partition
from costs.scaling.workload import Outage, Sync, Workload

HALF = 0.5  # both decide in the middle of a second


class Control:
    """KEDA's loop and the autoscaler's, each at its time, over the same triggers: `kafka`, and `cron` for sync."""

    def __init__(self, workload: Workload) -> None:
        scaling, settings = workload.scaling, workload.autoscaler
        self._trigger, self._sync = workload.trigger, workload.sync
        self._polling_s, self._sync_s = scaling.polling_s, settings.sync_s
        self._first_s = scaling.first_poll_s or 0
        self._scaler = KafkaScaler(workload.trigger)
        self._watched = Watched(scaling.fallback, workload.trigger.lag_threshold)
        self._executor = Executor(scaling)
        self._autoscaler = Autoscaler(scaling.hpa_minimum, scaling.hpa_maximum, settings)

    def due(self, second: int) -> bool:
        """Whether anybody decides in this second."""
        return self._polls(second) or self._syncs(second)

    def decide(self, second: int, partitions: Mapping[int, Partition] | None, replicas: Callable[[], int]) -> Iterator[tuple[str, int]]:
        """What each wants in this second; `partitions` None: the bus does not answer."""
        now = second + HALF
        if self._polls(second):
            metric = self._metric(partitions, replicas())
            active = (metric is not None and metric.active) or awake(self._sync, second)
            yield "keda", self._executor.decide(now, replicas(), active=active, error=metric is None)
        if self._syncs(second):
            metric = self._metric(partitions, replicas()) if replicas() else None  # at zero the autoscaler asks nobody
            yield "hpa", self._autoscaler.decide(now, replicas(), [*self._told(metric, second)])

    def _polls(self, second: int) -> bool:
        return second >= self._first_s and (second - self._first_s) % self._polling_s == 0

    def _syncs(self, second: int) -> bool:
        return second % self._sync_s == self._sync_s // 2

    def _metric(self, partitions: Mapping[int, Partition] | None, replicas: int) -> Metric | None:
        """Each reading asks the brokers anew: KEDA caches no metric unless `useCachedMetrics` is set."""
        if partitions is None:
            self._scaler.forget()
        return self._watched.read(None if partitions is None else self._scaler.read(partitions), replicas)

    def _told(self, metric: Metric | None, second: int) -> Iterator[Told]:
        yield Told(None if metric is None else metric.value, self._trigger.lag_threshold)
        if self._sync.every_s:  # cron_scaler.go: its replicas in the interval and 0 outside, with a target of 1
            yield Told(self._sync.replicas if awake(self._sync, second) else 0, 1)


class Measured:
    """A measured lag, which stays what it was until the next sample."""

    def __init__(self, workload: Workload) -> None:
        self.total = 0
        self.partitions: Mapping[int, Partition] = {number: Partition(0, 0, 0) for number in range(workload.partitions)}
        self._samples, self._next = workload.measured, 0

    def go(self, second: int) -> None:
        """On to this second; never back."""
        while self._next < len(self._samples) and self._samples[self._next].at_s <= second + HALF:
            lag = self._samples[self._next].lag or 0
            lags = lag if isinstance(lag, tuple) else spread(lag, len(self.partitions))
            self.partitions = {number: Partition(0, each, 0) for number, each in enumerate(lags)}
            self.total = sum(lags)
            self._next += 1


def spread(events: int, partitions: int) -> tuple[int, ...]:
    """Evenly, the rest in the first ones."""
    each, more = divmod(events, partitions)
    return tuple(each + (number < more) for number in range(partitions))


def within(outages: tuple[Outage, ...], second: int) -> bool:
    """Whether the bus is away."""
    return any(outage.at_s <= second < outage.at_s + outage.lasts_s for outage in outages)


def awake(sync: Sync, second: int) -> bool:
    """Whether the `cron` trigger is in its interval."""
    return sync.every_s > 0 and second % sync.every_s < sync.lasts_s
