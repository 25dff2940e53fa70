"""What a type checker accepts: every kind of part, written as the documentation says."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import assert_type, final

from msgspec import Struct

from runtime.domain import (
    After,
    Aggregation,
    App,
    Command,
    Count,
    Decider,
    End,
    Event,
    Max,
    Mean,
    Measures,
    Min,
    Projection,
    Saga,
    Sum,
    Window,
    anyone,
    expose,
    send,
)


@final
class Fill(Command):
    jar: str
    amount: int


@final
class Filled(Event):
    jar: str
    amount: int
    at: datetime


@final
class Emptied(Event):
    jar: str


type JarEvent = Filled | Emptied


class Jar(Struct, frozen=True):
    level: int = 0


def decide(command: Fill, jar: Jar) -> Iterator[JarEvent]:
    yield Emptied(command.jar)


def evolve(jar: Jar, event: JarEvent) -> Jar:
    match event:
        case Filled():
            return Jar(jar.level + event.amount)
        case Emptied():
            return Jar()


class Row(Struct, frozen=True):
    jar: str
    level: int


def show(row: Row | None, event: JarEvent) -> Row | None:
    match event:
        case Filled(jar=jar, amount=amount):
            return Row(jar, (row.level if row else 0) + amount)
        case Emptied():
            return None


class Amounts(Measures):
    fillings: Count
    amount: Sum[int]
    exact: Sum[Decimal]
    least: Min[int]
    last: Max[datetime]
    mean: Mean


def measure(event: Filled) -> Amounts:
    return Amounts(1, event.amount, Decimal(event.amount), event.amount, event.at, Mean(event.amount))


assert_type(measure(Filled("a", 1, datetime.min)).exact, Decimal)
assert_type(measure(Filled("a", 1, datetime.min)).least, int | None)


def react(jar: Jar, event: JarEvent) -> Iterator[Fill | After | End]:
    match event:
        case Filled():
            yield End()
        case Emptied():
            yield Fill(event.jar, 1)
            yield After(timedelta(minutes=1), Fill(event.jar, 2))


jars = Decider("jar", Jar(), decide, evolve)
rows = Projection("rows", key="jar", row=Row, evolve=show)
amounts = Aggregation("amounts", key=("jar", Window("1 hour", on="at")), measure=measure)
refilling = Saga("refilling", key="jar", state=Jar(), evolve=evolve, react=react)
app = App("jars", parts=(jars, rows, amounts, refilling), api=(expose(rows, allow=anyone), send(Fill, allow=anyone)))
