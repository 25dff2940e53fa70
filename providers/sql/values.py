"""What a column may hold, the same on every read store, so that an application can move between them.

Not-a-number is no value (a database would sort and compare it in its own way); what one of the databases could not hold is
refused by all of them with the column named.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from runtime.domain.tables import Column, Kind, Value
from runtime.errors import Malformed

INT_MAX = 2**63 - 1


def text(value: Any) -> str:
    """Text without U+0000, which PostgreSQL cannot store."""
    if not isinstance(value, str):
        raise TypeError("text")
    if "\x00" in value:
        raise ValueError("text without U+0000")
    return value if type(value) is str else str(value)


def integer(value: Any) -> int:
    """A whole number of 64 bits."""
    if not isinstance(value, int):
        raise TypeError("a whole number")
    if not -INT_MAX <= value <= INT_MAX:
        raise ValueError("a whole number of 64 bits")
    return int(value)


def real(value: Any) -> float | None:
    """A float; not-a-number is None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("a number")
    return None if value != value else float(value)


def boolean(value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise TypeError("true or false")
    return value


def instant(value: Any) -> datetime:
    """A moment in UTC."""
    if not isinstance(value, datetime):
        raise TypeError("a datetime")
    if value.tzinfo is None:
        raise ValueError("a datetime with a zone, UTC for example")
    return value if value.tzinfo is UTC else value.astimezone(UTC)


def day(value: Any) -> date:
    """A calendar date."""
    if not isinstance(value, date) or isinstance(value, datetime):
        raise TypeError("a date")
    return value


def decimal(value: Any) -> Decimal | None:
    """An exact number; not-a-number is None."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise TypeError("a decimal number")
    exact = Decimal(value)
    if exact.is_infinite() or (exact and abs(exact.adjusted()) > 1000):
        raise ValueError("a decimal number of at most 1,000 digits")
    return None if exact.is_nan() else exact


NORMAL: dict[Kind, Callable[[Any], Value]] = {
    Kind.TEXT: text,
    Kind.INT: integer,
    Kind.FLOAT: real,
    Kind.BOOL: boolean,
    Kind.INSTANT: instant,
    Kind.DATE: day,
    Kind.DECIMAL: decimal,
    Kind.JSON: text,
}


def normal_row(part: str, key: str, columns: Sequence[Column], values: Sequence[Value]) -> tuple[Value, ...]:
    """The values as a store gives them back; `Malformed` names part, key and column of one that does not fit."""
    if len(values) != len(columns):
        raise Malformed(f"{part}[{key!r}] has {len(values)} values for {len(columns)} columns")
    return tuple(
        None if value is None else normal(f"{part}[{key!r}].{column.name}", column.kind, value)
        for column, value in zip(columns, values, strict=True)
    )


def normal(what: str, kind: Kind, value: Value) -> Value:
    """One value; `Malformed` says what was expected of `what`."""
    try:
        return NORMAL[kind](value)
    except (TypeError, ValueError, OverflowError) as error:
        raise Malformed(f"{what}: expected {error}, got {value!r:.100}") from error
