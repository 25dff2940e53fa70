"""Rows of every kind, changes of them, and any filter over them: what the gateway's own tests share."""

from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import strategies as st

from runtime.domain.filters import EVERYTHING, Filter
from runtime.domain.rows import changed
from runtime.domain.tables import Column, Kind, Table, Value
from runtime.live.follow.matching import Moved, Reader
from runtime.live.plans import Plan
from runtime.ports import Change
from tests.property.test_filters import FILTERS, SAMPLES, value_of

__all__ = ["FILTERS", "ROW", "TABLE", "change", "moved", "plan"]

TABLE = Table(SAMPLES.part, (*SAMPLES.columns, Column("a_json", Kind.JSON)))
READER = Reader(TABLE)
JSON = st.none() | st.recursive(st.integers(-9, 9) | st.text(max_size=3), lambda inner: st.lists(inner, max_size=3), max_leaves=3).map(
    lambda value: msgspec.json.encode(value).decode()
)


def _finite(value: Any) -> bool:
    return not isinstance(value, float) or value - value == 0.0  # what a row codec lets into a row


ROW = st.tuples(*(value_of(column.kind).filter(_finite) for column in SAMPLES.columns), JSON)


def plan(where: Filter = EVERYTHING, *, part: str = "sample", tenant: str = "", key: str = "", after: str = "", cohort: str = "c") -> Plan:
    """A plan on the sample rows."""
    return Plan(part, "rows", where, tenant, key, after, cohort)


def change(
    key: str,
    revision: int,
    before: Sequence[Value] | None,
    after: Sequence[Value] | None,
    *,
    shard: int = 0,
    number: int = 1,
    tenant: str = "",
) -> Change:
    """A change as a projector logs it."""
    return Change(shard, number, "sample", key, tenant, revision, *changed(TABLE.columns, before, after))


def moved(*args: Any, **others: Any) -> Moved:
    """The same, ready to be matched."""
    return Moved(READER, change(*args, **others), 1)
