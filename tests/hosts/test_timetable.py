"""The csv and the timeline made of it: every number that the year must come to."""

from collections import Counter
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest

from hosts.expected import FLAG, owed_by
from hosts.timeline import begin, due, last_due, timeline, told
from hosts.timetable import FIRST_DAY, LAST_DAY, days
from runtime.errors import Misconfigured

NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.long
def test_the_year_has_the_known_counts() -> None:
    owed: Counter[str] = Counter()
    names: set[str] = set()
    next_day = 0
    expected_day = FIRST_DAY
    for day, flights in days():
        assert day == expected_day
        expected_day += timedelta(days=1)
        begins, earliest, latest = begin(day), last_due(day - timedelta(days=1)), last_due(day)
        for flown in flights:
            owed.update(owed_by(flown))
            names.add(flown.flight)
            assert flown.scheduled.astimezone(NEW_YORK).date() == day
            assert earliest < due(flown) < latest, "between ranges that meet there is a moment for the clock to stand"
            assert told(flown)[0].at >= begins
            if flown.dep_delay is not None:
                left = flown.scheduled + timedelta(minutes=flown.dep_delay)
                next_day += left.astimezone(NEW_YORK).date() > day
    assert expected_day == LAST_DAY + timedelta(days=1)
    flags = owed.pop(FLAG)
    assert owed == {
        "FlightScheduled": 336_776,
        "FlightCancelled": 8_255,
        "FlightDeparted": 328_521,
        "FlightDiverted": 1_175,
        "FlightArrived": 327_346,
    }
    assert owed.total() == 1_002_073
    assert flags == 70_774
    assert next_day == 1_236
    assert len(names) == 336_776
    assert len(names) - len({name.rpartition("-")[0] for name in names}) == 24


def test_the_timeline_is_in_time_order_and_holds_every_command_once() -> None:
    last = None
    seen: Counter[tuple[str, str]] = Counter()
    for one in timeline(days(date(2013, 2, 27), date(2013, 3, 2))):
        assert last is None or last <= one.at
        last = one.at
        seen[one.flight, one.key] += 1
    flights = [flown for _, flights in days(date(2013, 2, 27), date(2013, 3, 2)) for flown in flights]
    assert set(seen.values()) == {1}
    assert len(seen) == sum(len(told(flown)) for flown in flights)


def test_what_is_done_is_left_out() -> None:
    day = (date(2013, 1, 5), date(2013, 1, 5))
    everything = list(timeline(days(*day)))
    rest = list(timeline(days(*day), lambda flown: 1))
    assert [one for one in everything if one.nth >= 1] == rest


@pytest.mark.parametrize(
    ("first", "last"), [(date(2013, 1, 2), date(2013, 1, 1)), (date(2012, 12, 31), date(2013, 1, 1)), (date(2013, 1, 1), date(2014, 1, 1))]
)
def test_a_range_that_is_not_in_2013_or_goes_backwards_is_refused(first: date, last: date) -> None:
    with pytest.raises(Misconfigured, match=r"2013|after"):
        next(days(first, last))
