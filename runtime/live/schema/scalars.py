"""The scalars of the schema, strict where graphene's are lenient: 64-bit integers, exact decimals, instants with a zone, days, JSON.

They are graphene's own classes, so that fields of one's own can use them too; `sharpen` makes a built schema read and write them
the way a store and msgspec do (an instant as `2026-01-31T12:00:00Z`).
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import graphene
from graphene.types.scalars import BigInt
from graphql import (
    BooleanValueNode,
    FloatValueNode,
    GraphQLError,
    GraphQLScalarType,
    GraphQLSchema,
    IntValueNode,
    NullValueNode,
    ObjectValueNode,
    StringValueNode,
    ValueNode,
    value_from_ast_untyped,
)

from runtime.domain.tables import Kind
from runtime.domain.values import GREATEST, LEAST


class JSON(graphene.Scalar):  # type: ignore[misc]
    """Any JSON value."""

    serialize = staticmethod(lambda value: value)
    parse_value = staticmethod(lambda value: value)

    @staticmethod
    def parse_literal(node: ValueNode, variables: dict[str, Any] | None = None) -> Any:
        """A literal of any shape."""
        return value_from_ast_untyped(node, variables)


SCALARS: dict[Kind, Any] = {
    Kind.TEXT: graphene.String,
    Kind.INT: BigInt,
    Kind.FLOAT: graphene.Float,
    Kind.BOOL: graphene.Boolean,
    Kind.INSTANT: graphene.DateTime,
    Kind.DATE: graphene.Date,
    Kind.DECIMAL: graphene.Decimal,
    Kind.JSON: JSON,
}


def _big(value: Any) -> int:
    if isinstance(value, str) and value.lstrip("-").isdigit() and value.isascii():
        value = int(value) if len(value) < 21 else LEAST - 1
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise GraphQLError(f"BigInt cannot represent {value!r:.100}: say a whole number, or its digits as a string")
    if not LEAST <= value <= GREATEST:
        raise GraphQLError("BigInt cannot represent a number of more than 64 bits")
    return value


def _decimal(value: Any) -> Decimal:
    if isinstance(value, Decimal):
        return value
    try:
        if isinstance(value, bool) or not isinstance(value, int | str) or len(str(value)) > 1_000:
            raise ValueError
        exact = Decimal(value)
        if not exact.is_finite() or abs(exact.adjusted()) > 1_000:
            raise ValueError
    except (ValueError, InvalidOperation):
        raise GraphQLError(f'Decimal cannot represent {value!r:.100}: say a whole number, or a string such as "9.99"') from None
    return exact


def _instant(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    try:
        instant = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        raise GraphQLError(f"DateTime cannot represent {value!r:.100}: write 2026-01-31T12:00:00Z or an offset") from None
    if instant.tzinfo is None:
        raise GraphQLError(f"DateTime cannot represent {value!r:.100}, which has no zone: write 2026-01-31T12:00:00Z or an offset")
    try:
        instant.astimezone(UTC)
    except OverflowError:
        raise GraphQLError(f"DateTime cannot represent {value!r:.100}: it is outside the years 1 to 9999 in UTC") from None
    return instant


def _day(value: Any) -> date:
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except (ValueError, TypeError):
        raise GraphQLError(f"Date cannot represent {value!r:.100}: write 2026-01-31") from None


def instant_text(value: Any) -> str:
    """An instant as JSON, as msgspec writes it; text is one already."""
    if isinstance(value, str):
        return value
    text: str = value.isoformat()
    return text[:-6] + "Z" if text.endswith("+00:00") else text


def day_text(value: Any) -> str:
    """A day as JSON."""
    return value if isinstance(value, str) else str(value.isoformat())


def decimal_text(value: Any) -> str:
    """A decimal as JSON: text, so that no client makes a float of it."""
    return value if isinstance(value, str) else str(value)


def _literal(parse: Callable[[Any], Any], *kinds: type[ValueNode]) -> Callable[..., Any]:
    def parse_literal(node: ValueNode, _variables: dict[str, Any] | None = None) -> Any:
        if not isinstance(node, kinds):
            raise GraphQLError(f"cannot represent {LITERALS.get(type(node), 'this')}", node)
        value: Any = node.value  # type: ignore[attr-defined]
        try:
            return parse(value)
        except GraphQLError as error:
            raise GraphQLError(error.message, node) from error

    return parse_literal


LITERALS: dict[type, str] = {
    FloatValueNode: "a fraction",
    BooleanValueNode: "a boolean",
    NullValueNode: "null",
    ObjectValueNode: "an object",
    IntValueNode: "a number",
    StringValueNode: "text",
}

SHARP: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], Callable[..., Any]]] = {
    "BigInt": (_big, _big, _literal(_big, IntValueNode, StringValueNode)),
    "Decimal": (decimal_text, _decimal, _literal(_decimal, StringValueNode, IntValueNode, FloatValueNode)),
    "DateTime": (instant_text, _instant, _literal(_instant, StringValueNode)),
    "Date": (day_text, _day, _literal(_day, StringValueNode)),
}

TEXTS = {
    "BigInt": "A whole number of 64 bits, as a JSON number; as input also its digits as a string.",
    "Decimal": 'An exact number, as a string: "9.99".',
    "DateTime": "An instant: 2026-01-31T12:00:00Z. Input may have another offset, never none.",
    "Date": "A day: 2026-01-31.",
}


def sharpen(schema: GraphQLSchema) -> None:
    """Replace how the scalars of a built schema read and write."""
    for name, (serialize, parse_value, parse_literal) in SHARP.items():
        found = schema.type_map.get(name)
        if isinstance(found, GraphQLScalarType):
            found.serialize, found.parse_value = serialize, parse_value  # type: ignore[assignment,method-assign]
            found.parse_literal = parse_literal  # type: ignore[method-assign]
            found.description = TEXTS[name]
