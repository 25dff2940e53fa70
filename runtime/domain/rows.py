"""Between a part's row struct and the columns of a read store, and the JSON that travels in changes and signals.

Columns hold plain values that mean the same everywhere: an enum is its text, an instant is in UTC, a missing value is None in
every kind of column, JSON columns included.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import NoneType
from typing import Any, get_type_hints

import msgspec
from msgspec import Struct

from runtime.domain.messages import classes_in
from runtime.domain.tables import KINDS, Column, Kind, Value, columns_of
from runtime.domain.values import GREATEST, LEAST
from runtime.errors import Malformed

type Conversion = Callable[[Any], Any]

TYPES: dict[Kind, type] = {kind: type_ for type_, kind in KINDS.items()} | {Kind.JSON: str}
SEEN = 1_000  # combinations of column types that are remembered as good; more are checked every time


def utc(instant: datetime) -> datetime:
    """The same instant in UTC; one without a zone is refused."""
    if instant.tzinfo is UTC:
        return instant
    if instant.tzinfo is None:
        raise Malformed(f"{instant.isoformat()} is a time without a zone: give it one, UTC for example")
    return instant.astimezone(UTC)


def finite(number: float) -> float:
    """A float that every database keeps: SQLite would make NULL of a NaN."""
    if number - number != 0.0:
        raise Malformed(f"{number} is not a finite number")
    return float(number)


def plain(kind: Kind, annotation: Any) -> Conversion | None:
    """How a value becomes a column value that is the same on every store; None: as it is. Never called with None."""
    if kind is Kind.INSTANT:
        return utc
    if kind is Kind.FLOAT:
        return finite
    if kind is Kind.TEXT and str not in classes_in(annotation):
        return str
    return None


class RowCodec[R: Struct]:
    """Row structs as tuples of values in column order."""

    __slots__ = ("_good", "_in", "_instants", "_ints", "_make", "_out", "_texts", "columns", "row")

    def __init__(self, row: type[R]) -> None:
        self.row = row
        self.columns = columns_of(row)
        self._make: Callable[..., R] = row
        self._good: set[tuple[type, ...]] = set()
        self._ints = [position for position, column in enumerate(self.columns) if column.kind is Kind.INT]
        self._instants = [position for position, column in enumerate(self.columns) if column.kind is Kind.INSTANT]
        self._texts = [position for position, column in enumerate(self.columns) if column.kind is Kind.TEXT]
        names = row.__struct_fields__
        if row.__match_args__ != names:  # keyword-only fields
            self._make = lambda *values: row(**dict(zip(names, values, strict=True)))
        hints = get_type_hints(row, include_extras=True)
        self._in: list[tuple[int, Conversion]] = []
        self._out: list[tuple[int, Conversion]] = []
        for position, column in enumerate(self.columns):
            self._convert(position, column.kind, hints[column.name])

    def _convert(self, position: int, kind: Kind, annotation: Any) -> None:
        if kind is Kind.JSON:
            self._in.append((position, lambda value: msgspec.json.encode(value).decode()))
            self._out.append((position, msgspec.json.Decoder(annotation).decode))
            return
        conversion = plain(kind, annotation)
        if conversion is not None and conversion is not utc:  # instants are mostly in UTC already
            self._in.append((position, conversion))
        if conversion is str:
            (enum,) = (found for found in classes_in(annotation) if found is not NoneType)
            self._out.append((position, enum))

    def values(self, row: R) -> tuple[Value, ...]:
        """The row's columns. `Malformed` names a field that its column cannot hold: better one part parked than a batch refused."""
        values = msgspec.structs.astuple(row)
        if self._in:
            values = _converted(values, self._in)
        types = tuple(map(type, values))
        if types not in self._good:
            self._check_types(types)
        for position in self._instants:
            if values[position] is not None and values[position].tzinfo is not UTC:
                values = _converted(values, [(position, utc)])
        for position in self._texts:
            if values[position] is not None and "\0" in values[position]:
                raise Malformed(f"{self._named(position)} holds a NUL character, which not every store can hold")
        for position in self._ints:
            if values[position] is not None and not LEAST <= values[position] <= GREATEST:
                raise Malformed(f"{self._named(position)} is {values[position]}, which does not fit a 64-bit integer")
        return values

    def _check_types(self, types: tuple[type, ...]) -> None:
        for position, (column, found) in enumerate(zip(self.columns, types, strict=True)):
            if found is not TYPES[column.kind] and found is not NoneType:
                raise Malformed(f"{self._named(position)} holds a {found.__name__}, its column is {column.kind.value}")
        if len(self._good) < SEEN:
            self._good.add(types)

    def _named(self, position: int) -> str:
        return f"row {self.row.__name__}.{self.columns[position].name}"

    def struct(self, values: Sequence[Value]) -> R:
        """The row of these columns."""
        return self._make(*(_converted(values, self._out) if self._out else values))


def _converted(values: Sequence[Any], conversions: Sequence[tuple[int, Conversion]]) -> tuple[Any, ...]:
    changed = list(values)
    for position, conversion in conversions:
        value = changed[position]
        if value is not None:
            changed[position] = conversion(value)
    return tuple(changed)


def as_json(columns: Sequence[Column], values: Sequence[Value] | None) -> dict[str, Any] | None:
    """A row as a JSON object by column name, JSON columns embedded as they are."""
    if values is None:
        return None
    return {
        column.name: msgspec.Raw(value.encode()) if column.kind is Kind.JSON and isinstance(value, str) else value
        for column, value in zip(columns, values, strict=True)
    }


def changed(columns: Sequence[Column], before: Sequence[Value] | None, after: Sequence[Value] | None) -> tuple[bytes, bytes]:
    """`before` (only the fields that differ from `after`) and `after` as JSON objects; b"" where there was or is no row."""
    if before is None:
        return b"", b"" if after is None else msgspec.json.encode(as_json(columns, after))
    if after is None:
        return msgspec.json.encode(as_json(columns, before)), b""
    differing = [position for position in range(len(columns)) if before[position] != after[position]]
    old = as_json([columns[position] for position in differing], [before[position] for position in differing])
    return msgspec.json.encode(old), msgspec.json.encode(as_json(columns, after))
