"""What a stack is told of an application: the dictionary of `hosts.deployment.describe`, with names and types."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stacks.errors import Refused


@dataclass(frozen=True)
class Role:
    """One way to run the image: its command, the variables it reads, its ports and the paths of its probes."""

    command: tuple[str, ...]
    environment: tuple[str, ...]
    ports: Mapping[str, int]
    probes: Mapping[str, str]


@dataclass(frozen=True)
class Group:
    """Parts that are deployed together: one consumer group, one projector."""

    name: str
    watched: str  # the consumer group that the autoscaler looks at; the same over all generations
    saga: bool
    schema: str  # a digest of its rows' shape: another one is another generation
    due: str | None  # SQL that counts what is due in the read database: timers, undispatched commands


@dataclass(frozen=True)
class Description:
    """An application as a stack sees it."""

    app: str  # as the command line and TRIMARAN_APP name it
    name: str  # the application's own
    shards: int
    roles: Mapping[str, Role]
    groups: tuple[Group, ...]
    topic: str
    signals: str
    limits: Mapping[str, int]


VERSION = 1  # of the manifest that is read here


def description(told: Mapping[str, Any]) -> Description:
    """Read a description; a missing key is a defect of ours, a missing topic is for `refusals` to say. Raises `Refused`."""
    if (version := told["manifest"]["manifest"]) != VERSION:
        raise Refused(
            f"the manifest of app {told['app']!r} has version {version}, and these stacks read {VERSION}: update stacks/description.py"
        )
    return Description(
        app=told["app"],
        name=told["manifest"]["app"],
        shards=told["manifest"]["shards"],
        roles={name: _role(role) for name, role in told["roles"].items()},
        groups=tuple(Group(name, g.get("watched", ""), g["saga"], g["schema"], g.get("due")) for name, g in told["groups"].items()),
        topic=told["topics"].get("events", ""),
        signals=told["topics"].get("signals", ""),
        limits=told["limits"],
    )


def _role(role: Mapping[str, Any]) -> Role:
    return Role(tuple(role["command"]), tuple(role["environment"]), role.get("ports", {}), role.get("probes", {}))
