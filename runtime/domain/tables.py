"""What the rows of a part look like to a database: named columns of a few kinds, and which parts share watermarks.

Pure description: an app compiles to it, a read store makes tables from it, the gateway and the stacks read it.
"""

import enum
from datetime import date, datetime
from decimal import Decimal
from types import NoneType
from typing import Any, get_type_hints

from msgspec import Struct


class Kind(enum.StrEnum):
    """What a column holds; each SQL provider maps it to one native type. `JSON` holds anything else, as JSON text."""

    TEXT = "text"
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    INSTANT = "instant"
    DATE = "date"
    DECIMAL = "decimal"
    JSON = "json"


type Value = str | int | float | bool | datetime | date | Decimal | None


class Column(Struct, frozen=True):
    """A column of a row table. Every column is nullable in the database (tombstones hold none of them)."""

    name: str
    kind: Kind


class Table(Struct, frozen=True):
    """The rows of one projection, aggregation or saga: `many` tells that several streams feed one row."""

    part: str
    columns: tuple[Column, ...]
    many: bool = False


class Group(Struct, frozen=True):
    """Parts that share one consumer group, one watermark set and one generation at a time; `schema` is a hash of its tables and folds."""

    name: str
    tables: tuple[Table, ...]
    schema: str
    saga: bool = False


KINDS: dict[type, Kind] = {
    str: Kind.TEXT,
    int: Kind.INT,
    float: Kind.FLOAT,
    bool: Kind.BOOL,
    datetime: Kind.INSTANT,
    date: Kind.DATE,
    Decimal: Kind.DECIMAL,
}


def kind_of(annotation: Any) -> Kind:
    """The kind of a field: a scalar or an optional one has its own, everything else is JSON."""
    from runtime.domain.messages import classes_in

    classes = [found for found in classes_in(annotation) if found is not NoneType]
    if len(classes) != 1:
        return Kind.JSON
    if issubclass(classes[0], enum.StrEnum):
        return Kind.TEXT
    return KINDS.get(classes[0], Kind.JSON)


def columns_of(row: type[Struct]) -> tuple[Column, ...]:
    """The columns of a row struct, in field order."""
    hints = get_type_hints(row)
    return tuple(Column(name, kind_of(hints[name])) for name in row.__struct_fields__)
