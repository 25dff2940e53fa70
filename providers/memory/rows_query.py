"""Filter, sort and page in plain Python: what every store's own query is compared with."""

from collections.abc import Mapping, Sequence
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
    after = cursors.read(table, query)
    place = None if after is None else _place(query.order, after[1], after[0])
    found = []
    for key, stored in rows.items():
        if stored.values is None or (query.tenant is not None and stored.tenant != query.tenant):
            continue
        if matches(query.where, dict(zip(names, stored.values, strict=True))):
            found.append((_place(query.order, [stored.values[position] for position in positions], key), key, stored))
    found.sort(key=lambda one: one[0])
    rest = [one for one in found if place is None or one[0] > place]
    shown = rest[: query.first]
    cursor = ""
    if len(rest) > len(shown):
        _, key, stored = shown[-1]
        assert stored.values is not None
        cursor = cursors.write(table, query, key, [stored.values[position] for position in positions])
    return Page([(key, Row(stored.values, stored.revision)) for _, key, stored in shown], cursor)


def _place(order: Sequence[Order], values: Sequence[Value], key: str) -> tuple[Any, ...]:
    """What sorts a row: each value in its direction, then the key."""
    return (*(_Down(value) if one.descending else _Up(value) for one, value in zip(order, values, strict=True)), key)


class _Up:
    """A value in ascending order; None comes first."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Up) and self.value == other.value

    def __lt__(self, other: "_Up") -> bool:
        return other.value is not None and (self.value is None or bool(self.value < other.value))

    def __gt__(self, other: "_Up") -> bool:
        return _Up.__lt__(other, self)

    __hash__ = None  # type: ignore[assignment]  # for sorting only


class _Down(_Up):
    """The other way round; None comes last."""

    __slots__ = ()

    def __lt__(self, other: _Up) -> bool:
        return _Up.__lt__(other, self)

    def __gt__(self, other: _Up) -> bool:
        return _Up.__lt__(self, other)
