"""KEDA's `kafka` trigger: offsets of a consumer group in, one number and "is there anything to do" out.

Source: KEDA 2.21.0, pkg/scalers/kafka_scaler.go (`Validate`, `getLagForPartition`, `getTotalLag`). It is where projectors of others never
reach zero or jump to the maximum, so each rule is a function of its own. The order of the rules is part of the meaning.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct

from costs.errors import Unusable

NONE_COMMITTED = -1  # what OffsetFetch answers where a group has committed nothing (`invalidOffset`)
PARTITIONS_MAX = 10_000  # ours, so that a range stays small; no topic of anybody has more

Policy = Literal["latest", "earliest"]


class Partition(NamedTuple):
    """What a broker says of one partition: offsets are numbers of messages."""

    committed: int  # the group's; NONE_COMMITTED where there is none
    latest: int | None  # the end of the log; None: missing in the answer (seen with Event Hubs)
    earliest: int | None = None  # the start of the log; None: not told


class Lag(NamedTuple):
    """Of one partition: `counted` scales, `present` wakes (they differ with `exclude_persistent_lag`)."""

    counted: int
    present: int


class Metric(NamedTuple):
    """What a trigger tells: a value for the autoscaler, and whether it is active."""

    value: int
    active: bool


class KafkaTrigger(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The trigger's metadata. Defaults are KEDA's own (struct `kafkaMetadata`)."""

    topic: str = "events"
    lag_threshold: Annotated[int, Meta(le=2**53)] = 10
    activation_lag_threshold: Annotated[int, Meta(le=2**53)] = 0
    offset_reset_policy: Policy = "latest"
    allow_idle_consumers: bool = False
    exclude_persistent_lag: bool = False
    scale_to_zero_on_invalid_offset: bool = False
    limit_to_partitions_with_lag: bool = False
    ensure_even_distribution_of_partitions: bool = False
    partition_limitation: str = ""
    full_metadata: bool = True

    def check(self, within: str = "trigger") -> None:
        """KEDA's `Validate`: what the operator would refuse. `Unusable` names the field and the way out."""
        for wrong, field, text in self._refusals():
            if wrong:
                raise Unusable(f"{within}.{field}", text)
        limitation(self.partition_limitation, f"{within}.partition_limitation")

    def _refusals(self) -> tuple[tuple[bool, str, str], ...]:
        limit, even = self.limit_to_partitions_with_lag, self.ensure_even_distribution_of_partitions
        nameless = not self.topic
        return (
            (self.lag_threshold <= 0, "lag_threshold", f"is {self.lag_threshold}, must be at least 1: KEDA divides by it"),
            (self.activation_lag_threshold < 0, "activation_lag_threshold", f"is {self.activation_lag_threshold}, must be at least 0"),
            (
                self.allow_idle_consumers and limit,
                "allow_idle_consumers",
                "cannot be set together with limit_to_partitions_with_lag: drop one",
            ),
            (nameless and limit, "limit_to_partitions_with_lag", "needs a topic: name one"),
            (
                limit and even,
                "limit_to_partitions_with_lag",
                "cannot be set together with ensure_even_distribution_of_partitions: drop one",
            ),
            (nameless and even, "ensure_even_distribution_of_partitions", "needs a topic: name one"),
            (nameless and not self.full_metadata, "full_metadata", "may be false only with a topic: name one"),
        )


