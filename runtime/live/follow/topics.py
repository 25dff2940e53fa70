"""Which changes can concern a subscription: its filter as a few topics, so that a change finds its subscribers without asking the others.

    one key  >  a column equals one of few values  >  the whole part

A row that passes the filter, before or after a change, has at least one of the filter's topics; whether it really passes is asked
afterwards. A topic is text, so that a stateless gateway can store it as the name of an index entry.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from runtime.domain.filters import And, Compare, Filter, In, IsNull, Not, Or
from runtime.domain.tables import Kind, Table
from runtime.live.follow.matching import Moved
from runtime.live.plans import Plan

type Topic = str
type Equal = tuple[str, Any]  # a column and the value it has

KEY, WHOLE = "#", "*"  # where a column's name would stand, which is an identifier
VALUES_MAX = 100  # topics of one plan, beyond which it follows the whole part
LONGEST = 200  # characters of a value, beyond which its hash stands for it


def topics_of(plan: Plan, table: Table, key_fields: Sequence[str] = ()) -> tuple[Topic, ...]:
    """The plan's topics: none for a filter that nothing passes. `key_fields` are columns that a single row is found by."""
    if plan.key:
        return (key_topic(plan.part, plan.tenant, plan.key),)
    equals = _cover(plan.where, _Worth(table, key_fields))
    if equals is None:
        return (whole_topic(plan.part, plan.tenant),)
    return tuple(sorted({value_topic(plan.part, plan.tenant, column, value) for column, value in equals}))


def topics_of_change(moved: Moved, columns: Iterable[str]) -> set[Topic]:
    """A change's topics: its key, its part, and both the old and the new value of each of `columns`, on which somebody is indexed."""
    part, tenant = moved.part, moved.tenant
    topics = {key_topic(part, tenant, moved.key), whole_topic(part, tenant)}
    for column in columns:
        topics.update(value_topic(part, tenant, column, row[column]) for row in (moved.before, moved.after) if row is not None)
    return topics


def column_of(topic: Topic) -> str:
    """The column that a topic is about; "" for a key or a whole part."""
    name = topic.split("/", 2)[2].partition("=")[0]
    return "" if name in (KEY, WHOLE) else name


def key_topic(part: str, tenant: str, key: str) -> Topic:
    """One row, by its stored key."""
    return f"{part}/{tenant}/{KEY}={_short(key)}"


def whole_topic(part: str, tenant: str) -> Topic:
    """Every row of a part."""
    return f"{part}/{tenant}/{WHOLE}"


def value_topic(part: str, tenant: str, column: str, value: Any) -> Topic:
    """Rows whose column equals a value: equal values, of whatever type, have one text."""
    return f"{part}/{tenant}/{column}={_text(value)}"


def _text(value: Any) -> str:
    match value:
        case str():
            return _short(f"s:{value}")
        case None:
            return "null"
        case datetime():  # before date, of which it is one
            return f"t:{value.astimezone(UTC).isoformat()}" if value.tzinfo is not None else f"l:{value.isoformat()}"
        case date():
            return f"d:{value.isoformat()}"
        case bool() | int():
            return f"n:{int(value)}"
        case float() | Decimal():
            return f"n:{_exact(value)}"
        case _:
            return WHOLE  # never written for a plan, see _Worth


def _exact(number: float | Decimal) -> str:
    """1, 1.0 and Decimal("1.00") are equal, 0.1 and Decimal("0.1") are not."""
    exact = Decimal(number)
    if not exact.is_finite():
        return str(exact)
    numerator, denominator = exact.as_integer_ratio()
    return str(numerator) if denominator == 1 else f"{numerator}/{denominator}"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"h:{blake2b(text.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"


# filter to equalities
class _Worth:
    """How few rows one value of a column is likely to have: smaller is better."""

    __slots__ = ("_ranks",)

    def __init__(self, table: Table, key_fields: Sequence[str]) -> None:
        self._ranks = {
            column.name: _rank(column.kind, column.name in key_fields) for column in table.columns if column.kind is not Kind.JSON
        }

    def takes(self, column: str) -> bool:
        """Whether a topic may be made of the column: JSON columns have none."""
        return column in self._ranks

    def of(self, equals: Collection[Equal]) -> int:
        """What following all these costs."""
        return sum(self._ranks[column] * (10 if value is None else 1) for column, value in equals)


def _rank(kind: Kind, key: bool) -> int:
    return 1 if key else 100 if kind is Kind.BOOL else 5


def _cover(where: Filter, worth: _Worth) -> frozenset[Equal] | None:
    """Equalities of which every passing row has at least one; None when there are none to be found, or too many."""
    match where:
        case Compare(field, "eq", value) if worth.takes(field):
            return frozenset([(field, value)])
        case In(field, values) if worth.takes(field):
            return _bounded((field, value) for value in values)
        case IsNull(field) if worth.takes(field):
            return frozenset([(field, None)])
        case And(terms):
            covers = [cover for cover in (_cover(term, worth) for term in terms) if cover is not None]
            return min(covers, key=worth.of, default=None)
        case Or(terms):
            return _union([_cover(term, worth) for term in terms])
        case Not(term):
            turned = _turned(term)
            return None if turned is None else _cover(turned, worth)
        case _:
            return None


def _union(covers: Sequence[frozenset[Equal] | None]) -> frozenset[Equal] | None:
    found: list[Equal] = []
    for cover in covers:
        if cover is None:
            return None
        found += cover
    return _bounded(found)


def _bounded(equals: Iterable[Equal]) -> frozenset[Equal] | None:
    found = frozenset(equals)
    return found if len(found) <= VALUES_MAX else None


def _turned(term: Filter) -> Filter | None:
    """`not term` with the not pushed inwards; None where that says nothing about equality."""
    match term:
        case Compare(field, "ne", value):
            return Compare(field, "eq", value)
        case Not(inner):
            return inner
        case And(terms):
            return Or(tuple(Not(one) for one in terms))
        case Or(terms):
            return And(tuple(Not(one) for one in terms))
        case _:
            return None
