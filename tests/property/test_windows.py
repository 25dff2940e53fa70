"""Windows: every instant lies in exactly one, which begins at or before it, also where a zone sets its clock."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runtime.domain import Window
from runtime.errors import Malformed

# whole-hour, half-hour and quarter-hour offsets; a half-hour change, a two-hour change, changes at midnight, a skipped day
ZONES = [
    "UTC",
    "America/New_York",
    "Europe/Vienna",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Antarctica/Troll",
    "America/St_Johns",
    "America/Toronto",
    "America/Sao_Paulo",
    "America/Havana",
    "Pacific/Apia",
    "Africa/Monrovia",
    "Pacific/Chatham",
]
SIZES = [
    "1 second",
    "5 seconds",
    "1 minute",
    "15 minutes",
    "45 minutes",
    "1 hour",
    "90 minutes",
    "160 minutes",
    "2 hours",
    "8 hours",
    "24 hours",
]
CALENDAR = ["1 day", "1 week", "1 month", "1 year"]
LENGTHS = {"day": timedelta(days=1), "week": timedelta(weeks=1), "month": timedelta(days=31), "year": timedelta(days=366)}

sizes = st.sampled_from(SIZES + CALENDAR)
zones = st.sampled_from(ZONES)
instants = st.datetimes(datetime(1905, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))


def most(window: Window) -> timedelta:
    """The longest that a window of this size can be: its size, and a day more where a zone sets its clock back."""
    count, unit = window.parsed
    size = count * LENGTHS[unit] if unit in LENGTHS else timedelta(**{f"{unit}s": count})
    return size if size <= timedelta(hours=1) else size + timedelta(days=1)


@given(sizes, zones, instants)
@example("160 minutes", "America/New_York", datetime(2026, 3, 8, 7, 10, tzinfo=UTC))  # a boundary inside the skipped hour
@example("1 hour", "Australia/Lord_Howe", datetime(2026, 4, 4, 15, 15, tzinfo=UTC))  # half an hour comes twice
@example("1 hour", "Australia/Lord_Howe", datetime(2026, 10, 3, 15, 45, tzinfo=UTC))  # half an hour is missing
@example("1 day", "America/Toronto", datetime(1919, 3, 31, 4, 40, tzinfo=UTC))  # 23:30 became 00:30
@example("1 day", "America/St_Johns", datetime(2010, 11, 7, 2, 31, tzinfo=UTC))  # 00:01 became 23:01 of the day before
def test_an_instant_lies_in_a_window_that_began_at_or_before_it(size: str, zone: str, at: datetime) -> None:
    window = Window(size, on="at", zone=zone)
    start = window.start(at)
    assert start <= at
    assert at - start < most(window)
    assert start.tzinfo is UTC


@given(sizes, zones, instants)
@example("160 minutes", "America/New_York", datetime(2026, 3, 8, 7, 10, tzinfo=UTC))
@example("1 hour", "Australia/Lord_Howe", datetime(2026, 4, 4, 15, 15, tzinfo=UTC))
@example("1 hour", "Australia/Lord_Howe", datetime(2026, 10, 3, 15, 45, tzinfo=UTC))
@example("1 day", "America/Sao_Paulo", datetime(2018, 11, 4, 12, tzinfo=UTC))
def test_a_window_begins_in_itself_so_that_windows_do_not_overlap(size: str, zone: str, at: datetime) -> None:
    window = Window(size, on="at", zone=zone)
    assert window.start(window.start(at)) == window.start(at)


@given(st.sampled_from(SIZES), zones, instants, st.timedeltas(timedelta(0), timedelta(hours=1)))
def test_windows_up_to_an_hour_follow_each_other_as_their_instants_do(size: str, zone: str, at: datetime, later: timedelta) -> None:
    window = Window(size, on="at", zone=zone)
    if most(window) <= timedelta(hours=1):
        assert window.start(at) <= window.start(at + later)


@given(sizes, zones, instants, st.integers(-14, 14))
def test_the_offset_in_which_an_instant_is_written_does_not_matter(size: str, zone: str, at: datetime, hours: int) -> None:
    from datetime import timezone

    window = Window(size, on="at", zone=zone)
    assert window.start(at.astimezone(timezone(timedelta(hours=hours)))) == window.start(at)


@given(st.sampled_from(CALENDAR), zones, instants)
def test_a_calendar_window_holds_what_the_zones_calendar_says(size: str, zone: str, at: datetime) -> None:
    window = Window(size, on="at", zone=zone)
    assert window.start(at).astimezone(ZoneInfo(zone)).date() == window.start(at.astimezone(ZoneInfo(zone)).date())


@given(st.sampled_from(CALENDAR), st.dates())
def test_a_date_lies_in_a_window_that_is_a_date(size: str, day: date) -> None:
    start = Window(size, on="day").start(day)
    assert type(start) is date
    assert start <= day < start + LENGTHS[size.split()[1]]
    assert Window(size, on="day").start(start) == start
    assert size != "1 week" or start.weekday() == 0
    assert size != "1 month" or start.day == 1
    assert size != "1 year" or (start.month, start.day) == (1, 1)


def test_a_year_of_hours_in_a_zone_that_changes_its_clock_has_no_hole_and_no_overlap() -> None:
    window = Window("1 hour", on="at", zone="America/New_York")
    first = datetime(2026, 1, 1, tzinfo=UTC)
    starts = sorted({window.start(first + timedelta(minutes=30 * half)) for half in range(2 * 24 * 365)})
    assert {later - earlier for earlier, later in pairwise(starts)} == {timedelta(hours=1)}


def starts_of_day(size: str, zone: str, day: datetime) -> list[str]:
    """The windows of a local day as its clock shows them, looked at every minute."""
    window = Window(size, on="at", zone=zone)
    local = day.replace(tzinfo=ZoneInfo(zone))
    seen: dict[datetime, None] = {}
    for minute in range(26 * 60):
        at = local.astimezone(UTC) + timedelta(minutes=minute)
        if at.astimezone(ZoneInfo(zone)).date() == day.date():
            seen[window.start(at)] = None
    return [start.astimezone(ZoneInfo(zone)).strftime("%H:%M%z") for start in seen]


def test_a_repeated_hour_is_two_windows_of_an_hour_and_part_of_one_longer_window() -> None:
    fall = datetime(2026, 11, 1)
    assert starts_of_day("1 hour", "America/New_York", fall)[:4] == ["00:00-0400", "01:00-0400", "01:00-0500", "02:00-0500"]
    assert len(starts_of_day("1 hour", "America/New_York", fall)) == 25
    assert starts_of_day("2 hours", "America/New_York", fall)[:3] == ["00:00-0400", "02:00-0500", "04:00-0500"]


def test_a_skipped_hour_is_no_window_and_a_window_that_would_begin_in_it_begins_after_it() -> None:
    spring = datetime(2026, 3, 8)
    assert starts_of_day("1 hour", "America/New_York", spring)[:4] == ["00:00-0500", "01:00-0500", "03:00-0400", "04:00-0400"]
    assert starts_of_day("2 hours", "America/New_York", spring)[:3] == ["00:00-0500", "03:00-0400", "04:00-0400"]


def test_a_day_without_midnight_begins_when_its_clock_begins() -> None:
    assert starts_of_day("1 day", "America/Sao_Paulo", datetime(2018, 11, 4)) == ["01:00-0200"]


def test_a_half_hour_change_cuts_the_hour_at_the_change() -> None:
    spring = starts_of_day("1 hour", "Australia/Lord_Howe", datetime(2026, 10, 4))
    assert spring[:4] == ["00:00+1030", "01:00+1030", "02:30+1100", "03:00+1100"]


def test_an_hour_in_a_zone_with_a_half_hour_offset_is_its_clocks_hour() -> None:
    at = datetime(2026, 3, 1, 12, 10, tzinfo=UTC)  # 17:40 in Kolkata
    assert Window("1 hour", on="at", zone="Asia/Kolkata").start(at) == datetime(2026, 3, 1, 11, 30, tzinfo=UTC)


def test_a_time_without_a_zone_and_a_short_window_over_a_date_are_refused() -> None:
    with pytest.raises(Malformed, match="'at' is a datetime without a zone"):
        Window("1 day", on="at").start(datetime(2026, 3, 1))
    with pytest.raises(Malformed, match="'at' is a date: a window of '1 hour' needs a datetime"):
        Window("1 hour", on="at").start(date(2026, 3, 1))
