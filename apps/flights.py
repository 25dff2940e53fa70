"""Flights out of New York: what was planned, what happened, who was late, counted from every side.

A flight is a stream of its own, named by its scheduled local date, carrier, number and origin (without the origin, 24 flights of 2013
would share a name with another). What has not left 15 minutes after its time is flagged by a durable timer, on a clock that a replay of
the past can drive.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import final

from msgspec import Struct
from msgspec.structs import replace

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
    Measures,
    Projection,
    Rejected,
    Saga,
    Sum,
    Window,
)
from runtime.domain.api import anyone, expose, role, send

GRACE = timedelta(minutes=15)  # leaving at exactly 15 minutes is on time
MINUTE = timedelta(minutes=1)
NEW_YORK = "America/New_York"


def flight_id(day: date, carrier: str, number: int, origin: str) -> str:
    """What tells one flight from every other: `2013-01-01-UA-1545-EWR`."""
    return f"{day.isoformat()}-{carrier}-{number}-{origin}"


class Plan(Struct, frozen=True):
    """What every event of a flight repeats, so that each can be counted alone: `date` is the scheduled local date, whenever it left."""

    flight: str
    date: date
    carrier: str
    number: int
    origin: str
    destination: str
    scheduled: datetime


# --- messages


@final
class ScheduleFlight(Plan, Command):
    """The airline plans a flight."""


@final
class DepartFlight(Command):
    """It left the gate."""

    flight: str
    at: datetime


@final
class ArriveFlight(Command):
    """It arrived, `delay` minutes after its time (negative: before)."""

    flight: str
    at: datetime
    delay: int


@final
class DivertFlight(Command):
    """It went somewhere else."""

    flight: str
    at: datetime


@final
class CancelFlight(Command):
    """It will not leave."""

    flight: str
    at: datetime


@final
class FlagLate(Command):
    """`due` has passed: was the flight gone by then?"""

    flight: str
    due: datetime


@final
class FlightScheduled(Plan, Event):
    """Planned."""


@final
class FlightDeparted(Plan, Event):
    """Gone, `delay` minutes after its time (negative: before)."""

    at: datetime
    delay: int


@final
class FlightArrived(Plan, Event):
    """There, `delay` minutes after its time (negative: before)."""

    at: datetime
    delay: int


@final
class FlightDiverted(Plan, Event):
    """Landed elsewhere."""

    at: datetime


@final
class FlightCancelled(Plan, Event):
    """Not flown."""

    at: datetime


@final
class FlightFlaggedLate(Plan, Event):
    """Not gone by `due`."""

    due: datetime


type FlightCommand = ScheduleFlight | DepartFlight | ArriveFlight | DivertFlight | CancelFlight | FlagLate
type Movement = FlightScheduled | FlightDeparted | FlightArrived | FlightDiverted | FlightCancelled
type FlightEvent = Movement | FlightFlaggedLate


# --- one flight


class Flight(Struct, frozen=True, gc=False):
    """A flight's life so far."""

    plan: FlightScheduled | None = None
    departed: datetime | None = None
    over: bool = False
    flagged: bool = False


