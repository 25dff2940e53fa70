"""The opaque place after a row, so that paging stays stable while others write: the row's sort values and key, never an offset.

A cursor carries a hash of the question it belongs to: with another filter, order, tenant or part it is refused.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from providers.sql.asked import column_of
from runtime.domain.filters import Filter, Order, Query
from runtime.domain.tables import Kind, Table, Value
from runtime.errors import Malformed
from runtime.ports import Page, Row


class _Asked(msgspec.Struct, frozen=True, omit_defaults=True):
    part: str
    where: Filter
    order: tuple[Order, ...]
    tenant: str | None
    key: str = ""


class Place(msgspec.Struct, frozen=True, array_like=True):
    """After the row with this key and these sort values, as text."""

    asked: str
    key: str
    values: tuple[str | None, ...]


_DECODER = msgspec.json.Decoder(Place)


def page(table: Table, query: Query, rows: list[tuple[str, Row]], more: bool) -> Page:
    """The page that these rows are, with the cursor after the last if there are more; the others are written when asked for."""
    asked: list[str] = []
    names = [column.name for column in table.columns]
    positions = [names.index(order.field) for order in query.order]

    def after(position: int) -> str:
        if not asked:
            asked.append(_hash(table, query))
        key, row = rows[position]
        assert row.values is not None
        return _written(asked[0], key, [row.values[column] for column in positions])

    return Page(rows, after(len(rows) - 1) if more else "", after) if rows else Page(rows, "")


def _written(asked: str, key: str, values: Sequence[Value]) -> str:
    """The cursor after a row; `values` are those of the fields sorted by."""
    shown = tuple(None if value is None else value.isoformat() if isinstance(value, date) else repr_of(value) for value in values)
    return urlsafe_b64encode(msgspec.json.encode(Place(asked, key, shown))).decode().rstrip("=")


def read(table: Table, query: Query) -> tuple[list[Value], str] | None:
    """The sort values and the key that the query's cursor stands after, None for the start; `Malformed` for a foreign one."""
    if not query.cursor:
        return None
    try:
        place = _DECODER.decode(urlsafe_b64decode(query.cursor + "=" * (-len(query.cursor) % 4)))
        if place.asked != _hash(table, query):
            raise Malformed("cursor: it belongs to another query; start without one")
        kinds = [column_of(table, order.field).kind for order in query.order]
        values = [None if shown is None else _PARSED[kind](shown) for kind, shown in zip(kinds, place.values, strict=True)]
        return values, place.key
    except (ValueError, ArithmeticError, msgspec.MsgspecError) as error:
        raise Malformed("cursor: not one that a page of this query gave") from error


def repr_of(value: Any) -> str:
    """A value as text that reads back exactly."""
    return repr(value) if isinstance(value, float) else str(value)


_PARSED: dict[Kind, Any] = {
    Kind.TEXT: str,
    Kind.INT: int,
    Kind.FLOAT: float,
    Kind.BOOL: "True".__eq__,
    Kind.INSTANT: lambda shown: datetime.fromisoformat(shown).astimezone(UTC),
    Kind.DATE: date.fromisoformat,
    Kind.DECIMAL: Decimal,
}


def _hash(table: Table, query: Query) -> str:
    from hashlib import blake2b

    asked = _Asked(table.part, query.where, query.order, query.tenant, query.key)
    return blake2b(msgspec.json.encode(asked), digest_size=6).hexdigest()
