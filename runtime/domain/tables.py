"""What the rows of a part look like to a database: named columns of a few kinds, and which parts share watermarks.

Pure description: an app compiles to it, a read store makes tables from it, the gateway and the stacks read it.
"""

import enum
from datetime import date, datetime
from decimal import Decimal

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
