"""The horizontal pod autoscaler: from one to the maximum and back, every sync, on what the triggers tell.

Source: Kubernetes 1.36.0, pkg/controller/podautoscaler/horizontal.go and replica_calculator.go (`GetExternalPerPodMetricReplicas`),
config/v1alpha1/defaults.go; pkg/apis/autoscaling/v2/defaults.go for what a `behavior` leaves out. KEDA hands over no behavior unless
`horizontalPodAutoscalerConfig` has one (KEDA 2.21.0, controllers/keda/hpa.go), and without one other limits hold than with the
default one: twice the replicas or 4 a sync, instead of 4 more or twice as many in 15 seconds.
"""

from collections.abc import Iterable, Sequence
from math import ceil, inf, nan
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct

SYNC_S = 15  # --horizontal-pod-autoscaler-sync-period
TOLERANCE = 0.1  # --horizontal-pod-autoscaler-tolerance
STABILIZATION_S = 300  # --horizontal-pod-autoscaler-downscale-stabilization
UP_FACTOR, UP_LEAST = 2, 4  # horizontal.go, scaleUpLimitFactor and scaleUpLimitMinimum: without a behavior

Seconds = Annotated[int, Meta(ge=0, le=3600)]


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """At most so many pods, or so much of what was there when the period began, in a period."""

    kind: Literal["pods", "percent"]
    value: Annotated[int, Meta(ge=1)]
    period_s: Annotated[int, Meta(ge=1, le=1800)] = 15


class Rules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One direction. What is left out is the API server's default of that direction."""

    stabilization_s: Seconds | None = None
    select: Literal["max", "min", "disabled"] = "max"
    policies: tuple[Policy, ...] | None = None
    tolerance: Annotated[float, Meta(ge=0, le=10)] | None = None


