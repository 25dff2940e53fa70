"""Filter, sort and page in plain Python: what every store's own query is compared with."""

from collections.abc import Callable, Mapping, Sequence
from functools import cmp_to_key
from typing import Any

from providers.memory.rows_state import Stored
from providers.sql import cursors
from runtime.domain.filters import Order, Query, matches
from runtime.domain.tables import Table, Value
from runtime.ports import Page, Row


def page(table: Table, query: Query, rows: Mapping[str, Stored]) -> Page:
    """At most `first` rows after the cursor's place."""
    names = [column.name for column in table.columns]
    positions = [names.index(order.field) for order in query.order]
    compare = _comparing(query.order)
    after = cursors.read(table, query)
    found: list[tuple[Place, Stored]] = []
    for key, stored in rows.items():
        if stored.values is None or (query.tenant is not None and stored.tenant != query.tenant) or (query.key and key != query.key):
            continue
        place = ([stored.values[position] for position in positions], key)
        if after is not None and compare(place, after) <= 0:
            continue
        if matches(query.where, dict(zip(names, stored.values, strict=True))):
            found.append((place, stored))
    by_place = cmp_to_key(compare)
    found.sort(key=lambda one: by_place(one[0]))
    shown = found[: query.first]
    answered = [(place[1], Row(stored.values, stored.revision)) for place, stored in shown]
    return cursors.page(table, query, answered, len(found) > len(shown))


type Place = tuple[list[Value], str]  # what sorts a row: its values of the fields sorted by, then its key


def _comparing(order: Sequence[Order]) -> Callable[[Place, Place], int]:
    """Which of two places comes first: each value in its direction, None before everything, then the key."""

    def compare(a: Place, b: Place) -> int:
        for one, left, right in zip(order, a[0], b[0], strict=True):
            if found := _compare(left, right):
                return -found if one.descending else found
        return _compare(a[1], b[1])

    return compare


def _compare(a: Any, b: Any) -> int:
    if a is None or b is None:
        return (a is not None) - (b is not None)
    return int(a > b) - int(a < b)
