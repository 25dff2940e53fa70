"""Values of the ReadStore port in sentences: what every kind of column holds, and what none may."""

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from runtime.domain.filters import Compare, IsNull, Query
from runtime.errors import Malformed
from runtime.ports import ReadStore, Row, RowWrite
from tests.conformance.read_stores import (
    EVERY_KIND,
    NOON,
    keys,
    place,
    sample,
    store,
    write,
)

__all__ = ["place", "store"]


# values


def test_every_kind_of_value_comes_back_as_it_was(store: ReadStore) -> None:
    full: dict[str, Any] = {
        "a_text": "ö \"quoted\" \\ 'single' {brace,} 🚀 NULL",
        "a_int": -(2**63) + 1,
        "a_float": 0.1 + 0.2,
        "a_bool": True,
        "a_instant": NOON,
        "a_date": date(2013, 2, 28),
        "a_decimal": Decimal("12345678901234567890.123456789"),
        "a_json": '{"a": ["\\u00e9", null, "\\""]}',
    }
    write(store, rows=[sample("full", **full), sample("empty"), sample("blank", a_text="", a_json="null", a_bool=False, a_int=0)])
    rows = dict(store.query(1, EVERY_KIND, Query()).rows)
    assert rows["full"] == Row(tuple(full.values()), 1)
    assert rows["empty"].values == (None,) * 8
    assert rows["blank"].values == ("", 0, None, False, None, None, None, "null")
    assert store.get("rows", 1, "sample", "full", "").row == rows["full"]
    values = rows["full"].values
    assert values is not None
    assert [type(value) for value in values] == [str, int, float, bool, datetime, date, Decimal, str]
    assert isinstance(values[4], datetime)
    assert values[4].utcoffset() == timedelta(0)


def test_an_instant_of_another_zone_is_the_same_instant(store: ReadStore) -> None:
    write(store, rows=[sample("a", a_instant=NOON.astimezone(timezone(timedelta(hours=-5))))])
    assert keys(store, EVERY_KIND, Compare("a_instant", "eq", NOON)) == ["a"]


def test_not_a_number_is_no_value(store: ReadStore) -> None:
    write(store, rows=[sample("a", a_float=float("nan"), a_decimal=Decimal("NaN")), sample("b", a_float=float("inf"))])
    assert keys(store, EVERY_KIND, IsNull("a_float")) == ["a"]
    assert keys(store, EVERY_KIND, IsNull("a_decimal")) == ["a", "b"]
    assert keys(store, EVERY_KIND, Compare("a_float", "gt", 1e300)) == ["b"]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("a_text", "nul \x00"),
        ("a_text", 5),
        ("a_int", 2**63),
        ("a_int", "5"),
        ("a_float", "5"),
        ("a_bool", "yes"),
        ("a_instant", datetime(2013, 1, 1)),
        ("a_instant", "2013-01-01"),
        ("a_date", "2013-01-01"),
        ("a_decimal", 1.5),
        ("a_decimal", Decimal("Infinity")),
        ("a_json", "\x00"),
    ],
)
def test_a_value_that_some_database_could_not_hold_is_refused_by_all_with_its_column(store: ReadStore, column: str, value: Any) -> None:
    with pytest.raises(Malformed, match=rf"sample\['bad'\]\.{column}"):
        refused(store, [sample("good", a_int=1), sample("bad", **{column: value})])
    assert keys(store, EVERY_KIND) == []


def refused(store: ReadStore, rows: list[RowWrite]) -> None:
    from runtime.ports import Writes

    tx = store.begin("rows", 1)
    tx.lock([0])
    try:
        tx.write(Writes(rows=rows))
    finally:
        tx.rollback()


def test_a_row_with_too_few_values_is_refused(store: ReadStore) -> None:
    with pytest.raises(Malformed, match="1 values for 3 columns"):
        refused(store, [RowWrite("ticket", "a", "", ("a",), 1)])
