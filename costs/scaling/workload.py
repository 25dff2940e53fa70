"""The file that `scale simulate` takes: what arrives, how fast one projector is, and what its ScaledObject says.

TOML or JSON. Every field has a bound; what does not fit is one line that names the field, the limit and the way out. The defaults of
`trigger`, `scaled_object` and `sync` are those that an application's manifest declares, which differ from KEDA's where those are a trap.
"""

import re
from math import isclose
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from costs.errors import Unusable
from costs.scaling.executor import Fallback, ScaledObject
from costs.scaling.hpa import Autoscaling, Behaviour, Policy, Rules
from costs.scaling.keda import KafkaTrigger
from costs.scaling.keda import Policy as ResetPolicy

DAYS_MAX = 14
DURATION_MAX_S = DAYS_MAX * 86_400
PARTITIONS_MAX = 256  # streams hash to so many shards, and a partition is a shard modulo the partitions
SETTLE_S = 3600  # simulated after the last arrival, where no duration is said: the cooldown fits in
HOURS_DAY, HOURS_WEEK = 24, 168

Events = Annotated[int, Meta(ge=0, le=10**12)]
At = Annotated[int, Meta(ge=0, le=DURATION_MAX_S)]


class Burst(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """So many events, evenly over some seconds, once or again and again."""

    at_s: At
    events: Events
    over_s: Annotated[int, Meta(ge=1, le=DURATION_MAX_S)] = 1
    every_s: Annotated[int, Meta(ge=1, le=DURATION_MAX_S)] | None = None


class Arrivals(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is stored: events an hour, for the 24 hours of a day or the 168 of a week (from Monday 0:00), and bursts on top."""

    events_per_hour: tuple[Events, ...] = ()
    start_hour: Annotated[int, Meta(ge=0, lt=HOURS_WEEK)] = 0
    bursts: Annotated[tuple[Burst, ...], Meta(max_length=100)] = ()


class Sample(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A moment of a measured time line: the lag, in all or a partition; optionally the replicas there were, and what had arrived."""

    at_s: Annotated[float, Meta(ge=0, le=DURATION_MAX_S)]
    lag: Events | tuple[Events, ...] | None = None
    replicas: Annotated[int, Meta(ge=0)] | None = None
    arrived: Events | None = None  # since the beginning


class Outage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The bus is away: nothing is folded, KEDA meets errors, events wait in the store."""

    at_s: At
    lasts_s: Annotated[int, Meta(ge=1, le=86_400)]


class Projector(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One pod. `startup_s` is from the decision to the first event folded: scheduling, image, process, joining the group."""

    events_per_s: Annotated[float, Meta(gt=0, le=10**7)]
    startup_s: Annotated[float, Meta(ge=0, le=3600)] = 5.0
    drain_s: Annotated[float, Meta(ge=0, le=3600)] = 2.0
    batch_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 500
    rebalance_s: Annotated[float, Meta(ge=0, le=600)] = 0.0
    first_commit: bool = True  # the group's offsets are committed before anything runs, as the manifest's Job does
    commits: Literal["assigned", "handled"] = "assigned"  # without it: the position of every partition it holds, or of those it handled


class Trigger(KafkaTrigger, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The manifest's `kafka` trigger."""

    lag_threshold: Annotated[int, Meta(le=2**53)] = 1000
    offset_reset_policy: ResetPolicy = "earliest"


class Sync(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The manifest's `cron` trigger, which wakes a projector to compare the store's heads with its watermarks; `every_s` 0: none."""

    every_s: Annotated[int, Meta(ge=0, le=86_400)] = 3600
    lasts_s: Annotated[int, Meta(ge=1, le=3600)] = 60
    replicas: Annotated[int, Meta(ge=1, le=1000)] = 1


class Workload(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of it. `scaled_object.maximum` is the number of partitions where none is said."""

    projector: Projector
    partitions: Annotated[int, Meta(ge=1, le=PARTITIONS_MAX)]
    name: str = "workload"
    duration_s: Annotated[int, Meta(ge=0, le=DURATION_MAX_S)] = 0  # 0: until the arrivals end, and an hour
    key_skew: Annotated[float, Meta(ge=0, le=5)] = 0.0  # Zipf's exponent over partitions; 0: even
    shares: tuple[Annotated[float, Meta(ge=0, le=1)], ...] = ()  # instead: each partition's, adding up to 1
    arrivals: Arrivals = Arrivals()
    measured: Annotated[tuple[Sample, ...], Meta(max_length=200_000)] = ()
    outages: Annotated[tuple[Outage, ...], Meta(max_length=1000)] = ()
    trigger: Trigger = Trigger()
    scaled_object: ScaledObject = ScaledObject()
    sync: Sync = Sync()
    autoscaler: Autoscaling = Autoscaling()

    @property
    def weights(self) -> tuple[float, ...]:
        """Each partition's share of the events."""
        if self.shares:
            return self.shares
        raw = [1 / (rank + 1) ** self.key_skew for rank in range(self.partitions)]
        return tuple(weight / sum(raw) for weight in raw)

    @property
    def scaling(self) -> ScaledObject:
        """The ScaledObject, with its maximum filled in."""
        if self.scaled_object.maximum is not None:
            return self.scaled_object
        return replace(self.scaled_object, maximum=self.partitions)

    @property
    def seconds(self) -> int:
        """How long is simulated."""
        if self.duration_s:
            return self.duration_s
        if self.measured:
            return int(self.measured[-1].at_s) + 1
        bursts = max((burst.at_s + burst.over_s for burst in self.arrivals.bursts), default=0)
        return min(DURATION_MAX_S, max(len(self.arrivals.events_per_hour) * 3600, bursts + SETTLE_S))

    @property
    def follows(self) -> Literal["lag", "arrivals"]:
        """Whether a measured lag is followed, or a lag of its own made from arrivals (planned or measured)."""
        return "lag" if self.measured and self.measured[0].lag is not None and self.measured[0].arrived is None else "arrivals"


def parse(text: str | bytes, name: str = "workload.toml") -> Workload:
    """A workload from its file's text: JSON if it is called so, else TOML. `Unusable` says what to change."""
    try:
        workload = msgspec.json.decode(text, type=Workload) if name.endswith(".json") else msgspec.toml.decode(text, type=Workload)
    except msgspec.ValidationError as error:
        raise _explained(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        kind = "JSON" if name.endswith(".json") else "TOML (a file called .json is read as JSON)"
        raise Unusable("", f"is no {kind}: {error}") from None
    check(workload)
    return workload


def check(workload: Workload) -> None:
    """What fields say together. `Unusable` names the one to change."""
    workload.trigger.check()
    workload.scaling.check()
    _check_shares(workload)
    _check_arrivals(workload)
    _check_measured(workload)


def _check_shares(workload: Workload) -> None:
    shares, partitions = workload.shares, workload.partitions
    if not shares:
        return
    if workload.key_skew:
        raise Unusable("key_skew", "and shares say the same: drop one")
    if len(shares) != partitions:
        raise Unusable("shares", f"has {len(shares)} numbers for {partitions} partitions: give one a partition")
    if not isclose(sum(shares), 1, abs_tol=1e-6):
        raise Unusable("shares", f"add up to {sum(shares):g}, must add up to 1")


def _check_arrivals(workload: Workload) -> None:
    arrivals = workload.arrivals
    planned = bool(arrivals.events_per_hour or arrivals.bursts)
    if planned and workload.measured:
        raise Unusable("arrivals", "and measured exclude each other: drop one")
    if not planned and not workload.measured:
        raise Unusable("arrivals", "are missing: give arrivals.events_per_hour, arrivals.bursts or measured")
    if len(arrivals.events_per_hour) not in (0, HOURS_DAY, HOURS_WEEK):
        raise Unusable("arrivals.events_per_hour", f"has {len(arrivals.events_per_hour)} numbers: give 24 (a day) or 168 (a week)")
    for number, burst in enumerate(arrivals.bursts):
        if burst.every_s is not None and burst.every_s < burst.over_s:
            raise Unusable(
                f"arrivals.bursts[{number}].every_s", f"is {burst.every_s}, below over_s of {burst.over_s}: one would begin in the other"
            )


def _check_measured(workload: Workload) -> None:
    before = -1.0
    first = workload.measured[0] if workload.measured else None
    for number, sample in enumerate(workload.measured):
        field = f"measured[{number}]"
        if sample.at_s <= before:
            raise Unusable(f"{field}.at_s", f"is {sample.at_s:g}, not after the one before it: sort them")
        if first is not None and ((sample.lag is None) != (first.lag is None) or (sample.arrived is None) != (first.arrived is None)):
            raise Unusable(field, "has other fields than the first: give lag everywhere, or arrived everywhere")
        if sample.lag is None and sample.arrived is None:
            raise Unusable(field, "has neither lag nor arrived: give one of them")
        if isinstance(sample.lag, tuple) and len(sample.lag) != workload.partitions:
            raise Unusable(
                f"{field}.lag", f"has {len(sample.lag)} numbers for {workload.partitions} partitions: give one a partition, or their sum"
            )
        if number and sample.arrived is not None and sample.arrived < (workload.measured[number - 1].arrived or 0):
            raise Unusable(f"{field}.arrived", "is lower than before: it counts from the beginning")
        before = sample.at_s


_SECTIONS: dict[str, type[Struct]] = {
    "": Workload,
    "projector": Projector,
    "arrivals": Arrivals,
    "arrivals.bursts": Burst,
    "measured": Sample,
    "outages": Outage,
    "trigger": Trigger,
    "scaled_object": ScaledObject,
    "scaled_object.fallback": Fallback,
    "sync": Sync,
    "autoscaler": Autoscaling,
    "autoscaler.behaviour": Behaviour,
    "autoscaler.behaviour.up": Rules,
    "autoscaler.behaviour.down": Rules,
    "autoscaler.behaviour.up.policies": Policy,
    "autoscaler.behaviour.down.policies": Policy,
}


def _explained(text: str) -> Unusable:
    """msgspec's line, with the field first and the known fields of its section as the way out."""
    what, _, place = text.partition(" - at `$")
    field = place.rstrip("`").lstrip(".")
    if "field `" not in what:
        return Unusable(field, what[0].lower() + what[1:] if what else "does not fit")
    section: Any = _SECTIONS.get(re.sub(r"\[.*?\]", "", field))
    known = f"; known: {', '.join(section.__struct_fields__)}" if section is not None else ""
    return Unusable(field, what.replace("Object", "table", 1).replace("contains", "has") + known)