class KafkaScaler:
    """One trigger at work. It remembers the offsets it saw, for `exclude_persistent_lag`; every reading is remembered, the autoscaler's too."""

    def __init__(self, trigger: KafkaTrigger) -> None:
        trigger.check()
        self.trigger = trigger
        self._only = limitation(trigger.partition_limitation) if trigger.topic else []
        self._seen: dict[int, int] = {}

    def read(self, partitions: Mapping[int, Partition]) -> Metric:
        """The metric of this moment. Partitions missing in the answer count neither as lag nor as partitions."""
        active = {number: partition for number, partition in partitions.items() if not self._only or number in self._only}
        if not active:
            raise Unusable("trigger.partition_limitation", "leaves no partition of the topic: name one that is there")
        lags = [self.lag(number, partition) for number, partition in active.items() if partition.latest is not None]
        value = capped(self.trigger, [lag.counted for lag in lags])
        return Metric(max(value, 0), sum(lag.present for lag in lags) > self.trigger.activation_lag_threshold)

    def lag(self, number: int, partition: Partition) -> Lag:
        """`getLagForPartition`."""
        if partition.committed == NONE_COMMITTED:
            return _nothing_committed(self.trigger, partition)
        if partition.latest is None:
            return Lag(0, 0)
        present = partition.latest - partition.committed
        if self.trigger.exclude_persistent_lag:
            before, self._seen[number] = self._seen.get(number), partition.committed
            if before == partition.committed:  # nothing was consumed since: whoever reads it is stuck, more of them would be, too
                return Lag(0, present)
        return Lag(present, present)

    def forget(self) -> None:
        """After an error the operator builds its scalers anew (`ClearScalersCache`), and what they remembered is gone."""
        self._seen.clear()


def _nothing_committed(trigger: KafkaTrigger, partition: Partition) -> Lag:
    """No committed offset: comes before everything else, so that it holds for partitions missing in the answer, too."""
    if trigger.offset_reset_policy == "latest":
        lag = 0 if trigger.scale_to_zero_on_invalid_offset else 1
    elif trigger.scale_to_zero_on_invalid_offset or partition.latest is None:
        lag = 0
    elif partition.earliest is None:
        lag = partition.latest
    else:  # since 2.21; up to 2.20 it was the end of the log alone, however much of it was trimmed
        lag = max(0, partition.latest - partition.earliest)
    return Lag(lag, lag)


def capped(trigger: KafkaTrigger, lags: list[int]) -> int:
    """`getTotalLag` after the sum. The division drops its remainder where the autoscaler rounds up, so a cap of n can give n + 1 replicas."""
    total, threshold = sum(lags), trigger.lag_threshold
    if trigger.allow_idle_consumers and not trigger.limit_to_partitions_with_lag and not trigger.ensure_even_distribution_of_partitions:
        return total
    if trigger.ensure_even_distribution_of_partitions:
        total = even_consumers(total, len(lags), threshold) * threshold
    most = sum(lag > 0 for lag in lags) if trigger.limit_to_partitions_with_lag else len(lags)
    return most * threshold if total // threshold > most else total


def even_consumers(lag: int, partitions: int, threshold: int) -> int:
    """The fewest consumers that share the partitions evenly and are enough (`getNextFactorThatBalancesConsumersToTopicPartitions`)."""
    return next((factor for factor in factors(partitions) if factor * threshold >= lag), partitions)


def factors(number: int) -> list[int]:
    """The divisors, ascending (`FindFactors`)."""
    return [divisor for divisor in range(1, number + 1) if number % divisor == 0]


def limitation(text: str, field: str = "partition_limitation") -> list[int]:
    """`1-4,8` as numbers (`parsePartitionLimitation`); empty: all partitions."""
    numbers: list[int] = []
    for part in text.split(",") if text.strip() else []:
        first, *last = (end.strip() for end in part.split("-"))
        if len(last) > 1 or not all(end.isdecimal() for end in (first, *last)):
            raise Unusable(field, f"{part.strip()!r} is no partition and no range: write them as 1-4,8")
        if int((last or [first])[0]) >= PARTITIONS_MAX:
            raise Unusable(field, f"{part.strip()!r} goes beyond {PARTITIONS_MAX:,} partitions: name those that are there")
        numbers += range(int(first), int((last or [first])[0]) + 1)
    return numbers


def metric_name(trigger: KafkaTrigger, group: str, index: int = 0) -> str:
    """The external metric's name: `s<index>-kafka-<topic>` (`GetMetricSpecForScaling`, `NormalizeString`)."""
    name = f"kafka-{trigger.topic}" if trigger.topic else f"kafka-{group}-topics"
    return f"s{index}-{name.translate(str.maketrans('/.:%()', '------'))}"
