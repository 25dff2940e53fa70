"""Rows turned into columns and checked a column at a time, which is what makes writing thousands of them cheap."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from types import NoneType
from typing import Any

from providers.sql.values import INT_MAX, normal_row
from runtime.domain.tables import Column, Kind, Table, Value
from runtime.ports import RowWrite

type Columns = list[Sequence[Any]]


def columns_of_writes(table: Table, writes: Sequence[RowWrite]) -> Columns:
    """The writes' values, a sequence for each column of the table; None where the row is deleted. `Malformed` as `normal_row`."""
    width = len(table.columns)
    blank: tuple[Value, ...] = (None,) * width
    rows = [blank if write.values is None else write.values for write in writes]
    if set(map(len, rows)) <= {width}:
        transposed: Columns = list(zip(*rows, strict=True)) or [()] * width
        if all(fits(column, values) for column, values in zip(table.columns, transposed, strict=True)):
            return transposed
    checked = [normal_row(table.part, write.key, table.columns, row) for write, row in zip(writes, rows, strict=True)]
    return list(zip(*checked, strict=True)) or [()] * width


def fits(column: Column, values: Sequence[Any]) -> bool:
    """Whether all are as a store gives them back; False asks to look at each."""
    found = set(map(type, values))
    found.discard(NoneType)
    return not found or (found == {_TYPES[column.kind]} and _SOUND[column.kind](values))


def _sound_text(values: Sequence[str | None]) -> bool:
    return "\x00" not in "".join(filter(None, values))


def _sound_int(values: Sequence[int | None]) -> bool:
    there = [value for value in values if value is not None]
    return min(there) >= -INT_MAX and max(there) <= INT_MAX


def _sound_float(values: Sequence[float | None]) -> bool:
    return all(value == value for value in values)


def _sound_instant(values: Sequence[datetime | None]) -> bool:
    return all(value is None or value.tzinfo is UTC for value in values)


def _sound_decimal(values: Sequence[Decimal | None]) -> bool:
    return all(value is None or (value.is_finite() and -1000 <= value.adjusted() <= 1000) for value in values)


def _sound(_: Sequence[Any]) -> bool:
    return True


_TYPES: dict[Kind, type] = {
    Kind.TEXT: str,
    Kind.INT: int,
    Kind.FLOAT: float,
    Kind.BOOL: bool,
    Kind.INSTANT: datetime,
    Kind.DATE: date,
    Kind.DECIMAL: Decimal,
    Kind.JSON: str,
}
_SOUND: dict[Kind, Callable[[Sequence[Any]], bool]] = {
    Kind.TEXT: _sound_text,
    Kind.INT: _sound_int,
    Kind.FLOAT: _sound_float,
    Kind.BOOL: _sound,
    Kind.INSTANT: _sound_instant,
    Kind.DATE: _sound,
    Kind.DECIMAL: _sound_decimal,
    Kind.JSON: _sound_text,
}
