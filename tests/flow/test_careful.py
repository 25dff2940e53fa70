"""Careful mode parks just the event that kills, or that raises, and acquits everybody who stood beside it."""

import json
from collections.abc import Iterator
from typing import final

import pytest
from msgspec import Struct

from providers.memory.events import MemoryEventStore
from providers.memory.rows import MemoryReadStore
from providers.memory.signals import MemorySignals
from runtime.domain import Aggregation, App, Command, Count, Decider, Event, Measures, Projection
from runtime.flow.project import open_generation
from runtime.flow.sink import Sink
from runtime.flow.world import World
from runtime.ports import SHARDS, Recorded
from runtime.steps import run


@final
class Say(Command):
    page: str
    text: str


@final
class Said(Event):
    page: str
    text: str


class Killed(BaseException):
    """As if the process had died."""


class Line(Struct, frozen=True):
    page: str
    text: str


class Lines(Measures):
    lines: Count


def decide(command: Say, state: int) -> Iterator[Said]:
    yield Said(command.page, command.text)


def evolve(state: int, event: Said) -> int:
    return state


def show(row: Line | None, event: Said) -> Line:
    if event.text == "kill":
        raise Killed
    if event.text == "raise":
        raise ValueError("no")
    return Line(event.page, event.text)


def measure(event: Said) -> Lines:
    return Lines(1)


app = App(
    "careful",
    parts=(
        Decider("page", 0, decide, evolve),
        Projection("line", key="page", row=Line, evolve=show),
        Aggregation("count", "page", measure),
    ),
)


class Hurried(World):
    """Does not wait."""

    def sleep(self, seconds: float) -> None:
        """At once."""


def said(page: str, *texts: str) -> list[Recorded]:
    return [
        Recorded(f"page-{page}", version, "Said", json.dumps({"type": "Said", "page": page, "text": text}).encode())
        for version, text in enumerate(texts, 1)
    ]


@pytest.mark.parametrize("poison", ["kill", "raise"])
def test_after_deaths_only_the_poison_itself_is_parked_and_bounded_deaths_find_it(poison: str) -> None:
    store, rows, signals = MemoryEventStore(), MemoryReadStore(), MemorySignals()
    run(open_generation(app, "rows", store, rows))
    tx = rows.begin("rows", 1)
    tx.lock(range(SHARDS))
    tx.hold(range(SHARDS), "dead~4")
    tx.commit()
    arrivals = {f"page-{n}": said(str(n), "a", "b", "c") for n in range(12)} | {"page-p": said("p", "a", "b", poison, "d")}
    deaths = 0
    while True:
        sink = Sink(app, "rows", 1, store, rows, signals, epoch=1, world=Hurried())
        try:
            run(sink.apply(arrivals))
        except Killed:
            deaths += 1
            assert deaths <= 8
            continue
        break
    (letter,) = (letter for letter in rows.letters("rows", 1) if letter.parked)
    assert (letter.part, letter.stream, letter.version) == ("line", "page-p", 3)
    tx = rows.begin("rows", 1)
    assert [row.values for row in tx.rows("line", ["3", "p"]).values()] == [("3", "c"), ("p", "b")]
    assert [row.values[1] for row in tx.rows("count", ["3", "p"]).values() if row.values] == [3, 4]
    tx.rollback()
    assert deaths == (0 if poison == "raise" else 6)