def decide_flight(command: FlightCommand, flight: Flight) -> Iterator[FlightEvent]:
    """A flight is planned once, leaves once or never, and ends once."""
    plan = flight.plan
    if isinstance(command, ScheduleFlight):
        if plan is not None:
            raise Rejected(f"{command.flight} is already scheduled")
        yield FlightScheduled(*_told(command))
        return
    if plan is None:
        raise Rejected(f"{command.flight} was never scheduled")
    match command:
        case FlagLate():
            if _late(flight, command.due):
                yield FlightFlaggedLate(*_told(plan), command.due)
        case _ if flight.over:
            raise Rejected(f"{command.flight} has already ended")
        case DepartFlight() | CancelFlight() if flight.departed is not None:
            raise Rejected(f"{command.flight} has already departed")
        case DepartFlight():
            yield FlightDeparted(*_told(plan), command.at, (command.at - plan.scheduled) // MINUTE)
        case CancelFlight():
            yield FlightCancelled(*_told(plan), command.at)
        case ArriveFlight() | DivertFlight() if flight.departed is None:
            raise Rejected(f"{command.flight} has not departed")
        case ArriveFlight():
            yield FlightArrived(*_told(plan), command.at, command.delay)
        case DivertFlight():
            yield FlightDiverted(*_told(plan), command.at)


def _told(plan: Plan) -> tuple[str, date, str, int, str, str, datetime]:
    return (plan.flight, plan.date, plan.carrier, plan.number, plan.origin, plan.destination, plan.scheduled)


def _late(flight: Flight, due: datetime) -> bool:
    """Departure's own time decides, not the moment at which somebody asks; a cancelled flight is not late."""
    if flight.flagged:
        return False
    return flight.departed > due if flight.departed is not None else not flight.over


def evolve_flight(flight: Flight, event: FlightEvent) -> Flight:
    """What the next decision needs."""
    match event:
        case FlightScheduled():
            return Flight(event)
        case FlightDeparted():
            return replace(flight, departed=event.at)
        case FlightArrived() | FlightDiverted() | FlightCancelled():
            return replace(flight, over=True)
        case FlightFlaggedLate():
            return replace(flight, flagged=True)


# --- the board: one row a flight


class Board(Struct, frozen=True):
    """A line of the departure board; delays in minutes."""

    flight: str
    date: date
    carrier: str
    number: int
    origin: str
    destination: str
    scheduled: datetime
    status: str = "scheduled"
    departed: datetime | None = None
    arrived: datetime | None = None
    dep_delay: int | None = None
    arr_delay: int | None = None
    flagged: bool = False


def show_board(row: Board | None, event: FlightEvent) -> Board:
    """The line after an event; the first one brings everything that is planned."""
    line = row or Board(*_told(event))
    match event:
        case FlightScheduled():
            return line
        case FlightDeparted():
            return replace(line, status="departed", departed=event.at, dep_delay=event.delay)
        case FlightArrived():
            return replace(line, status="arrived", arrived=event.at, arr_delay=event.delay)
        case FlightDiverted():
            return replace(line, status="diverted")
        case FlightCancelled():
            return replace(line, status="cancelled")
        case FlightFlaggedLate():
            return replace(line, flagged=True)


# --- traffic, counted per carrier and month, origin, destination, hour and day


class Traffic(Measures):
    """Counts, sums of delay minutes, the worst departure delay, and how many left more than 15 minutes after their time."""

    scheduled: Count = 0
    departed: Count = 0
    cancelled: Count = 0
    diverted: Count = 0
    arrived: Count = 0
    dep_delay: Sum[int] = 0
    arr_delay: Sum[int] = 0
    late: Count = 0
    worst: Max[int] = None


SCHEDULED, CANCELLED, DIVERTED = Traffic(scheduled=1), Traffic(cancelled=1), Traffic(diverted=1)


def measure_flight(event: Movement) -> Traffic:
    """What one event adds to every table."""
    match event:
        case FlightScheduled():
            return SCHEDULED
        case FlightDeparted():
            return Traffic(departed=1, dep_delay=event.delay, late=int(event.delay * MINUTE > GRACE), worst=event.delay)
        case FlightArrived():
            return Traffic(arrived=1, arr_delay=event.delay)
        case FlightDiverted():
            return DIVERTED
        case FlightCancelled():
            return CANCELLED


# --- who is late


class Watch(Struct, frozen=True):
    """Nothing to remember: the timer knows the flight and when it is due."""


type Watched = FlightScheduled | FlightDeparted | FlightCancelled | FlightFlaggedLate


def watch_flight(watch: Watch, event: Watched) -> Watch:
    """Watched from its schedule on, until it ends one way or the other."""
    return watch


def react_to_flight(watch: Watch, event: Watched) -> Iterator[After | End]:
    """Ask at 15 minutes past its time, unless it was gone by then or will not leave at all."""
    due = event.scheduled + GRACE
    match event:
        case FlightScheduled():
            yield After(due, FlagLate(event.flight, due))
        case FlightDeparted():
            if event.at <= due:
                yield End()
        case FlightCancelled() | FlightFlaggedLate():
            yield End()


flights = Decider("flight", Flight(), decide_flight, evolve_flight)
board = Projection("board", key="flight", row=Board, evolve=show_board)
carriers = Aggregation("carrier", key=("carrier", Window("1 month", on="date", name="month")), measure=measure_flight)
origins = Aggregation("origin", key="origin", measure=measure_flight)
destinations = Aggregation("destination", key="destination", measure=measure_flight)
hours = Aggregation("hour", key=Window("1 hour", on="scheduled", zone=NEW_YORK, name="hour"), measure=measure_flight)
days = Aggregation("day", key=Window("1 day", on="date", name="day"), measure=measure_flight)
flagging = Saga("flagging", key="flight", state=Watch(), evolve=watch_flight, react=react_to_flight, many=False)

tables = (board, carriers, origins, destinations, hours, days)
operations = role("operations")

app = App(
    "flights",
    parts=(flights, *tables, flagging),
    api=(
        *(expose(table, allow=anyone) for table in tables),
        *(send(command, allow=operations) for command in (ScheduleFlight, DepartFlight, ArriveFlight, DivertFlight, CancelFlight)),
    ),
    looks="apps.flights_looks",
)
