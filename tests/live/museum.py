"""A domain for the tests of the gateway whose rows have every kind of column: a museum that lends what it has."""

import enum
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, final

from msgspec import Meta, Struct, field

from runtime.domain import Aggregation, App, Command, Count, Decider, Event, Max, Mean, Measures, Min, Projection, Rejected, Sum, Window
from runtime.domain.api import Allow, anyone, expose, owner, send, signed_in


class Era(enum.StrEnum):
    """When it was made."""

    STONE_AGE = "stone age"
    ROME = "rome"


class Size(Struct, frozen=True):
    """How big it is.

    width: in millimetres
    """

    width: int
    height: int = 1


class Part(Struct, frozen=True, rename="camel"):
    """A part of a thing, itself made of parts.

    * made_of: what is inside it
    """

    name: str
    made_of: tuple["Part", ...] = ()
    size: Size | None = None


class Described(Struct, frozen=True, kw_only=True):
    """What is known of a thing."""

    room: str
    number: int
    owner: str
    era: Era | None = None
    material: Literal["clay", "gold"] = "clay"
    worth: Decimal | None = None
    weight: float | None = None
    on_show: bool = True
    made: date | None = None
    seen: datetime | None = None
    visitors: Annotated[int, Meta(ge=0)] | None = None
    tags: tuple[str, ...] = ()
    size: Size | None = None
    parts: list[Part] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)


@final
class Show(Described, Command):
    """Put a thing on show.

    Anybody may look at it.

    * room: where it stands
    * worth: in euro,
        as insured
    """


@final
class Hide(Command):
    """Take it away."""

    room: str
    number: int


@final
class Shown(Described, Event):
    """It can be seen."""


@final
class Hidden(Event):
    """It cannot be seen."""

    room: str
    number: int


@final
class Visited(Event):
    """Somebody looked."""

    room: str
    at: datetime
    paid: Decimal
    stayed: int


@final
class Visit(Command):
    """Somebody looks."""

    room: str
    at: datetime
    paid: Decimal = Decimal(0)
    stayed: int = 1


class Thing(Described, frozen=True, kw_only=True):
    """A thing that can be seen.

    room: where it stands
    on_show: whether it can be seen
    """


class Visits(Measures):
    """Who came.

    visitors: how many
    """

    visitors: Count
    paid: Sum[Decimal]
    longest: Max[int]
    first: Min[datetime]
    stay: Mean


type ThingEvent = Shown | Hidden | Visited


def decide_room(command: Show | Hide | Visit, state: int) -> Iterator[ThingEvent]:
    """Everything may be shown, but not the number 13."""
    match command:
        case Show():
            if command.number == 13:
                raise Rejected("13 is never shown: take another number")
            yield Shown(**{name: getattr(command, name) for name in Described.__struct_fields__})
        case Hide():
            yield Hidden(command.room, command.number)
        case Visit():
            yield Visited(command.room, command.at, command.paid, command.stayed)


def evolve_room(state: int, event: ThingEvent) -> int:
    """Nothing to remember."""
    return state


def show_thing(thing: Thing | None, event: Shown | Hidden) -> Thing | None:
    """The row of a thing."""
    if isinstance(event, Hidden):
        return None
    return Thing(**{name: getattr(event, name) for name in Described.__struct_fields__})


def measure_visit(event: Visited) -> Visits:
    """What a visit adds."""
    return Visits(1, event.paid, event.stayed, event.at, Mean(event.stayed))


rooms = Decider("room", 0, decide_room, evolve_room)
things = Projection("thing", key=("room", "number"), row=Thing, evolve=show_thing, many=True)
visits = Aggregation("visits_of_day", key=("room", Window("1 day", on="at", zone="Europe/Vienna", name="day")), measure=measure_visit)


def museum(*, tenant: str | None = None, things_to: Allow = anyone, show_to: Allow = signed_in, fields: str | None = None) -> App:
    """The app, with other rights or tenants."""
    api = (
        expose(things, allow=things_to),
        expose(visits, allow=anyone),
        send(Show, allow=show_to),
        send(Hide, allow=owner("room")),
        send(Visit, allow=anyone),
    )
    return App("museum", parts=(rooms, things, visits), api=api, tenant=tenant, fields=fields)


app = museum()
