"""Tumbling event-time windows with a declared zone: every instant lies in exactly one of them.

Windows never close: a late event updates the window it belongs to. Event time is a declared field of the event (a `datetime`
with a zone, or a `date`), never the time of arrival.
"""

from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import overload

from msgspec import Struct

from runtime.errors import Malformed, Misconfigured

SECONDS = {"second": 1, "minute": 60, "hour": 3600}
CALENDAR = ("day", "week", "month", "year")


class Window(Struct, frozen=True):
    """`Window("1 minute", on="at", zone="UTC", name="window")`: a key column that holds the start of the event's window.

    Sizes: N seconds, minutes or hours that divide a day, or "1 day", "1 week" (from Monday), "1 month", "1 year". On a `date`
    field only calendar sizes; the start is a `date`. On a `datetime` field the start is the UTC instant at which the window
    begins in `zone`. Where a zone repeats an hour, windows up to an hour stay apart; longer ones span it.
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
        number, _, unit = self.size.partition(" ")
        unit = unit.removesuffix("s")
        if not number.isdigit() or int(number) < 1 or (unit not in SECONDS and unit not in CALENDAR):
            raise Misconfigured(f"Window({self.size!r}): say a count and a unit, such as '5 minutes', '1 day' or '1 month'")
        return int(number), unit

    @overload
    def start(self, at: datetime) -> datetime: ...
    @overload
    def start(self, at: date) -> date: ...
    def start(self, at: date) -> date:
        """The start of the window that holds `at`; an instant without a zone is refused."""
        count, unit = self.parsed
        if not isinstance(at, datetime):
            if unit not in CALENDAR:
                raise Malformed(f"{self.on!r} is a date: a window of {self.size!r} needs a datetime")
            return _calendar(at, unit)
        if at.tzinfo is None:
            raise Malformed(f"{self.on!r} is a datetime without a zone: give it one, UTC for example")
        local = at.astimezone(_zone(self.zone))
        if unit in CALENDAR:
            day = _calendar(local.date(), unit)
            return datetime(day.year, day.month, day.day, tzinfo=local.tzinfo).astimezone(UTC)
        size = count * SECONDS[unit]
        if size <= 3600:
            offset = int((local.utcoffset() or timedelta()).total_seconds())
            seconds = int((at - _EPOCH) // timedelta(seconds=1))
            return _EPOCH + timedelta(seconds=(seconds + offset) // size * size - offset)
        passed = local.hour * 3600 + local.minute * 60 + local.second
        naive = datetime(local.year, local.month, local.day) + timedelta(seconds=passed // size * size)
        return naive.replace(tzinfo=local.tzinfo).astimezone(UTC)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ZONES: dict[str, tzinfo] = {"UTC": UTC}


def _zone(name: str) -> tzinfo:
    if name not in _ZONES:
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # costs milliseconds that most command functions need not pay

        try:
            _ZONES[name] = ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
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
