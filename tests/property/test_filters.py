"""Any filter over any rows: every store answers exactly the rows that `runtime.domain.filters.matches` lets pass, in the one order."""

import itertools
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from runtime.domain.filters import And, Compare, Filter, In, IsNull, Not, Or, Order, Query, matches
from runtime.domain.tables import Column, Group, Kind, Table
from runtime.ports import Phase, ReadStore, RowWrite, Writes
from tests.conformance.read_stores import PROVIDERS, opener
from tests.rounds import rounds

SAMPLES = Table("sample", tuple(Column(f"a_{kind}", kind) for kind in Kind if kind is not Kind.JSON))
NAMES = [column.name for column in SAMPLES.columns]

TEXTS = st.text(st.characters(exclude_characters="\x00", codec="utf-8"), max_size=4)
VALUES: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.TEXT: st.sampled_from(["", "a", "A", "ab", "b", "%", "_", "ä", "\uffff", "🚀", "'", '"', "\\"]) | TEXTS,
    Kind.INT: st.integers(-2, 2) | st.integers(-(2**63) + 1, 2**63 - 1),
    Kind.FLOAT: st.sampled_from([0.0, -0.0, 0.1, 0.5, float("inf"), float("-inf"), 1e300]) | st.floats(allow_nan=False),
    Kind.BOOL: st.booleans(),
    Kind.INSTANT: st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(lambda naive: naive.replace(tzinfo=UTC))
    | st.sampled_from([datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 1, 1, 0, 0, 0, 1, tzinfo=UTC)]),
    Kind.DATE: st.dates() | st.sampled_from([date(2013, 1, 1), date(999, 12, 31)]),
    Kind.DECIMAL: st.sampled_from([Decimal(0), Decimal("-0"), Decimal("1.10"), Decimal("1.1"), Decimal("9.5"), Decimal(10)])
    | st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20),
}


def value_of(kind: Kind) -> st.SearchStrategy[Any]:
    return st.none() | VALUES[kind]


@st.composite
def comparisons(draw: st.DrawFn) -> Filter:
    column = draw(st.sampled_from(SAMPLES.columns))
    form = draw(st.sampled_from(["compare", "compare", "in", "null"]))
    if form == "null":
        return IsNull(column.name)
    if form == "in":
        return In(column.name, tuple(draw(st.lists(value_of(column.kind), max_size=3))))
    ops = ["eq", "ne", "lt", "le", "gt", "ge"] + (["starts_with", "contains"] * 2 if column.kind is Kind.TEXT else [])
    return Compare(column.name, draw(st.sampled_from(ops)), draw(value_of(column.kind)))


def combined(terms: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
    several = st.lists(terms, max_size=3).map(tuple)
    return several.map(And) | several.map(Or) | terms.map(Not)


FILTERS = st.recursive(comparisons(), combined, max_leaves=6)
ROWS = st.lists(st.tuples(*(value_of(column.kind) for column in SAMPLES.columns)), max_size=8)
ORDERS = st.lists(st.builds(Order, st.sampled_from(NAMES), st.booleans()), max_size=3).map(tuple)


class Stores:
    """A store with a tenant of its own for every example, so that no example sees another's rows."""

    def __init__(self, store: ReadStore) -> None:
        self.store = store
        self._tenants = itertools.count(1)
        store.create(Group("rows", (SAMPLES,), "h"), Phase.LIVE, 1)

    def write(self, rows: Sequence[tuple[Any, ...]]) -> str:
        tenant = f"t{next(self._tenants)}"
        tx = self.store.begin("rows", 1)
        tx.lock([0])
        tx.write(Writes(rows=[RowWrite("sample", f"{tenant}/{n}", tenant, row, 1) for n, row in enumerate(rows)]))
        tx.commit()
        return tenant


@pytest.fixture(scope="module", params=PROVIDERS)
def stores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    folder: Path = tmp_path_factory.mktemp("filters")
    store = opener(request.param, folder, lambda: str(request.getfixturevalue("shared_url")))()
    yield Stores(store)
    store.close()


def expected(rows: Sequence[tuple[Any, ...]], where: Filter, order: Sequence[Order]) -> list[int]:
    """Stable sorts from the last field to the first, written independently of any store."""
    found = [n for n, row in enumerate(rows) if matches(where, dict(zip(NAMES, row, strict=True)))]
    for one in reversed(order):
        position = NAMES.index(one.field)
        absent = [n for n in found if rows[n][position] is None]
        there = [n for n in found if rows[n][position] is not None]
        there.sort(key=lambda n, at=position: rows[n][at], reverse=one.descending)  # type: ignore[misc]
        found = there + absent if one.descending else absent + there
    return found


@pytest.mark.rounds
@settings(max_examples=rounds(500), deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(rows=ROWS, where=FILTERS, order=ORDERS, first=st.integers(1, 4))
def test_every_store_answers_what_matches_lets_pass_page_by_page_in_the_one_order(
    stores: Stores, rows: list[tuple[Any, ...]], where: Filter, order: tuple[Order, ...], first: int
) -> None:
    tenant = stores.write(rows)
    query = Query(where, order, first, tenant=tenant)
    found: list[int] = []
    while True:
        page = stores.store.query(1, SAMPLES, query)
        found += [int(key.partition("/")[2]) for key, _ in page.rows]
        for key, row in page.rows:
            assert row.values == rows[int(key.partition("/")[2])]
        if not page.cursor:
            break
        assert len(page.rows) == first
        query = replace(query, cursor=page.cursor)
    assert found == expected(rows, where, order)
