"""What a type checker must refuse: a comment `# E:` lists the kinds of error of its line, and no other line has one."""

from collections.abc import Iterator
from datetime import datetime
from typing import final

from msgspec import Struct

from runtime.domain import Aggregation, Command, Count, Decider, Event, Measures, Projection, Sum


@final
class Fill(Command):
    jar: str


@final
class Filled(Event):
    jar: str
    at: datetime


@final
class Emptied(Event):
    jar: str


@final
class Broken(Event):
    jar: str


type JarEvent = Filled | Emptied


class Jar(Struct, frozen=True):
    level: int = 0


def foreign_case(jar: Jar, event: JarEvent) -> Jar:
    match event:  # E: exhaustive-match
        case Filled() | Emptied():
            return jar
        case Broken():  # E: unreachable
            return jar  # E: unreachable


def foreign_case_alone(jar: Jar, event: JarEvent) -> Jar:
    match event:
        case Broken():  # E: unreachable
            return Jar()  # E: unreachable
        case Filled() | Emptied():
            return jar


def missing_case(jar: Jar, event: JarEvent) -> Jar:  # E: return
    match event:  # E: exhaustive-match
        case Filled():
            return jar


def mutable(event: Filled) -> None:
    event.jar = "another"  # E: misc


def mutable_command(command: Fill) -> None:
    command.jar = "another"  # E: misc


def wrong_field(event: Filled) -> str:
    return event.lid  # E: attr-defined no-any-return


def no_subclass() -> None:
    class Refilled(Filled):  # E: misc
        pass


Filled("jar")  # E: call-arg
Filled("jar", "noon")  # E: arg-type


def decide(command: Fill, jar: Jar) -> Iterator[JarEvent]:
    yield Broken(command.jar)  # E: misc


def evolve_other(level: int, event: JarEvent) -> int:
    return level


def show_other(row: int | None, event: JarEvent) -> int | None:
    return row


class Sums(Measures):
    total: Sum[float]  # E: type-var
    count: Count


def measure(event: Filled) -> Sums:
    return Sums(1, "one")  # E: arg-type


def measure_nothing(event: Filled) -> int:
    return 1


jars = Decider("jar", Jar(), decide, evolve_other)  # E: arg-type
rows = Projection("rows", key="jar", row=Jar, evolve=show_other)  # E: arg-type
amounts = Aggregation("amounts", key="jar", measure=measure_nothing)  # E: arg-type
