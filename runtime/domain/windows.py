"""Tumbling event-time windows with a declared zone: every instant lies in exactly one of them.

Windows never close: a late event updates the window it belongs to. Event time is a declared field of the event (a `datetime`
with a zone, or a `date`), never the time of arrival.
"""

from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import overload

from msgspec import Struct

from runtime.errors import Malformed, Misconfigured

SECONDS = {"second": 1, "minute": 60, "hour": 3600}
CALENDAR = ("day", "week", "month", "year")


class Window(Struct, frozen=True):
    """`Window("1 minute", on="at", zone="UTC", name="window")`: a key column that holds the start of the event's window.

    Sizes: N seconds, minutes or hours that divide a day, or "1 day", "1 week" (from Monday), "1 month", "1 year". On a `date`
    field only calendar sizes; the start is a `date`. On a `datetime` field the start is the UTC instant at which the window
    begins in `zone`. Where a zone repeats an hour, windows up to an hour stay apart; longer ones span it. Where a zone skips the
    time at which a window would begin, it begins with the first instant after the gap.
    """

    size: str
    on: str
    zone: str = "UTC"
    name: str = "window"

    def __post_init__(self) -> None:
        count, unit = self.parsed
        if unit in CALENDAR:
            if count != 1:
                raise Misconfigured(f"Window({self.size!r}): calendar windows are 1 {unit}, not {count}")
        elif 86_400 % (count * SECONDS[unit]):
            raise Misconfigured(f"Window({self.size!r}): the size must divide a day")
        _zone(self.zone)

    @property
    def parsed(self) -> tuple[int, str]:
        """The size as a count and a singular unit."""
        return _parsed(self.size)

    @overload
    def start(self, at: datetime) -> datetime: ...
    @overload
    def start(self, at: date) -> date: ...
    def start(self, at: date) -> date:
        """The start of the window that holds `at`; an instant without a zone is refused."""
        count, unit = _parsed(self.size)
        if not isinstance(at, datetime):
            if unit not in CALENDAR:
                raise Malformed(f"{self.on!r} is a date: a window of {self.size!r} needs a datetime")
            return _calendar(at, unit)
        if at.tzinfo is None:
            raise Malformed(f"{self.on!r} is a datetime without a zone: give it one, UTC for example")
        zone = _zone(self.zone)
        if zone is UTC or unit == "second":
            return _start(at, count, unit, zone)
        starts = _STARTS.get((self.size, self.zone))
        if starts is None:
            starts = _STARTS[self.size, self.zone] = {}
        grain = _MINUTE if unit == "minute" else _QUARTER
        number = (at - _EPOCH) // grain
        start = starts.get(number)
        return start if start is not None else _remember(starts, number, grain, at, count, unit, zone)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND, _MINUTE, _QUARTER = timedelta(seconds=1), timedelta(minutes=1), timedelta(minutes=15)
_ZONES: dict[str, tzinfo] = {"UTC": UTC}
_STARTS: dict[tuple[str, str], dict[int, datetime]] = {}  # by size and zone: the window of a whole minute or quarter of an hour
_REMEMBERED = 10_000


def _remember(starts: dict[int, datetime], number: int, grain: timedelta, at: datetime, count: int, unit: str, zone: tzinfo) -> datetime:
    """Asking a zone costs microseconds for every event, so the answer is kept where it holds for the whole grain."""
    first = _EPOCH + number * grain
    start = _start(first, count, unit, zone)
    if start != _start(first + grain - timedelta.resolution, count, unit, zone):
        return _start(at, count, unit, zone)
    if len(starts) >= _REMEMBERED:
        starts.clear()
    starts[number] = start
    return start


def _start(at: datetime, count: int, unit: str, zone: tzinfo) -> datetime:
    if unit in CALENDAR:
        day = _calendar(at.astimezone(zone).date(), unit)
        return _instant(datetime(day.year, day.month, day.day), zone)
    size = count * SECONDS[unit]
    return _short(at, size, zone) if size <= 3600 else _long(at.astimezone(zone), size, zone)


@lru_cache
def _parsed(size: str) -> tuple[int, str]:
    number, _, unit = size.partition(" ")
    unit = unit.removesuffix("s")
    if not (number.isascii() and number.isdigit()) or int(number) < 1 or (unit not in SECONDS and unit not in CALENDAR):
        raise Misconfigured(f"Window({size!r}): say a count and a unit, such as '5 minutes', '1 day' or '1 month'")
    return int(number), unit


def _zone(name: str) -> tzinfo:
    if name not in _ZONES:
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # costs milliseconds that most command functions need not pay

        try:
            _ZONES[name] = ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise Misconfigured(f"zone {name!r} is not in the time zone database: say 'Europe/Vienna', 'UTC' …") from error
    return _ZONES[name]


def _calendar(day: date, unit: str) -> date:
    match unit:
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case "year":
            return day.replace(month=1, day=1)
        case _:
            return day


def _short(at: datetime, size: int, zone: tzinfo) -> datetime:
    """Up to an hour: whole sizes of elapsed time, aligned to the zone's clock; begun anew where that clock is set."""
    seconds = (at - _EPOCH) // _SECOND
    if zone is UTC:
        return _EPOCH + timedelta(seconds=seconds // size * size)
    offset = at.astimezone(zone).utcoffset() or timedelta()
    shift = offset // _SECOND
    start = _EPOCH + timedelta(seconds=(seconds + shift) // size * size - shift)
    return start if start.astimezone(zone).utcoffset() == offset else _set(start, at, zone)


def _long(local: datetime, size: int, zone: tzinfo) -> datetime:
    """Longer than an hour: by what the zone's clock shows."""
    passed = local.hour * 3600 + local.minute * 60 + local.second
    return _instant(datetime(local.year, local.month, local.day) + timedelta(seconds=passed // size * size), zone)


def _instant(wall: datetime, zone: tzinfo) -> datetime:
    """The first instant at which the zone's clock shows this, or that follows the gap in which it never does."""
    first = wall.replace(tzinfo=zone).astimezone(UTC)
    if zone is UTC or first.astimezone(zone).replace(tzinfo=None) == wall:
        return first
    return _set(wall.replace(tzinfo=zone, fold=1).astimezone(UTC), first, zone)


def _set(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """The instant between these two at which the zone's clock was set (offsets change at whole seconds)."""
    offset = after.astimezone(zone).utcoffset()
    low, high = (before - _EPOCH) // _SECOND, (after - _EPOCH) // _SECOND
    while high - low > 1:
        middle = (low + high) // 2
        if (_EPOCH + timedelta(seconds=middle)).astimezone(zone).utcoffset() == offset:
            high = middle
        else:
            low = middle
    return _EPOCH + timedelta(seconds=high)
