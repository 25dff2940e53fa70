"""KEDA's part of scaling: from zero to one when something is there, and back to zero after a while of nothing.

Source: KEDA 2.21.0, pkg/scaling/executor/scale_executor.go and scale_scaledobjects.go (`RequestScale`), pkg/fallback/fallback.go,
apis/keda/v1alpha1/scaledobject_types.go. What lies between one and the maximum is the autoscaler's (`hpa`).

    replicas      active                            not active
    0             to 1 (or the minimum)             stays
    1 …           stays; the cooldown starts anew   to 0 (or idle) once the cooldown is over, stays before
    any, error    stays (from 0: wakes)             stays; with a fallback of 0 replicas as without an error
"""

from math import floor
from typing import Annotated, Literal

from msgspec import Meta, Struct

from costs.errors import Unusable
from costs.scaling.keda import Metric

POLLING_S = 30  # withtriggers_types.go, defaultPollingInterval
COOLDOWN_S = 300  # scale_executor.go, defaultCooldownPeriod
INITIAL_COOLDOWN_S = 0  # scale_executor.go, defaultInitialCooldownPeriod
REPLICAS_MAX = 100  # scaledobject_types.go, defaultHPAMaxReplicas
REPLICAS_MIN = 1  # scaledobject_types.go, defaultHPAMinReplicas: what an autoscaler gets where the minimum is 0

Seconds = Annotated[int, Meta(ge=0, le=86_400)]
Replicas = Annotated[int, Meta(ge=0, le=10_000)]


class Fallback(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to do when the trigger has failed more than `failure_threshold` times in a row."""

    failure_threshold: Annotated[int, Meta(ge=0)]
    replicas: Replicas
    behaviour: Literal["static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"] = "static"

    def wanted(self, current: int) -> int:
        """Replicas to ask for, at `current` ones (`doFallback`)."""
        match self.behaviour:
            case "static":
                return self.replicas
            case "currentReplicas":
                return current
            case "currentReplicasIfHigher":
                return max(current, self.replicas)
            case "currentReplicasIfLower":
                return min(current, self.replicas)


class ScaledObject(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The numbers of a ScaledObject that KEDA reads. Defaults are KEDA's; `maximum` None is 100."""

    polling_s: Annotated[int, Meta(ge=1, le=3600)] = POLLING_S
    first_poll_s: Annotated[int, Meta(ge=0, le=3600)] | None = None  # when its loop looks first; not KEDA's to say, and 0 where not known
    cooldown_s: Seconds = COOLDOWN_S
    initial_cooldown_s: Seconds = INITIAL_COOLDOWN_S
    minimum: Replicas = 0
    maximum: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    idle: Replicas | None = None
    fallback: Fallback | None = None

    def check(self, within: str = "scaled_object") -> None:
        """`CheckReplicaCountBoundsAreValid`: what the operator would refuse."""
        if self.hpa_minimum > self.hpa_maximum:
            raise Unusable(f"{within}.minimum", f"is {self.minimum}, above the maximum of {self.hpa_maximum}: lower it")
        if self.idle is not None and self.idle >= self.hpa_minimum:
            raise Unusable(f"{within}.idle", f"is {self.idle}, must be below the minimum of {self.hpa_minimum}: 0 is what works")

    @property
    def hpa_maximum(self) -> int:
        """What the autoscaler gets as its maximum (`GetHPAMaxReplicas`)."""
        return REPLICAS_MAX if self.maximum is None else self.maximum

    @property
    def hpa_minimum(self) -> int:
        """What the autoscaler gets as its minimum (`GetHPAMinReplicas`)."""
        return self.minimum or REPLICAS_MIN

    @property
    def lowest(self) -> int:
        """Where an inactive target ends (`getIdleOrMinimumReplicaCount`)."""
        return self.minimum if self.idle is None else self.idle


class Executor:
    """One ScaledObject's loop. Times are seconds of any clock that does not jump."""

    def __init__(self, told: ScaledObject, created: float = 0.0) -> None:
        self.told = told
        self.last_active: float | None = None  # kept in the object's status, which has whole seconds (metav1.Time)
        self._created = created

    def decide(self, now: float, replicas: int, *, active: bool, error: bool = False) -> int:
        """Replicas after this poll, with `replicas` before it (`RequestScale`)."""
        told = self.told
        if active:
            if replicas == 0 or (told.idle is not None and replicas < told.minimum):
                self.last_active = floor(now)
                return told.minimum or 1
            if not error:
                self.last_active = floor(now)
            return replicas
        if error and (told.fallback is None or told.fallback.replicas != 0):
            return replicas
        if (told.idle is not None and replicas > told.idle) or (replicas > 0 and told.minimum == 0):
            return told.lowest if self._cool(now) else replicas
        if told.idle is None and replicas < told.minimum:
            return told.minimum
        return replicas

    def _cool(self, now: float) -> bool:
        if self.last_active is None:  # scaled by somebody else: only the initial cooldown holds
            return self._created + self.told.initial_cooldown_s < now
        return self.last_active + self.told.cooldown_s < now


class Watched:
    """A trigger with its fallback: counts failures in a row, and past the threshold tells a metric that asks for the fallback's replicas.

    Every reading counts, the poll's and the autoscaler's (`GetMetricsWithFallback`).
    """

    def __init__(self, fallback: Fallback | None, target: int) -> None:
        self.failures = 0
        self._fallback, self._target = fallback, target

    def read(self, metric: Metric | None, current: int) -> Metric | None:
        """What is told of a reading; None: an error, both of the trigger's and to whom it is told."""
        if metric is not None:
            self.failures = 0
            return metric
        self.failures += 1
        if self._fallback is None or self.failures <= self._fallback.failure_threshold:
            return None
        return Metric(self._target * self._fallback.wanted(current), active=True)
