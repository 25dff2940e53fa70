"""A tiny app to try the protocol on: counters that are bumped, their totals to read and follow, fields that are slow or fail."""

from collections.abc import Iterator
from typing import final

from msgspec import Struct

from runtime.domain import App, Command, Decider, Event, Projection
from runtime.domain.api import Identity, anyone, expose, send


@final
class Bump(Command):
    counter: str
    by: int


@final
class Bumped(Event):
    counter: str
    by: int


class Total(Struct, frozen=True):
    counter: str
    value: int


def decide(command: Bump, value: int) -> Iterator[Bumped]:
    yield Bumped(command.counter, command.by)


def evolve(value: int, event: Bumped) -> int:
    return value + event.by


def show(total: Total | None, event: Bumped) -> Total | None:
    return Total(event.counter, (total.value if total else 0) + event.by)


def not_banned(identity: Identity) -> bool:
    return identity.subject != "banned"


counters = Decider("counter", 0, decide, evolve)
totals = Projection("total", key="counter", row=Total, evolve=show)


def probe(fields: str) -> App:
    """The app with the fields of a module."""
    return App("probe", parts=(counters, totals), api=(expose(totals, allow=not_banned), send(Bump, allow=anyone)), fields=fields)


plain = probe("tests.live.protocol.fields")
streaming = probe("tests.live.protocol.streams")
