"""A filter as SQL with the very meaning of `runtime.domain.filters.matches`: two-valued, None first, text by code point.

SQL's own logic has a third value, unknown. Every comparison here says what it does with NULL, so no expression is ever unknown
and `NOT` means what it says.
"""

from collections.abc import Sequence
from typing import Any, assert_never

from providers.sql.asked import column_of
from providers.sql.dialect import Dialect
from runtime.domain.filters import And, Compare, Filter, In, IsNull, Not, Or, Order, Query, Scalar
from runtime.domain.tables import Kind, Table, Value

_OPERATORS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}


class Statement:
    """SQL text and its values, grown together."""

    __slots__ = ("_dialect", "_table", "values")

    def __init__(self, dialect: Dialect, table: Table) -> None:
        self._dialect = dialect
        self._table = table
        self.values: list[Any] = []

    def page(self, source: str, query: Query, after: tuple[list[Value], str] | None, limit: int) -> str:
        """Select the rows of a checked query after a place, with key and revision before their columns."""
        wanted = ["NOT _gone"]
        if query.tenant is not None:
            wanted.append(f"_tenant = {self._text(query.tenant)}")
            if query.tenant:
                wanted.append("_tenant <> ''")  # says to the planner that the partial index has them all
        if query.key:
            wanted.append(f"_key = {self._text(query.key)}")
        wanted.append(self.filter(query.where))
        if after is not None:
            wanted.append(self.after(query.order, *after))
        columns = "".join(f", {self._dialect.quote(column.name)}" for column in self._table.columns)
        return f"SELECT _key, _n{columns} FROM {source} WHERE {' AND '.join(wanted)} ORDER BY {self.order(query.order)} LIMIT {limit}"

    def order(self, order: Sequence[Order]) -> str:
        """None first ascending, last descending; the key breaks ties."""
        sorts = [f"{self._dialect.quote(one.field)} {'DESC NULLS LAST' if one.descending else 'ASC NULLS FIRST'}, " for one in order]
        return "".join(sorts) + "_key"

    def filter(self, where: Filter) -> str:
        """A condition that is true or false for every row."""
        match where:
            case Compare(field, op, value):
                return self._compare(field, op, value)
            case In(field, values):
                return self._in(field, values)
            case IsNull(field):
                return f"{self._dialect.quote(field)} IS NULL"
            case And(terms):
                return self._join(terms, " AND ", "TRUE")
            case Or(terms):
                return self._join(terms, " OR ", "FALSE")
            case Not(term):
                return f"NOT {self.filter(term)}" if isinstance(term, And | Or) else f"NOT ({self.filter(term)})"
            case _:
                assert_never(where)

    def after(self, order: Sequence[Order], values: Sequence[Value], key: str) -> str:
        """The rows that sort after a place."""
        if not order:
            return f"_key > {self._text(key)}"
        first, value = order[0], values[0]
        column = self._dialect.quote(first.field)
        if value is None:
            beyond, same = "FALSE" if first.descending else f"{column} IS NOT NULL", f"{column} IS NULL"
        else:
            beyond = self._compare(first.field, "lt" if first.descending else "gt", value)
            if first.descending:
                beyond = f"({beyond} OR {column} IS NULL)"
            same = self._compare(first.field, "eq", value)
        return f"({beyond} OR ({same} AND {self.after(order[1:], values[1:], key)}))"

    def _compare(self, field: str, op: str, value: Scalar) -> str:
        column = self._dialect.quote(field)
        if value is None:
            return {"eq": f"{column} IS NULL", "ne": f"{column} IS NOT NULL"}.get(op, "FALSE")
        mark = self._value(field, value)
        match op:
            case "eq":
                return f"({column} = {mark} AND {column} IS NOT NULL)"
            case "ne":
                return f"({column} <> {mark} OR {column} IS NULL)"
            case "starts_with":
                return f"({column} IS NOT NULL AND {self._dialect.starts_with.format(c=column, v=mark)})"
            case "contains":
                return f"({column} IS NOT NULL AND {self._dialect.contains.format(c=column, v=mark)})"
            case _:
                return f"({column} {_OPERATORS[op]} {mark} AND {column} IS NOT NULL)"

    def _in(self, field: str, values: Sequence[Scalar]) -> str:
        column = self._dialect.quote(field)
        marks = ", ".join([self._value(field, value) for value in values if value is not None])
        listed = f"({column} IS NOT NULL AND {column} IN ({marks}))" if marks else "FALSE"
        return f"({listed} OR {column} IS NULL)" if None in values else listed

    def _join(self, terms: Sequence[Filter], word: str, none: str) -> str:
        """Halved and halved again: SQLite bounds how deep an expression nests, and `a OR b OR c …` nests once for each term."""
        if len(terms) > 2:
            middle = len(terms) // 2
            return f"({self._join(terms[:middle], word, none)}{word}{self._join(terms[middle:], word, none)})"
        return f"({word.join([self.filter(term) for term in terms]) or none})"

    def _value(self, field: str, value: Value) -> str:
        kind = column_of(self._table, field).kind
        self.values.append(self._dialect.bound(kind, value))
        return self._dialect.marks[kind]

    def _text(self, value: str) -> str:
        self.values.append(value)
        return self._dialect.marks[Kind.TEXT]
