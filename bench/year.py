"""The year of flights as stored events, decided in memory: what the rebuild lines read, without 25 minutes of commands first.

Only the commands of the csv, so without late flags: 1,002,073 events of 336,776 flights.
"""

from collections.abc import Iterator
from datetime import date
from itertools import batched

from apps.flights import Flight, board, decide_flight, evolve_flight, flights
from hosts.timeline import told
from hosts.timetable import days
from runtime.domain import App
from runtime.ports import EventStore, Recorded

FIRST, LAST = date(2013, 1, 1), date(2013, 12, 31)
EVENTS = 1_002_073
FLIGHTS_AT_ONCE = 5_000

app = App("flights", parts=(flights, board))  # one projection


def events_of(first: date, last: date) -> Iterator[list[Recorded]]:
    """The events of each flight, stream by stream."""
    for _, flown_that_day in days(first, last):
        for flown in flown_that_day:
            flight = Flight()
            stream = f"flight-{flown.flight}"
            events: list[Recorded] = []
            for one in told(flown):
                for event in decide_flight(one.command, flight):  # type: ignore[arg-type]
                    flight = evolve_flight(flight, event)
                    recorded = Recorded(stream, len(events) + 1, type(event).__name__, app.encode(event), one.key, time=one.at.isoformat())
                    events.append(recorded)
            yield events


def fill(store: EventStore, first: date = FIRST, last: date = LAST) -> int:
    """Store the events of these days; returns how many."""
    stored = 0
    for some in batched(events_of(first, last), FLIGHTS_AT_ONCE, strict=False):
        events = [event for one in some for event in one]
        store.restore(events, [])
        stored += len(events)
    return stored
