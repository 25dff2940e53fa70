"""Compares what is stored and what is shown with the csv, without a line of projector code: how much was lost, how much doubled.

Every flight of the range owes all its events; flights of other days that the store knows owe what it holds of them, once. What
the store lacks of that, and what the board and the tables lack of what is owed, is lost; what is there once too often is doubled.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

from msgspec import Struct

from hosts.expected import COLUMNS, COUNTS, FLAG, Expected, Table, line_of, owed_by
from hosts.timetable import FIRST_DAY, LAST_DAY, days
from runtime.domain.filters import Query
from runtime.flow.reading import Reading
from runtime.ports import EventStore, Head
from runtime.steps import run

PAGE = 5_000
ROWS = 1_000
SHOWN = COLUMNS[:-1]  # of the tables that people get

type Shown = list[dict[str, Any]]


class Difference(Struct):
    """Between what is there and what should be."""

    lost: int = 0
    doubled: int = 0

    def note(self, found: int, owed: int) -> None:
        """Two counts of one thing."""
        self.lost += max(0, owed - found)
        self.doubled += max(0, found - owed)


class Audit(Struct):
    """What was found; `events` leaves the flags out."""

    flights: int = 0
    events: int = 0
    rows: int = 0
    flagged: int = 0
    lost: int = 0
    doubled: int = 0
    tables: Shown = []


def audit(store: EventStore, reading: Reading, first: date, last: date, progress: Callable[[date], None] = lambda _: None) -> Audit:
    """Read it all and compare."""
    found, expected, stored, board = Audit(), Expected(), Difference(), Difference()
    lines = ByDay(_lines(reading), lambda line: str(line["flight"]))
    for day, flights in days(*_range(store, first, last)):
        events, shown = _events(store, day), {line["flight"]: line for line in lines.take(day)}
        for flown in flights:
            have, owed = events.pop(flown.flight, Counter()), owed_by(flown)
            if not first <= day <= last:
                owed &= have
            found.flights += bool(owed)
            _note(stored, have, owed)
            if owed:
                expected.add(flown, owed)
                line = shown.pop(flown.flight, None)
                board.note(int(line is not None), 1)
                if line is not None and any(line[name] != value for name, value in line_of(flown, owed).items()):
                    board.lost += 1
            found.events += have.total() - have[FLAG]
            found.flagged += have[FLAG]
        found.events += sum(have.total() - have[FLAG] for have in events.values())
        stored.doubled += sum(have.total() for have in events.values())  # flights that the csv does not know
        board.doubled += len(shown)
        progress(day)
    found.rows = lines.seen
    tables = {name: _table(reading, name) for name in expected.tables}
    shown_differences = [board, *(_compare(tables[name], table) for name, table in expected.tables.items())]
    found.lost = stored.lost + max(each.lost for each in shown_differences)  # one event missing is missing in every table
    found.doubled = stored.doubled + max(each.doubled for each in shown_differences)
    found.tables = _shown(tables["carrier"])
    return found


def _range(store: EventStore, first: date, last: date) -> tuple[date, date]:
    """The range, widened to all days when the store knows flights of others."""
    before = store.heads("flight-", 1)
    after = store.heads(f"flight-{last.isoformat()}.", 1)
    early = bool(before) and before[0].stream < f"flight-{first.isoformat()}"
    return FIRST_DAY if early else first, LAST_DAY if after and after[0].stream.startswith("flight-") else last


def _events(store: EventStore, day: date) -> dict[str, Counter[str]]:
    """The types of the stored events of one day's flights; `.` sorts right after the `-` that follows a day."""
    after, until = Head(f"flight-{day.isoformat()}-", 0), f"flight-{day.isoformat()}."
    found: dict[str, Counter[str]] = {}
    while page := store.bulk(after, until, PAGE):
        for event in page:
            found.setdefault(event.stream.removeprefix("flight-"), Counter())[event.type] += 1
        after = Head(page[-1].stream, page[-1].version)
    return found


def _note(difference: Difference, have: Counter[str], owed: Counter[str]) -> None:
    if have != owed:
        for kind in have | owed:
            difference.note(have[kind], owed[kind])


class ByDay:
    """Things that come sorted by a name that begins with a day, handed out day by day."""

    def __init__(self, things: Iterator[dict[str, Any]], name: Callable[[dict[str, Any]], str]) -> None:
        self._things, self._name = things, name
        self._next = next(things, None)
        self.seen = 0

    def take(self, day: date) -> Iterator[dict[str, Any]]:
        """Everything up to this day that was not taken yet."""
        while self._next is not None and self._name(self._next)[:10] <= day.isoformat():
            self.seen += 1
            yield self._next
            self._next = next(self._things, None)


def _lines(reading: Reading) -> Iterator[dict[str, Any]]:
    names = [column.name for column in reading.columns("board").columns]
    for row in _rows(reading, "board"):
        yield dict(zip(names, row, strict=True))


def _rows(reading: Reading, part: str) -> Iterator[tuple[Any, ...]]:
    """All rows of a part in key order."""
    cursor = ""
    while True:
        _, page = run(reading.query(part, Query(first=ROWS, cursor=cursor)))
        for _, row in page.rows:
            assert row.values is not None
            yield row.values
        cursor = page.cursor
        if not cursor:
            return


def _table(reading: Reading, part: str) -> Table:
    """A table as it stands in the read database."""
    names = [column.name for column in reading.columns(part).columns]
    places = [names.index(name) for name in COLUMNS]
    width = min(places)
    return {row[:width]: [row[place] for place in places] for row in _rows(reading, part)}


def _compare(found: Table, owed: Table) -> Difference:
    difference = Difference()
    nothing = [0] * (len(COLUMNS) - 1) + [None]
    for key in found.keys() | owed.keys():
        have, should = found.get(key, nothing), owed.get(key, nothing)
        for position in range(COUNTS):
            difference.note(have[position], should[position])
        if have[:COUNTS] == should[:COUNTS] and have != should:  # one event's minutes stand for another's
            difference.lost += 1
            difference.doubled += 1
    return difference


def _shown(table: Table) -> Shown:
    """By carrier and month of the scheduled local date (1 to 12)."""
    rows = []
    for key in sorted(table):
        carrier, month = key
        assert isinstance(month, date)
        rows.append({"carrier": carrier, "month": month.month} | dict(zip(SHOWN, table[key], strict=False)))
    return rows
