"""KEDA's ScaledJob: how many Jobs to make, for work that ends (a rebuild, an engine's driver) instead of a Deployment that waits.

Source: KEDA 2.21.0, pkg/scaling/scaledjob/metrics.go (`IsScaledJobActive`, `CalculateQueueLengthAndMaxValue`),
pkg/scaling/executor/scale_jobs.go (`GetEffectiveMaxScale`, `getScalingDecision`, `createJobs`), apis/keda/v1alpha1/scaledjob_types.go.
"""

from collections.abc import Sequence
from math import ceil
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct

JOBS_MAX = 100  # scaledjob_types.go, defaultScaledJobMaxReplicaCount

Strategy = Literal["default", "custom", "accurate", "eager"]
Combine = Literal["max", "min", "avg", "sum"]


class ScaledJob(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The numbers of a ScaledJob. Defaults are KEDA's."""

    minimum: Annotated[int, Meta(ge=0)] | None = None
    maximum: Annotated[int, Meta(ge=1)] | None = None
    strategy: Strategy = "default"
    deduction: int = 0  # customScalingQueueLengthDeduction
    running_share: float | None = 0.0  # customScalingRunningJobPercentage; None: unreadable, and then `custom` is `default`
    combine: Combine = "max"  # multipleScalersCalculation

    @property
    def least(self) -> int:
        """`MinReplicaCount()`."""
        return min(self.minimum or 0, self.maximum) if self.maximum is not None else self.minimum or 0

    @property
    def most(self) -> int:
        """`MaxReplicaCount()`: the maximum *beside* the minimum, and 100 where none is said."""
        if self.maximum is None:
            return JOBS_MAX
        return self.maximum if (self.minimum or 0) > self.maximum else self.maximum - self.least


class Queue(NamedTuple):
    """One scaler of a ScaledJob."""

    length: float
    target: float
    active: bool = True


class Wanted(NamedTuple):
    """What the scalers make together."""

    active: bool
    scale_to: int
    max_scale: int


class Decision(NamedTuple):
    """What the strategy makes of it: at most `effective_max` of `scale_to` new Jobs."""

    effective_max: int
    scale_to: int

    @property
    def created(self) -> int:
        """Jobs that are made now (`createJobs`)."""
        return max(0, min(self.scale_to, self.effective_max))


def max_value(queue: Queue, most: int) -> float:
    """Jobs for one queue (`CalculateQueueLengthAndMaxValue`)."""
    return min(queue.length / queue.target, most) if queue.target else 0.0


def target_average(targets: Sequence[float]) -> float:
    """`getTargetAverageValue`: the mean of a scaler's targets, 0 without any."""
    return sum(targets) / len(targets) if targets else 0.0


def combined(job: ScaledJob, queues: Sequence[Queue]) -> Wanted:
    """`IsScaledJobActive`: the active queues, by the longest, the shortest, their mean or their sum."""
    length, value = 0.0, 0.0
    active = [(queue.length, max_value(queue, job.most)) for queue in queues if queue.active]
    found = bool(active)
    match job.combine:
        case "max":
            length, value = max(active, key=lambda one: one[0], default=(0.0, 0.0))
            found = length > 0
        case "min":
            for each, most in active:
                if length == 0 or each < length:  # as it is there: an empty queue is replaced by the next one
                    length, value = each, most
        case "avg":
            if active:
                length, value = sum(one[0] for one in active) / len(active), sum(one[1] for one in active) / len(active)
        case "sum":
            length, value = sum(one[0] for one in active), sum(one[1] for one in active)
    if not found:
        length, value = 0.0, 0.0
    return Wanted(found or job.least > 0, ceil(length), ceil(min(value, job.most)))


def decide(job: ScaledJob, wants: Wanted, running: int, pending: int) -> Decision:
    """`getScalingDecision`: up to the minimum first, by the strategy then."""
    if running < job.least:
        return Decision(job.least - running, job.least - running)
    return effective(job, wants.max_scale, running - job.least, pending, job.most, wants.scale_to)


def effective(job: ScaledJob, max_scale: int, running: int, pending: int, most: int, scale_to: int) -> Decision:
    """`GetEffectiveMaxScale` of the strategy."""
    match job.strategy:
        case "custom" if job.running_share is not None:
            return Decision(min(max_scale - job.deduction - int(running * job.running_share), most), scale_to)
        case "accurate" if max_scale + running - pending > most:
            return Decision(most - running, scale_to)
        case "accurate":
            return Decision(max_scale - pending, scale_to)
        case "eager":
            return Decision(min(most - running - pending, max_scale), most)
        case _:
            return Decision(max_scale - running, scale_to)
