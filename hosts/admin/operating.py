"""POST /operate/…: what the holder of a token with the role `operator` may do. The same as `trimaran dlq` and `trimaran rebuild` do."""

import logging
from collections.abc import Callable

import msgspec
from msgspec import Struct

from hosts.admin import Admin
from hosts.admin.letters import operations
from hosts.admin.rebuilds import Rebuilds
from runtime.domain.api import Identity
from runtime.errors import Malformed, Rejected
from runtime.flow.parked import Operations, Parked, unknown
from runtime.steps import run

LOG = logging.getLogger("trimaran.admin")


class OfPart(Struct, forbid_unknown_fields=True):
    """A letter."""

    part: str
    stream: str


class OfSaga(Struct, forbid_unknown_fields=True):
    """Stuck commands."""

    saga: str
    stream: str


class OfGroup(Struct, forbid_unknown_fields=True):
    """A step of a rebuild."""

    group: str
    step: str


def redrive(admin: Admin, body: bytes, identity: Identity) -> object:
    """Fold what waits of a letter. `Rejected` with the error where the part still cannot."""
    work, parked = _parked(admin, body, identity, "redrives what waits")
    return {"folded": sum(run(work.redrive(one)) for one in parked)}


def drop(admin: Admin, body: bytes, identity: Identity) -> object:
    """Give up the event at which a letter stands, and fold what came after it."""
    work, parked = _parked(admin, body, identity, "drops an event")
    return {"folded": sum(run(work.drop(one)) for one in parked)}


def unstick(admin: Admin, body: bytes, identity: Identity) -> object:
    """Try the stuck commands of a saga again, from zero."""
    asked = _decoded(body, OfSaga)
    _note(identity, f"unsticks {asked.saga} on {asked.stream}")
    work = operations(admin)
    stuck = run(work.stuck_at(asked.saga, asked.stream))
    if not stuck:
        raise Rejected(f"saga {asked.saga!r} is not stuck at {asked.stream!r}")
    for output in stuck:
        run(work.unstick(output))
    return {"commands": len(stuck)}


def rebuild(admin: Admin, body: bytes, identity: Identity) -> object:
    """One step of a rebuild; the group as it stands then."""
    asked = _decoded(body, OfGroup)
    work = admin.one(Rebuilds)
    steps: dict[str, Callable[[str], None]] = {"start": work.start, "swap": work.swap, "abort": work.abort, "finish": work.finish}
    if asked.step not in steps:
        raise Malformed(f"step {asked.step!r}: say {', '.join(steps)}")
    _note(identity, f"rebuilds {asked.group}: {asked.step}")
    steps[asked.step](asked.group)
    return work.told(asked.group)


def _parked(admin: Admin, body: bytes, identity: Identity, what: str) -> tuple[Operations, list[Parked]]:
    """The letters that are meant, of each generation that has one, once it is noted who does what to them."""
    asked = _decoded(body, OfPart)
    _note(identity, f"{what} of {asked.part} on {asked.stream}")
    work = operations(admin)
    parked = run(work.parked_at(asked.part, asked.stream))
    if not parked:
        raise unknown(asked.part, asked.stream)
    return work, parked


def _decoded[T](body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"the body does not fit: {error}") from error


def _note(identity: Identity, what: str) -> None:
    LOG.info("%s %s", identity.subject, what)