class Behaviour(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`behavior` of an autoscaler."""

    up: Rules = Rules()
    down: Rules = Rules()


UP = (Policy(kind="pods", value=4), Policy(kind="percent", value=100))  # autoscaling/v2/defaults.go
DOWN = (Policy(kind="percent", value=100),)


class Autoscaling(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The controller's flags, and the behavior of this autoscaler if it has one."""

    sync_s: Annotated[int, Meta(ge=1, le=600)] = SYNC_S
    tolerance: Annotated[float, Meta(ge=0, le=10)] = TOLERANCE
    stabilization_s: Seconds = STABILIZATION_S
    behaviour: Behaviour | None = None


class Told(NamedTuple):
    """One external metric with an AverageValue target; `value` None: it could not be read."""

    value: float | None
    target: float


class _Change(NamedTuple):
    at: float
    pods: int


class Autoscaler:
    """One autoscaler with its memory: what it recommended, and what it changed."""

    def __init__(self, minimum: int, maximum: int, settings: Autoscaling | None = None) -> None:
        self.minimum, self.maximum, self.settings = minimum, maximum, settings or Autoscaling()
        self._recommended: list[_Change] = []
        self._up: list[_Change] = []
        self._down: list[_Change] = []

    def decide(self, now: float, replicas: int, metrics: Sequence[Told], *, existing: int | None = None) -> int:
        """Replicas after this sync. `existing`: pods that the target says it has (default: those it should have)."""
        if not self._recommended:
            self._recommended.append(_Change(now, replicas))
        if replicas == 0:  # "ScalingDisabled": waking is KEDA's
            return 0
        if replicas > self.maximum or replicas < self.minimum:
            wanted = min(max(replicas, self.minimum), self.maximum)
        else:
            proposed = self._proposed(replicas, replicas if existing is None else existing, metrics)
            if proposed is None:
                return replicas
            wanted = self._limited(now, replicas, proposed)
        self._remember(now, wanted - replicas)
        return wanted

    def _proposed(self, replicas: int, existing: int, metrics: Sequence[Told]) -> int | None:
        """The highest of all metrics. Unreadable ones stop a scale-down, and everything where none can be read."""
        down, up = self._tolerances()
        proposals = [wanted(told.value, told.target, existing, down, up) for told in metrics if told.value is not None]
        highest = max(proposals, default=None)
        if highest is None or (len(proposals) < len(metrics) and highest < replicas):
            return None
        return highest

    def _tolerances(self) -> tuple[float, float]:
        own, behaviour = self.settings.tolerance, self.settings.behaviour
        if behaviour is None:
            return own, own
        down, up = behaviour.down.tolerance, behaviour.up.tolerance
        return own if down is None else down, own if up is None else up

    def _limited(self, now: float, replicas: int, proposed: int) -> int:
        if self.settings.behaviour is None:
            stable = self._stable(now, proposed)
            return max(self.minimum, min(stable, self.maximum, max(UP_FACTOR * replicas, UP_LEAST)))
        return self._behaved(now, replicas, proposed, self.settings.behaviour)

    def _stable(self, now: float, proposed: int) -> int:
        """`stabilizeRecommendation`: the highest of the window."""
        self._recommended = [one for one in self._recommended if one.at >= now - self.settings.stabilization_s]
        highest = max([proposed, *(one.pods for one in self._recommended)])
        self._recommended.append(_Change(now, proposed))
        return highest

    def _behaved(self, now: float, replicas: int, proposed: int, behaviour: Behaviour) -> int:
        """`normalizeDesiredReplicasWithBehaviors`: stabilised first, limited in rate then."""
        up_s = behaviour.up.stabilization_s or 0
        down_s = self.settings.stabilization_s if behaviour.down.stabilization_s is None else behaviour.down.stabilization_s
        lowest = min([proposed, *(one.pods for one in self._recommended if one.at > now - up_s)])
        highest = max([proposed, *(one.pods for one in self._recommended if one.at > now - down_s)])
        self._recommended = [one for one in self._recommended if one.at >= now - max(up_s, down_s)]
        self._recommended.append(_Change(now, proposed))
        stable = min(max(replicas, lowest), highest)
        if stable > replicas:
            return min(stable, self.maximum, max(replicas, self._most(now, replicas, behaviour.up)))
        if stable < replicas:
            return max(stable, self.minimum, min(replicas, self._least(now, replicas, behaviour.down)))
        return stable

    def _most(self, now: float, replicas: int, rules: Rules) -> int:
        """`calculateScaleUpLimitWithScalingRules`."""
        if rules.select == "disabled":
            return replicas
        began = [(policy, self._began(now, replicas, policy)) for policy in (UP if rules.policies is None else rules.policies)]
        limits = [pods + policy.value if policy.kind == "pods" else ceil(pods * (1 + policy.value / 100)) for policy, pods in began]
        return min(limits) if rules.select == "min" else max(limits)

    def _least(self, now: float, replicas: int, rules: Rules) -> int:
        """`calculateScaleDownLimitWithBehaviors`: `min` is the smallest change here, too, and so the highest number."""
        if rules.select == "disabled":
            return replicas
        began = [(policy, self._began(now, replicas, policy)) for policy in (DOWN if rules.policies is None else rules.policies)]
        limits = [pods - policy.value if policy.kind == "pods" else int(pods * (1 - policy.value / 100)) for policy, pods in began]
        return max(limits) if rules.select == "min" else min(limits)

    def _began(self, now: float, replicas: int, policy: Policy) -> int:
        """How many there were when the policy's period began."""
        return replicas - _within(self._up, now, policy.period_s) + _within(self._down, now, policy.period_s)

    def _remember(self, now: float, change: int) -> None:
        if self.settings.behaviour is not None and change:
            (self._up if change > 0 else self._down).append(_Change(now, abs(change)))
            for events in (self._up, self._down):
                events[:] = [event for event in events if event.at >= now - 1800]  # the longest period that the API takes


def wanted(value: float, target: float, existing: int, tolerance_down: float = TOLERANCE, tolerance_up: float = TOLERANCE) -> int:
    """Replicas for a metric: the existing ones within the tolerance, else as many as give each its target (`GetExternalPerPodMetricReplicas`)."""
    ratio = value / (target * existing) if existing else inf if value else nan  # what Go's floats make of a division by zero
    if 1 - tolerance_down <= ratio <= 1 + tolerance_up:
        return existing
    return ceil(value / target)


def _within(events: Iterable[_Change], now: float, period_s: int) -> int:
    return sum(event.pods for event in events if event.at > now - period_s)
