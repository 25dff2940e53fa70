"""Values as SQLite keeps them: instants as whole microseconds of UTC, dates as ISO text, decimals as text with a collation of numbers."""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from providers.sql.dialect import Dialect
from runtime.domain.tables import Column, Kind

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
AT_ONCE = -(2**62)  # before every instant


def micros(instant: datetime) -> int:
    """An instant as microseconds since 1970."""
    return (instant - _EPOCH) // _MICROSECOND


def instant_of(value: int) -> datetime:
    """The instant again."""
    return _EPOCH + timedelta(0, 0, value)


DIALECT = Dialect(
    types={
        Kind.TEXT: "TEXT",
        Kind.INT: "INTEGER",
        Kind.FLOAT: "REAL",
        Kind.BOOL: "INTEGER",
        Kind.INSTANT: "INTEGER",
        Kind.DATE: "TEXT",
        Kind.DECIMAL: "TEXT COLLATE decimal",
        Kind.JSON: "TEXT",
    },
    marks=dict.fromkeys(Kind, "?"),
    bind={Kind.INSTANT: micros, Kind.DATE: date.isoformat, Kind.DECIMAL: str},
    starts_with="instr({c}, {v}) = 1",
    contains="instr({c}, {v}) > 0",
    text="TEXT",
    flag="INTEGER",
    table_options=" STRICT",
)

_DECODED: dict[Kind, Callable[[Any], Any]] = {
    Kind.BOOL: bool,
    Kind.INSTANT: instant_of,
    Kind.DATE: date.fromisoformat,
    Kind.DECIMAL: Decimal,
}


def encoded(column: Column, values: Sequence[Any]) -> Sequence[Any]:
    """A column of checked values as SQLite takes them."""
    convert = DIALECT.bind.get(column.kind)
    return values if convert is None else [None if value is None else convert(value) for value in values]


def decoder(columns: Sequence[Column], skip: int) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """From a fetched row, `skip` columns in, to the values of the part's columns."""
    converted = [(position, _DECODED[column.kind]) for position, column in enumerate(columns) if column.kind in _DECODED]
    if not converted:
        return lambda row: tuple(row[skip:])

    def decode(row: Sequence[Any]) -> tuple[Any, ...]:
        values = list(row[skip:])
        for position, convert in converted:
            if values[position] is not None:
                values[position] = convert(values[position])
        return tuple(values)

    return decode


def add_collation(connection: sqlite3.Connection) -> None:
    """Teach a connection to compare decimals by value; every connection that touches a row table needs it."""
    connection.create_collation("decimal", _compare)


def _compare(a: str, b: str) -> int:
    left, right = Decimal(a), Decimal(b)
    return (left > right) - (left < right)
