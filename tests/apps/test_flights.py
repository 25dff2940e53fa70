"""A flight in given, when, then: it leaves once or never, and is late only when it left more than 15 minutes after its time."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from apps.flights import (
    GRACE,
    ArriveFlight,
    CancelFlight,
    DepartFlight,
    DivertFlight,
    FlagLate,
    FlightArrived,
    FlightCancelled,
    FlightDeparted,
    FlightDiverted,
    FlightFlaggedLate,
    FlightScheduled,
    ScheduleFlight,
    board,
    carriers,
    flagging,
    flight_id,
    flights,
    hours,
)
from runtime.domain import After, End, Event
from runtime.domain.check import check

DAY = date(2013, 1, 31)
AT = datetime(2013, 2, 1, 4, 50, tzinfo=UTC)  # 23:50 in New York, still January
FLIGHT = flight_id(DAY, "B6", 707, "JFK")
PLAN: dict[str, Any] = {"flight": FLIGHT, "date": DAY, "carrier": "B6", "number": 707, "origin": "JFK", "destination": "SJU"}
PLAN["scheduled"] = AT

scheduled = FlightScheduled(**PLAN)
cancelled = FlightCancelled(**PLAN, at=AT)
flagged = FlightFlaggedLate(**PLAN, due=AT + GRACE)


def left(minutes: int) -> FlightDeparted:
    return FlightDeparted(**PLAN, at=AT + timedelta(minutes=minutes), delay=minutes)


def test_a_flight_is_named_by_date_carrier_number_and_origin() -> None:
    assert FLIGHT == "2013-01-31-B6-707-JFK"


def test_a_flight_is_scheduled_once_and_leaves_once() -> None:
    check(flights, when=ScheduleFlight(**PLAN), then=[scheduled])
    check(flights, given=[scheduled], when=ScheduleFlight(**PLAN), rejected="already scheduled")
    check(flights, given=[scheduled], when=DepartFlight(FLIGHT, AT - timedelta(minutes=3)), then=[left(-3)])
    check(flights, given=[scheduled, left(0)], when=DepartFlight(FLIGHT, AT), rejected="already departed")
    check(flights, given=[scheduled, left(0)], when=CancelFlight(FLIGHT, AT), rejected="already departed")
    check(flights, when=DepartFlight(FLIGHT, AT), rejected="never scheduled")


def test_a_flight_ends_once() -> None:
    there = FlightArrived(**PLAN, at=AT, delay=7)
    check(flights, given=[scheduled, left(0)], when=ArriveFlight(FLIGHT, AT, 7), then=[there])
    check(flights, given=[scheduled, left(0)], when=DivertFlight(FLIGHT, AT), then=[FlightDiverted(**PLAN, at=AT)])
    check(flights, given=[scheduled], when=ArriveFlight(FLIGHT, AT, 7), rejected="has not departed")
    check(flights, given=[scheduled, left(0), there], when=DivertFlight(FLIGHT, AT), rejected="already ended")
    check(flights, given=[scheduled, cancelled], when=DepartFlight(FLIGHT, AT), rejected="already ended")


@pytest.mark.parametrize(("minutes", "late"), [(-5, False), (14, False), (15, False), (16, True), (900, True)])
def test_leaving_at_exactly_15_minutes_is_on_time_whenever_somebody_asks(minutes: int, late: bool) -> None:
    ask = FlagLate(FLIGHT, AT + GRACE)
    check(flights, given=[scheduled, left(minutes)], when=ask, then=[flagged] if late else [])
    check(flights, given=[scheduled, left(minutes), FlightArrived(**PLAN, at=AT, delay=0)], when=ask, then=[flagged] if late else [])


def test_a_flight_not_gone_by_then_is_late_and_a_cancelled_one_is_not() -> None:
    ask = FlagLate(FLIGHT, AT + GRACE)
    check(flights, given=[scheduled], when=ask, then=[flagged])
    check(flights, given=[scheduled, flagged], when=ask, then=[])
    check(flights, given=[scheduled, cancelled], when=ask, then=[])


def test_the_timer_goes_when_the_flight_left_on_time_or_will_not_leave() -> None:
    check(flagging, when=scheduled, then=[After(AT + GRACE, FlagLate(FLIGHT, AT + GRACE))])
    check(flagging, given=[scheduled], when=left(15), then=[End()])
    check(flagging, given=[scheduled], when=left(16), then=[])
    check(flagging, given=[scheduled], when=cancelled, then=[End()])
    check(flagging, given=[scheduled, left(16)], when=flagged, then=[End()])


def test_a_flight_counts_in_the_month_of_its_scheduled_local_date_and_in_its_hour() -> None:
    counts = {"scheduled": 1, "departed": 1, "cancelled": 0, "diverted": 0, "arrived": 0}
    counts |= {"dep_delay": 20, "arr_delay": 0, "late": 1, "worst": 20}
    events: list[Event] = [scheduled, left(20)]
    check(carriers, given=events, then={"carrier": "B6", "month": date(2013, 1, 1)} | counts)
    check(hours, given=events, then={"hour": datetime(2013, 2, 1, 4, tzinfo=UTC)} | counts)


def test_the_board_shows_how_a_flight_stands() -> None:
    check(board, given=[scheduled, left(20), flagged], then=_line(status="departed", dep_delay=20, flagged=True))
    check(board, given=[scheduled, cancelled], then=_line(status="cancelled", dep_delay=None, flagged=False))


def _line(*, status: str, dep_delay: int | None, flagged: bool) -> Any:
    from apps.flights import Board

    departed = None if dep_delay is None else AT + timedelta(minutes=dep_delay)
    return Board(**PLAN, status=status, departed=departed, dep_delay=dep_delay, flagged=flagged)
