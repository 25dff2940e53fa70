"""A time line of one group of projectors as it was measured, with the settings it was made under; kept as JSON, a sample a line."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Sample:
    """A moment; what could not be read is None."""

    at_s: float
    lag: tuple[int, ...] | None
    desired: int
    ready: int
    folded: int | None


@dataclass(frozen=True)
class Settings:
    """What decides how many there are."""

    partitions: int
    lag_threshold: int
    polling_s: int
    cooldown_s: int
    sync_s: int
    stabilization_s: int


@dataclass
class Record:
    """A time line with the settings it was made under, and marks for what somebody did."""

    app: str
    group: str
    settings: Settings
    samples: list[Sample] = field(default_factory=list)
    marks: list[tuple[float, str]] = field(default_factory=list)

    def peak(self) -> int:
        """Most replicas."""
        return max((sample.desired for sample in self.samples), default=0)

    def steps(self) -> list[int]:
        """The replicas that were wanted, one after the other."""
        found: list[int] = []
        for sample in self.samples:
            if not found or found[-1] != sample.desired:
                found.append(sample.desired)
        return found

    def workload(self) -> dict[str, Any]:
        """The measured lag as `trimaran scale simulate` takes it: a moment that could not be read is left out."""
        known, told = [sample for sample in self.samples if sample.lag is not None], self.settings
        return {
            "name": f"{self.app}, {self.group}, measured",
            "partitions": told.partitions,
            "projector": {"events_per_s": 1000},
            "trigger": {"lag_threshold": told.lag_threshold},
            "scaled_object": {"polling_s": told.polling_s, "cooldown_s": told.cooldown_s},
            "autoscaler": {"sync_s": told.sync_s, "stabilization_s": told.stabilization_s},
            "sync": {"every_s": 0},
            "measured": [{"at_s": one.at_s, "lag": list(one.lag or ()), "replicas": one.desired} for one in known],
        }

    def write(self, path: Path) -> None:
        """As JSON, a sample a line."""
        samples = ",\n".join(json.dumps(asdict(sample)) for sample in self.samples)
        head = {"app": self.app, "group": self.group, "settings": asdict(self.settings), "marks": self.marks}
        path.write_text(f'{json.dumps(head)[:-1]}, "samples": [\n{samples}\n]}}\n')


def read(path: Path) -> Record:
    """What `write` wrote."""
    told = json.loads(path.read_text())
    samples = [Sample(**one | {"lag": None if one["lag"] is None else tuple(one["lag"])}) for one in told["samples"]]
    return Record(told["app"], told["group"], Settings(**told["settings"]), samples, [(at, text) for at, text in told["marks"]])
