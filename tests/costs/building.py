"""Small workloads for tests: four partitions and no sync, unless said otherwise."""

from typing import Any

from costs.scaling.executor import ScaledObject
from costs.scaling.simulate import Result, simulate
from costs.scaling.workload import Arrivals, Burst, Projector, Sample, Sync, Trigger, Workload, check

QUIET = Sync(every_s=0)


def workload(*bursts: Burst, rate: float = 50, **more: Any) -> Workload:
    """Bursts on projectors of `rate` events a second."""
    pods = more.pop("projector", None) or Projector(events_per_s=rate, startup_s=2, drain_s=1, batch_max=10)
    told: dict[str, Any] = {"partitions": 4, "sync": QUIET, "projector": pods, "arrivals": Arrivals(bursts=bursts)} | more
    made = Workload(**told)
    check(made)
    return made


def measured(*samples: tuple[float, int | tuple[int, ...]] | tuple[float, int | tuple[int, ...], int], **more: Any) -> Workload:
    """A measured lag, with replicas where a sample has three numbers."""
    line = tuple(Sample(at_s=one[0], lag=one[1], replicas=one[2] if len(one) > 2 else None) for one in samples)
    return workload(arrivals=Arrivals(), measured=line, **more)


def replicas(result: Result) -> list[tuple[int, int, str]]:
    """When how many, by whom."""
    return [(change.at_s, change.replicas, change.by) for change in result.changes]


__all__ = ["QUIET", "Arrivals", "Burst", "Projector", "Result", "ScaledObject", "Trigger", "measured", "replicas", "simulate", "workload"]
