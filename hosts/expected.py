"""What the flights of the csv must come to: the events each owes and the tables they add up to, worked out apart from any fold.

Plain loops over lines of the csv. Nothing of the domain's measures, windows or projections is used here, so that an agreement
between the two means something.
"""

from collections import Counter
from datetime import date, datetime
from typing import Any

from hosts.timetable import Flown

FLAG = "FlightFlaggedLate"
COUNTED = ("FlightScheduled", "FlightDeparted", "FlightCancelled", "FlightDiverted", "FlightArrived")
COLUMNS = ("scheduled", "departed", "cancelled", "diverted", "arrived", "dep_delay", "arr_delay", "late", "worst")
COUNTS = 5  # of them count one kind of event each
STATUS = {"FlightScheduled": "scheduled", "FlightDeparted": "departed", "FlightArrived": "arrived"}
STATUS |= {"FlightDiverted": "diverted", "FlightCancelled": "cancelled"}

type Key = tuple[str | date | datetime, ...]
type Table = dict[Key, list[Any]]


def owed_by(flown: Flown) -> Counter[str]:
    """The events that a flight owes in the end, flags included."""
    if flown.dep_delay is None:
        return Counter(("FlightScheduled", "FlightCancelled"))
    owed = Counter(("FlightScheduled", "FlightDeparted", "FlightDiverted" if flown.arr_delay is None else "FlightArrived"))
    if flown.dep_delay > 15:
        owed[FLAG] = 1
    return owed


def keys_of(flown: Flown) -> dict[str, Key]:
    """The row of each table that a flight counts in."""
    return {
        "carrier": (flown.carrier, flown.day.replace(day=1)),
        "origin": (flown.origin,),
        "destination": (flown.destination,),
        "hour": (flown.scheduled.replace(minute=0),),  # New York is whole hours away from UTC
        "day": (flown.day,),
    }


class Expected:
    """Tables as they should be, filled flight by flight."""

    def __init__(self) -> None:
        self.tables: dict[str, Table] = {name: {} for name in ("carrier", "origin", "destination", "hour", "day")}

    def add(self, flown: Flown, events: Counter[str]) -> None:
        """Count these events of a flight, once each, in every table."""
        departed = flown.dep_delay if events["FlightDeparted"] else None
        arrived = flown.arr_delay if events["FlightArrived"] else None
        adds = [min(1, events[kind]) for kind in COUNTED]
        adds += [departed or 0, arrived or 0, int(departed is not None and departed > 15)]
        for name, key in keys_of(flown).items():
            row = self.tables[name].get(key)
            if row is None:
                self.tables[name][key] = [*adds, departed]
                continue
            for position, add in enumerate(adds):
                row[position] += add
            if departed is not None and (row[-1] is None or row[-1] < departed):
                row[-1] = departed


def line_of(flown: Flown, events: Counter[str]) -> dict[str, Any]:
    """The line of the board that these events of a flight give, instants left out."""
    last = [kind for kind in STATUS if events[kind]][-1]
    return {
        "flight": flown.flight,
        "status": STATUS[last],
        "dep_delay": flown.dep_delay if events["FlightDeparted"] else None,
        "arr_delay": flown.arr_delay if events["FlightArrived"] else None,
        "flagged": bool(events[FLAG]),
    }
