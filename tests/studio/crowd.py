"""A crowd for the studio's rows: a hundred fleets of a thousand boats, and somebody who moves a thousand boats a second."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import final

from msgspec import Struct

from runtime.domain import App, Command, Decider, Event, Projection
from runtime.domain.api import anyone, expose, send
from tests.studio.bed import Bed, until

APP = "tests.studio.crowd:app"
FLEETS, BOATS = 100, 1_000
AT_ONCE = 80  # boats a command moves
PER_S = 1_000
MOVING = 10  # fleets


@final
class Sail(Command):
    """Boats of a fleet move on."""

    fleet: str
    boats: list[int]
    knots: int


@final
class Sailed(Event):
    """One of them did."""

    fleet: str
    boat: str
    knots: int


class Boat(Struct, frozen=True):
    """How fast it is now, and how often it was seen."""

    boat: str
    fleet: str
    knots: int
    fastest: int
    sightings: int = 1


def decide(command: Sail, _: int) -> Iterator[Sailed]:
    for number in command.boats:
        yield Sailed(command.fleet, f"{command.fleet}-{number:03}", (command.knots + number) % 40)


def evolve(state: int, _: Sailed) -> int:
    return state + 1


def show(row: Boat | None, event: Sailed) -> Boat:
    if row is None:
        return Boat(event.boat, event.fleet, event.knots, event.knots)
    return Boat(row.boat, row.fleet, event.knots, max(row.fastest, event.knots), row.sightings + 1)


fleets = Decider("fleet", 0, decide, evolve)
boats = Projection("boat", key="boat", row=Boat, evolve=show, many=True)
app = App("crowd", parts=(fleets, boats), api=(expose(boats, allow=anyone), send(Sail, allow=anyone)))


def fill(bed: Bed, fleets: int = FLEETS, boats: int = BOATS) -> None:
    """Every boat is there."""
    for fleet in range(fleets):
        for first in range(0, boats, AT_ONCE):
            bed.send("Sail", fleet=_name(fleet), boats=list(range(first, min(boats, first + AT_ONCE))), knots=fleet)
    until(lambda: _lag(bed) == 0, "all boats are rows", 300.0)


class Mover:
    """Moves boats of the first fleets, as many a second as it is asked to and the machine can; `moved` counts them."""

    def __init__(self, bed: Bed, per_s: int = PER_S, fleets: int = MOVING, boats: int = BOATS) -> None:
        self._bed, self._per_s, self._fleets, self._boats = bed, per_s, fleets, boats
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.moved, self.seconds = 0, 0.0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Until the last one is on its way, and everything that was sent is a row."""
        self._over.set()
        self._thread.join(60)
        until(lambda: _lag(self._bed) == 0, "the last boats are rows", 120.0)

    def _run(self) -> None:
        dice, begun, turn = random.Random(5), monotonic(), 0
        while not self._over.wait(max(0.0, begun + turn * AT_ONCE / self._per_s - monotonic())):
            if begun + turn * AT_ONCE / self._per_s < monotonic() - 1:
                begun, turn = monotonic(), 0  # too slow a machine: no burst afterwards
            chosen = dice.sample(range(self._boats), AT_ONCE)
            start = monotonic()
            self._bed.send("Sail", fleet=_name(dice.randrange(self._fleets)), boats=chosen, knots=dice.randrange(40))
            self.moved, turn = self.moved + AT_ONCE, turn + 1
            self.seconds += max(AT_ONCE / self._per_s, monotonic() - start)


@contextmanager
def moving(bed: Bed, **how: int) -> Iterator[Mover]:
    """A mover that is stopped at the latest at the end."""
    mover = Mover(bed, **how)
    try:
        yield mover
    finally:
        if mover._thread.is_alive():
            mover.stop()


def _name(fleet: int) -> str:
    return f"f{fleet:03}"


def _lag(bed: Bed) -> int | None:
    told = bed.get("/admin/flow")
    waiting = [told["relay"]["backlog"], *(group["lag_total"] for group in told["groups"])]
    return None if None in waiting else sum(waiting)
