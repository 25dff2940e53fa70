"""What a query may ask: known fields, values of the field's kind, a bounded size; refused with the way out, by every store alike."""

from msgspec.structs import replace

from providers.sql.values import normal
from runtime.domain.filters import COMPARISONS, And, Compare, Filter, In, IsNull, Not, Or, Order, Query, Scalar
from runtime.domain.tables import Column, Kind, Table
from runtime.errors import Malformed

FIRST_MAX = 1_000  # rows a page
VALUES_MAX = 1_000  # comparisons and listed values of one filter
DEPTH_MAX = 32
ORDERS_MAX = 8
TEXT_ONLY = ("starts_with", "contains")


def checked(table: Table, query: Query) -> Query:
    """The query with its values in the columns' own types and no field sorted twice; `Malformed` names what does not fit."""
    if not 1 <= query.first <= FIRST_MAX:
        raise Malformed(f"first: expected 1 to {FIRST_MAX:,}, got {query.first:,}: page with the cursor")
    if len(query.order) > ORDERS_MAX:
        raise Malformed(f"order: at most {ORDERS_MAX} fields, got {len(query.order)}")
    return replace(query, where=_Checker(table).filter(query.where, 0), order=_order(table, query.order))


def _order(table: Table, order: tuple[Order, ...]) -> tuple[Order, ...]:
    first: dict[str, Order] = {}
    for one in order:
        if column_of(table, one.field).kind is Kind.JSON:
            raise Malformed(f"field {one.field!r} of {table.part!r} holds JSON: it has no order")
        first.setdefault(one.field, one)
    return tuple(first.values())


def column_of(table: Table, field: str) -> Column:
    """The column of a field; `Malformed` says which there are."""
    for column in table.columns:
        if column.name == field:
            return column
    raise Malformed(f"field {field!r} is not one of {table.part!r}: it has {', '.join(column.name for column in table.columns)}")


class _Checker:
    __slots__ = ("_left", "_table")

    def __init__(self, table: Table) -> None:
        self._table = table
        self._left = VALUES_MAX

    def filter(self, where: Filter, depth: int) -> Filter:
        if depth > DEPTH_MAX:
            raise Malformed(f"where: nested more than {DEPTH_MAX} deep")
        match where:
            case Compare(field, op, value):
                return Compare(field, op, self._operand(field, op, value))
            case In(field, values):
                return In(field, tuple(self._operand(field, "eq", value) for value in values))
            case IsNull(field):
                self._spend()
                column_of(self._table, field)
                return where
            case And(terms):
                return And(tuple(self.filter(term, depth + 1) for term in terms))
            case Or(terms):
                return Or(tuple(self.filter(term, depth + 1) for term in terms))
            case Not(term):
                return Not(self.filter(term, depth + 1))

    def _operand(self, field: str, op: str, value: Scalar) -> Scalar:
        self._spend()
        column = column_of(self._table, field)
        if op not in COMPARISONS:
            raise Malformed(f"field {field!r}: there is no operator {op!r}, there are {', '.join(COMPARISONS)}")
        if column.kind is Kind.JSON:
            raise Malformed(f"field {field!r} of {self._table.part!r} holds JSON: only IsNull may ask about it")
        if op in TEXT_ONLY and column.kind is not Kind.TEXT:
            raise Malformed(f"field {field!r} is {column.kind}: {op} is for text")
        if value is None:
            return None
        operand = normal(f"field {field!r}", column.kind, value)
        if operand != value:  # not-a-number, or a whole number that no float equals
            raise Malformed(f"field {field!r}: cannot be compared with {value!r}")
        return operand

    def _spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Malformed(f"where: more than {VALUES_MAX:,} comparisons and values")
