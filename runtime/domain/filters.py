"""What a reader may ask of rows: one filter tree with one meaning for every store, for queries and for subscriptions.

Two-valued logic: a missing (None) value is neither less nor greater than anything and equals only None, so `eq None` is `IsNull`;
`ne` is the exact opposite of `eq`, and `Not` of any false comparison is true. Text compares by code point. None sorts before
everything.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, assert_never

from msgspec import Struct

type Scalar = str | int | float | bool | datetime | date | Decimal | None


class Compare(Struct, frozen=True, tag=True):
    """`field op value`, op one of eq, ne, lt, le, gt, ge, starts_with, contains (the last two on text)."""

    field: str
    op: str
    value: Scalar


class In(Struct, frozen=True, tag=True):
    """The field is one of the values."""

    field: str
    values: tuple[Scalar, ...]


class IsNull(Struct, frozen=True, tag=True):
    """The field has no value."""

    field: str


class And(Struct, frozen=True, tag=True):
    """All of them; of none: true."""

    terms: tuple["Filter", ...]


class Or(Struct, frozen=True, tag=True):
    """Any of them; of none: false."""

    terms: tuple["Filter", ...]


class Not(Struct, frozen=True, tag=True):
    """The opposite."""

    term: "Filter"


type Filter = Compare | In | IsNull | And | Or | Not

EVERYTHING = And(())


class Order(Struct, frozen=True):
    """Sort by a field, ascending unless told; the row key breaks ties."""

    field: str
    descending: bool = False


class Query(Struct, frozen=True):
    """A page of rows: filter, order, at most `first` rows after the opaque `cursor`; `tenant` None asks across tenants (operators only).

    `key` asks for the one row that is stored under it, if it passes the filter: found by the key, not by looking through the rows.
    """

    where: Filter = EVERYTHING
    order: tuple[Order, ...] = ()
    first: int = 100
    cursor: str = ""
    tenant: str | None = ""
    key: str = ""


COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a is not None and b is not None and a < b,
    "le": lambda a, b: a is not None and b is not None and a <= b,
    "gt": lambda a, b: a is not None and b is not None and a > b,
    "ge": lambda a, b: a is not None and b is not None and a >= b,
    "starts_with": lambda a, b: a is not None and b is not None and a.startswith(b),
    "contains": lambda a, b: a is not None and b is not None and b in a,
}


def matches(where: Filter, row: Mapping[str, Any]) -> bool:
    """Whether a row passes; the meaning that every store's own filter is tested against."""
    match where:
        case Compare(field, op, value):
            return COMPARISONS[op](row[field], value)
        case In(field, values):
            return row[field] in values
        case IsNull(field):
            return row[field] is None
        case And(terms):
            return all(matches(term, row) for term in terms)
        case Or(terms):
            return any(matches(term, row) for term in terms)
        case Not(term):
            return not matches(term, row)
        case _:
            assert_never(where)
