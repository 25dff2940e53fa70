"""What a hull offers: a dozen capabilities, each with what its users need to be told (`env`) and how they come by it (`grant`).

Rights follow from use. A role has no credentials, no route through the network and no line in the bus's access control list but through a
grant that `stacks.system` took; what a hull makes of a grant (a mounted secret, a policy, an IAM statement) is the hull's affair.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import pulumi

from stacks.description import Group
from stacks.rights import Right, Use, listed


@dataclass(frozen=True)
class FromSecret:
    """A variable whose value stays in a secret; `version` changes with it, so that whoever reads it is started anew."""

    name: str
    key: str  # "": all of them
    version: pulumi.Input[str]


type Value = pulumi.Input[str] | FromSecret


@dataclass(frozen=True)
class Reach:
    """Where a role may open connections to: ports in a network."""

    cidr: str
    ports: tuple[int, ...]


@dataclass(frozen=True)
class Grant:
    """One use of one capability by one role."""

    env: Mapping[str, Value] = field(default_factory=dict)
    reach: tuple[Reach, ...] = ()
    rights: tuple[Right, ...] = ()
    files: FromSecret | None = None  # a secret whose keys are read as files
    identity: str = ""  # a role of the cloud to take on


@dataclass(frozen=True)
class Image:
    """The one image of every role: `ref` pins it."""

    ref: pulumi.Output[str]


@dataclass(frozen=True)
class EventStore:
    """Where truth is."""

    env: Mapping[str, Value]
    reach: tuple[Reach, ...]

    def grant(self) -> Grant:
        """Read and append."""
        return Grant(self.env, self.reach)


@dataclass(frozen=True)
class ReadDatabase:
    """Where rows, watermarks, sagas and timers are; whoever only counts what is due may have a login of its own, or shares the other."""

    env: Mapping[str, Value]
    reach: tuple[Reach, ...]
    counter: str = ""
    counting: Mapping[str, Value] = field(default_factory=dict)

    def grant(self) -> Grant:
        """Read and write."""
        return Grant(self.env, self.reach)

    def prepare(self) -> Grant:
        """Make the tables, and let the login that counts do that."""
        return Grant({**self.env, **({"TRIMARAN_SCALER": self.counter} if self.counter else {})}, self.reach)

    def count(self) -> Grant:
        """How many commands and timers of a saga are due."""
        return Grant(self.counting or self.env, self.reach)


@dataclass(frozen=True)
class Credentials:
    """How one user of the bus logs in."""

    env: Mapping[str, Value]
    rights: Callable[[Use], tuple[Right, ...]]


@dataclass(frozen=True)
class Bus:
    """Where events and signals travel; each role logs in as itself."""

    env: Mapping[str, Value]
    reach: tuple[Reach, ...]
    files: FromSecret | None
    identity: str
    login: Callable[[str], Credentials]

    def grant(self, role: str, use: Use) -> Grant:
        """What a role needs for a use, and nothing more."""
        login = self.login(role)
        return Grant({**login.env, **self.env, "TRIMARAN_TOPICS": "given"}, self.reach, login.rights(use), self.files, self.identity)

    def prepare(self, retention_h: int, allowed: Sequence[Grant]) -> Grant:
        """Make the topics, the first offsets, and let whoever has a grant do what it says."""
        rights = [right for grant in allowed for right in grant.rights]
        say = {"TRIMARAN_RIGHTS": listed(rights)} if rights else {}
        env = {**self.login("admin").env, **self.env, "TRIMARAN_RETENTION_HOURS": str(retention_h), **say}
        return Grant(env, self.reach, (), self.files, self.identity)


@dataclass(frozen=True)
class Identity:
    """Who signs callers' tokens."""

    env: Mapping[str, Value]
    reach: tuple[Reach, ...]

    def grant(self) -> Grant:
        """Check tokens."""
        return Grant(self.env, self.reach)


@dataclass(frozen=True)
class Autoscaler:
    """Takes projectors from none to many and back; it watches a consumer group that live generations commit to."""

    env: Mapping[str, Value]
    ready: Sequence[pulumi.Resource]

    def grant(self) -> Grant:
        """Be watched."""
        return Grant(self.env)


@dataclass(frozen=True)
class Gateway:
    """Where clients call."""

    running: pulumi.Resource
    command_url: pulumi.Input[str]
    graphql_url: pulumi.Input[str]
    health: pulumi.Input[str]
    protocol: Literal["graphql-transport-ws"] = "graphql-transport-ws"


@dataclass(frozen=True)
class Task:
    """Something that is done once: a role of the image with what is said behind its command."""

    name: str
    role: str
    arguments: tuple[str, ...] = ()
    group: Group | None = None


class Cloud(Protocol):
    """A hull. What depends on something is told `after` what: a job that must have ended, a role that must run."""

    def event_store(self) -> EventStore: ...
    def read_database(self) -> ReadDatabase: ...
    def bus(self) -> Bus: ...
    def identity(self) -> Identity: ...
    def autoscaler(self, watch: Grant, due: Grant) -> Autoscaler: ...
    def job(self, task: Task, grants: Sequence[Grant], after: Sequence[pulumi.Resource]) -> pulumi.Resource: ...
    def relay(self, grants: Sequence[Grant], after: Sequence[pulumi.Resource]) -> pulumi.Resource: ...
    def projector(self, group: Group, grants: Sequence[Grant], scaler: Autoscaler, after: Sequence[pulumi.Resource]) -> pulumi.Resource: ...
    def gateway(self, grants: Sequence[Grant], scaler: Autoscaler, after: Sequence[pulumi.Resource]) -> Gateway: ...
