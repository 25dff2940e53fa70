"""Values as PostgreSQL keeps them, and whole columns as array literals: one parameter carries thousands of values.

psycopg's own adaptation of a list costs more per element than PostgreSQL needs to store it, so the literals are joined here.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any

from providers.sql.dialect import Dialect
from runtime.domain.tables import Column, Kind

AT_ONCE = datetime(1, 1, 1, tzinfo=UTC)  # before every instant

ARRAY_TYPES: dict[Kind, str] = {
    Kind.TEXT: "text",
    Kind.INT: "bigint",
    Kind.FLOAT: "double precision",
    Kind.BOOL: "boolean",
    Kind.INSTANT: "timestamptz",
    Kind.DATE: "date",
    Kind.DECIMAL: "numeric",
    Kind.JSON: "text",
}

DIALECT = Dialect(
    types={**ARRAY_TYPES, Kind.TEXT: 'text COLLATE "C"', Kind.JSON: 'text COLLATE "C"'},
    marks={kind: f"%s::{name}" for kind, name in ARRAY_TYPES.items()},
    bind={},
    starts_with="starts_with({c}, {v})",
    contains="strpos({c}, {v}) > 0",
    text='text COLLATE "C"',
    flag="boolean",
    table_options=" WITH (fillfactor = 85)",
    percent="%%",
)


def texts(values: Sequence[str | None]) -> str:
    """A text array."""
    try:
        everything = "".join(values)  # type: ignore[arg-type]
    except TypeError:  # there is a None
        return "{" + ",".join(["NULL" if value is None else _quoted(value) for value in values]) + "}"
    if not values:
        return "{}"
    if '"' in everything or "\\" in everything:
        return "{" + ",".join([_quoted(value) for value in values if value is not None]) + "}"
    return '{"' + '","'.join(values) + '"}'  # type: ignore[arg-type]


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def numbers(values: Sequence[Any]) -> str:
    """An array of ints, floats, booleans or decimals."""
    return "{" + ",".join(["NULL" if value is None else repr(value) if isinstance(value, float) else str(value) for value in values]) + "}"


def integers(values: Sequence[int]) -> str:
    """An array of ints without None, faster."""
    return "{" + ",".join(map(str, values)) + "}"


def moments(values: Sequence[date | None]) -> str:
    """An array of instants or dates."""
    if values and None not in values:
        return '{"' + '","'.join([value.isoformat() for value in values if value is not None]) + '"}'
    return "{" + ",".join(["NULL" if value is None else f'"{value.isoformat()}"' for value in values]) + "}"


_ARRAYS: dict[Kind, Callable[[Sequence[Any]], str]] = {
    Kind.TEXT: texts,
    Kind.INT: numbers,
    Kind.FLOAT: numbers,
    Kind.BOOL: numbers,
    Kind.INSTANT: moments,
    Kind.DATE: moments,
    Kind.DECIMAL: numbers,
    Kind.JSON: texts,
}


def encoded(column: Column, values: Sequence[Any]) -> str:
    """A column of checked values as an array literal."""
    return _ARRAYS[column.kind](values)
