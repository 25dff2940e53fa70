"""What an app shows to the world: nothing, unless it is named here with who may see or send it.

`allow` is a function of the caller's identity: True, False, or a filter over the rows that they may see. The gateway compiles
the filter into the query and into the subscription, so it is never a check after reading.
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from runtime.domain.filters import Compare, Filter
from runtime.domain.messages import Command
from runtime.domain.parts import Aggregation, Projection


class Identity(Struct, frozen=True):
    """Who asks: the subject ("" = nobody signed in) and the verified claims."""

    subject: str = ""
    claims: Mapping[str, Any] = {}


type Allow = Callable[[Identity], bool | Filter]


def anyone(_: Identity) -> bool:
    """Public."""
    return True


def signed_in(identity: Identity) -> bool:
    """Any verified subject."""
    return bool(identity.subject)


class Role(Struct, frozen=True):
    """Lets subjects in whose `roles` claim is a list with this role; a claim of another shape names none."""

    name: str

    def __call__(self, identity: Identity) -> bool:
        roles = identity.claims.get("roles", ())
        return isinstance(roles, list | tuple) and self.name in roles


def role(name: str) -> Allow:
    """Subjects whose `roles` claim lists this role."""
    return Role(name)


def owner(field: str = "owner") -> Allow:
    """Only the rows whose field is the caller's subject."""
    return lambda identity: Compare(field, "eq", identity.subject) if identity.subject else False


class Exposed(Struct, frozen=True):
    """A part whose rows may be read."""

    part: Projection[Any, Any] | Aggregation[Any]
    allow: Allow


class Sendable(Struct, frozen=True):
    """A command that may be sent."""

    command: type[Command]
    allow: Allow


def expose(part: Projection[Any, Any] | Aggregation[Any], *, allow: Allow) -> Exposed:
    """Let callers read this part's rows."""
    return Exposed(part, allow)


def send(command: type[Command], *, allow: Allow) -> Sendable:
    """Let callers send this command."""
    return Sendable(command, allow)
