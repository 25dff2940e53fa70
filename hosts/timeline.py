"""The flights as commands in time order: who told what when, merged lazily, a day or two in memory.

When a command is told:

    schedule   6 hours before the scheduled departure      cancel   at the scheduled departure
    depart     when it left                                arrive   when it left plus its air time
                                                           divert   3 hours after it left (the csv does not say when)

Keys are fixed per flight and kind, so telling it all again changes nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from heapq import heappop, heappush
from typing import Any

from msgspec import Struct

from apps.flights import GRACE, ArriveFlight, CancelFlight, DepartFlight, DivertFlight, ScheduleFlight
from hosts.timetable import Flown
from runtime.domain import Command

LEAD = timedelta(hours=6)
DIVERTED_AFTER = timedelta(hours=3)
MIDNIGHT = timedelta(hours=4)  # UTC, of New York in summer; in winter 5:00


class Told(Struct, frozen=True, gc=False):
    """A command, its instant, its idempotency key, and the how-manieth of its flight it is (from 0)."""

    at: datetime
    command: Command
    flight: str
    key: str
    nth: int


def told(flown: Flown) -> list[Told]:
    """All commands of one flight, in order."""
    flight, scheduled = flown.flight, flown.scheduled
    plan = ScheduleFlight(flight, flown.day, flown.carrier, flown.number, flown.origin, flown.destination, scheduled)
    first = Told(scheduled - LEAD, plan, flight, "feed:schedule", 0)
    if flown.dep_delay is None:
        return [first, Told(scheduled, CancelFlight(flight, scheduled), flight, "feed:cancel", 1)]
    left = scheduled + timedelta(minutes=flown.dep_delay)
    second = Told(left, DepartFlight(flight, left), flight, "feed:depart", 1)
    if flown.arr_delay is None:
        away = left + DIVERTED_AFTER
        return [first, second, Told(away, DivertFlight(flight, away), flight, "feed:divert", 2)]
    there = left + timedelta(minutes=flown.air_time or 0)
    return [first, second, Told(there, ArriveFlight(flight, there, flown.arr_delay), flight, "feed:arrive", 2)]


def begin(day: date) -> datetime:
    """Nothing of this day's flights is told earlier."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + MIDNIGHT - LEAD


def due(flown: Flown) -> datetime:
    """When somebody asks whether it is late."""
    return flown.scheduled + GRACE


def last_due(day: date) -> datetime:
    """No flight up to this day is due later; no flight of a later day is due before."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1) + MIDNIGHT + timedelta(hours=1) + GRACE


def timeline(days: Iterable[tuple[date, list[Flown]]], done: Callable[[Flown], int] = lambda _: 0) -> Iterator[Told]:
    """The commands of all flights in time order, without the first `done` of each; of one instant, the earlier stage first."""
    heap: list[tuple[datetime, int, str, Any]] = []
    for day, flights in days:
        begins = begin(day)
        while heap and heap[0][0] < begins:
            yield heappop(heap)[3]
        for flown in flights:
            for one in told(flown)[done(flown) :]:
                heappush(heap, (one.at, one.nth, one.flight, one))
    while heap:
        yield heappop(heap)[3]
