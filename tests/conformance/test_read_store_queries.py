"""Queries of the ReadStore port in sentences: one meaning of filter, sort and page on every provider."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from runtime.domain.filters import And, Compare, Filter, In, IsNull, Not, Or, Order, Query
from runtime.domain.tables import Column, Kind, Table
from runtime.errors import Fenced, Malformed, Misconfigured
from runtime.ports import ReadStore, RowWrite
from tests.conformance.read_stores import (
    EVERY_KIND,
    NOON,
    TICKETS,
    gone,
    keys,
    place,
    sample,
    store,
    ticket,
    write,
)

__all__ = ["place", "store"]


# filters


def test_comparisons_hold_for_every_kind(store: ReadStore) -> None:
    low: dict[str, Any] = {
        "a_text": "Z",
        "a_int": -5,
        "a_float": -0.5,
        "a_bool": False,
        "a_instant": NOON - timedelta(microseconds=1),
        "a_date": date(999, 1, 1),
        "a_decimal": Decimal("9.5"),
    }
    high: dict[str, Any] = {
        "a_text": "a",
        "a_int": 3,
        "a_float": 1e20,
        "a_bool": True,
        "a_instant": NOON,
        "a_date": date(2013, 1, 1),
        "a_decimal": Decimal("10"),
    }
    write(store, rows=[sample("low", **low), sample("high", **high), sample("none")])
    for field in low:
        found = {op: keys(store, EVERY_KIND, Compare(field, op, high[field])) for op in ("eq", "ne", "lt", "le", "gt", "ge")}
        assert found == {"eq": ["high"], "ne": ["low", "none"], "lt": ["low"], "le": ["high", "low"], "gt": [], "ge": ["high"]}, field
        assert keys(store, EVERY_KIND, In(field, (low[field], None))) == ["low", "none"], field
        assert keys(store, EVERY_KIND, order=(Order(field),)) == ["none", "low", "high"], field
        assert keys(store, EVERY_KIND, order=(Order(field, descending=True),)) == ["high", "low", "none"], field


def test_decimals_are_compared_as_numbers(store: ReadStore) -> None:
    write(store, rows=[sample("a", a_decimal=Decimal("1.10")), sample("b", a_decimal=Decimal("1.1")), sample("c", a_decimal=Decimal("-7"))])
    assert keys(store, EVERY_KIND, Compare("a_decimal", "eq", Decimal("1.100"))) == ["a", "b"]
    assert keys(store, EVERY_KIND, In("a_decimal", (Decimal("1.100"), -7))) == ["a", "b", "c"]
    assert keys(store, EVERY_KIND, Compare("a_decimal", "lt", 1)) == ["c"]


def test_logic_has_two_values(store: ReadStore) -> None:
    write(store, rows=[ticket("a", 1), ticket("b", 2), ticket("c", None)])
    assert keys(store, where=Not(Compare("quantity", "gt", 1))) == ["a", "c"]
    assert keys(store, where=Compare("quantity", "ne", 1)) == ["b", "c"]
    assert keys(store, where=Compare("quantity", "eq", None)) == ["c"]
    assert keys(store, where=Compare("quantity", "ne", None)) == ["a", "b"]
    assert keys(store, where=Compare("quantity", "le", None)) == []
    assert keys(store, where=Not(Compare("quantity", "le", None))) == ["a", "b", "c"]
    assert keys(store, where=Not(In("quantity", (1,)))) == ["b", "c"]
    assert keys(store, where=In("quantity", ())) == []
    assert keys(store, where=Not(IsNull("quantity"))) == ["a", "b"]
    assert keys(store, where=Or(())) == []
    assert keys(store, where=Or((Compare("quantity", "eq", 1), And((IsNull("quantity"), Not(Or(()))))))) == ["a", "c"]


def test_text_is_searched_as_it_is_written(store: ReadStore) -> None:
    for key in ("50%_off", "50 off", "A%", "a\\b", "äöü", "x'y\"z"):
        write(store, rows=[ticket(key)])
    assert keys(store, where=Compare("order", "starts_with", "50%")) == ["50%_off"]
    assert keys(store, where=Compare("order", "contains", "_")) == ["50%_off"]
    assert keys(store, where=Compare("order", "starts_with", "a")) == ["a\\b"]
    assert keys(store, where=Compare("order", "contains", "öü")) == ["äöü"]
    assert keys(store, where=Compare("order", "contains", "'y\"")) == ["x'y\"z"]
    assert len(keys(store, where=Compare("order", "contains", ""))) == 6
    assert len(keys(store, where=Compare("order", "starts_with", ""))) == 6
    assert keys(store, where=Compare("order", "starts_with", "off")) == []


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (Query(Compare("colour", "eq", "red")), "field 'colour' is not one of 'sample': it has a_text, a_int"),
        (Query(IsNull("colour")), "field 'colour' is not one of 'sample'"),
        (Query(order=(Order("colour"),)), "field 'colour' is not one of 'sample'"),
        (Query(Compare("a_int", "like", 1)), "field 'a_int': there is no operator 'like', there are eq, ne"),
        (Query(Compare("a_int", "eq", "1")), "field 'a_int': expected a whole number, got '1'"),
        (Query(Compare("a_int", "eq", 2**70)), "field 'a_int': expected a whole number of 64 bits"),
        (Query(In("a_date", (NOON,))), "field 'a_date': expected a date"),
        (Query(Compare("a_instant", "lt", datetime(2013, 1, 1))), "field 'a_instant': expected a datetime with a zone"),
        (Query(Compare("a_float", "lt", float("nan"))), "field 'a_float': cannot be compared with nan"),
        (Query(Compare("a_int", "contains", 1)), "field 'a_int' is int: contains is for text"),
        (Query(Compare("a_json", "eq", "{}")), "field 'a_json' of 'sample' holds JSON: only IsNull may ask about it"),
        (Query(order=(Order("a_json"),)), "field 'a_json' of 'sample' holds JSON: it has no order"),
        (Query(first=0), "first: expected 1 to 1,000, got 0"),
        (Query(first=1001), "first: expected 1 to 1,000, got 1,001"),
        (Query(In("a_int", tuple(range(1001)))), "where: more than 1,000 comparisons and values"),
        (Query(cursor="nonsense"), "cursor: not one that a page of this query gave"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_way_out(store: ReadStore, query: Query, text: str) -> None:
    with pytest.raises(Malformed) as refused:
        store.query(1, EVERY_KIND, query)
    assert text in str(refused.value)


def test_a_filter_that_is_nested_too_deep_is_refused(store: ReadStore) -> None:
    where: Filter = IsNull("a_int")
    for _ in range(40):
        where = Not(where)
    with pytest.raises(Malformed, match="where: nested more than 32 deep"):
        store.query(1, EVERY_KIND, Query(where))


def test_a_filter_as_large_as_allowed_is_answered(store: ReadStore) -> None:
    write(store, rows=[ticket("a", 999)])
    wide = Or(tuple(Compare("quantity", "eq", n) for n in range(1000)))
    assert keys(store, where=wide) == ["a"]
    assert keys(store, where=In("quantity", tuple(range(1000)))) == ["a"]


# which rows


def test_tombstones_and_placeholders_are_left_out(store: ReadStore) -> None:
    write(store, rows=[ticket("a"), ticket("b")])
    write(store, rows=[gone("a", 2)])
    tx = store.begin("rows", 1)
    tx.lock([0])
    tx.lock_rows("ticket", ["c"])
    tx.commit()
    assert keys(store) == ["b"]
    assert keys(store, where=IsNull("quantity")) == []


def test_a_tenant_sees_its_own_rows_and_an_operator_sees_all(store: ReadStore) -> None:
    rows = [ticket("acme/1", tenant="acme"), ticket("acme/2", tenant="acme"), ticket("umbrella/1", tenant="umbrella"), ticket("1")]
    write(store, rows=rows)
    assert keys(store, tenant="acme") == ["acme/1", "acme/2"]
    assert keys(store, tenant="umbrella", where=Compare("quantity", "eq", 1)) == ["umbrella/1"]
    assert keys(store) == ["1"]
    assert keys(store, tenant="other") == []
    assert len(keys(store, tenant=None)) == 4


def test_a_table_that_is_not_the_generations_is_refused(store: ReadStore) -> None:
    with pytest.raises(Misconfigured, match="has other columns"):
        store.query(1, Table("ticket", (Column("order", Kind.INT),)), Query())
    with pytest.raises(Fenced):
        store.query(2, TICKETS, Query())
    with pytest.raises(Fenced):
        store.query(1, Table("nothing", ()), Query())


# sorting and paging


def test_rows_come_by_key_in_code_point_order_unless_told(store: ReadStore) -> None:
    write(store, rows=[ticket(key) for key in ("b", "a", "B", "ä", "a-1", "🚀", "～")])
    assert keys(store) == ["B", "a", "a-1", "b", "ä", "～", "🚀"]


def pages(store: ReadStore, query: Query) -> list[list[str]]:
    found = []
    while True:
        page = store.query(1, TICKETS, query)
        found.append([key for key, _ in page.rows])
        if not page.cursor:
            return found
        query = replace(query, cursor=page.cursor)


@pytest.mark.parametrize("descending", [False, True])
def test_pages_together_are_the_whole_in_order_with_the_key_as_tie_break(store: ReadStore, descending: bool) -> None:
    quantities = {"a": 2, "b": None, "c": 1, "d": 2, "e": None, "f": 1, "g": 2}
    write(store, rows=[ticket(key, quantity) for key, quantity in quantities.items()])
    found = pages(store, Query(order=(Order("quantity", descending),), first=2))
    up = [["b", "e"], ["c", "f"], ["a", "d"], ["g"]]
    down = [["a", "d"], ["g", "c"], ["f", "b"], ["e"]]
    assert found == (down if descending else up)


def test_several_fields_sort_each_in_its_direction(store: ReadStore) -> None:
    write(store, rows=[RowWrite("ticket", key, "", value, 1) for key, value in {
        "a": ("x", 1, Decimal(2)), "b": ("x", 2, Decimal(2)), "c": ("y", 1, None), "d": ("y", 1, Decimal(10)), "e": (None, 1, Decimal(2)),
    }.items()])  # fmt: skip
    order = (Order("order", True), Order("quantity"), Order("price", True), Order("order"))
    assert pages(store, Query(order=order, first=1)) == [["d"], ["c"], ["a"], ["b"], ["e"]]


def test_the_last_page_has_no_cursor(store: ReadStore) -> None:
    write(store, rows=[ticket("a"), ticket("b")])
    assert store.query(1, TICKETS, Query(first=2)).cursor == ""
    assert store.query(1, TICKETS, Query(first=1)).cursor != ""
    assert store.query(1, TICKETS, Query(Compare("order", "eq", "zz"))) == type(store.query(1, TICKETS, Query()))([], "")


def test_paging_is_stable_while_others_write(store: ReadStore) -> None:
    write(store, rows=[ticket(f"o-{n}", n) for n in (10, 20, 30, 40)])
    query = Query(order=(Order("quantity"),), first=2)
    page = store.query(1, TICKETS, query)
    assert [key for key, _ in page.rows] == ["o-10", "o-20"]
    write(store, rows=[ticket("o-5", 5), ticket("o-25", 25), gone("o-20", 2), ticket("o-10", 45, 2)])
    rest = store.query(1, TICKETS, replace(query, cursor=page.cursor))
    assert [key for key, _ in rest.rows] == ["o-25", "o-30"]
    assert [key for key, _ in store.query(1, TICKETS, replace(query, cursor=rest.cursor)).rows] == ["o-40", "o-10"]


def test_a_page_goes_on_after_any_of_its_rows(store: ReadStore) -> None:
    write(store, rows=[ticket(f"o-{n}", n % 3) for n in range(6)])
    query = Query(order=(Order("quantity", True),), first=4)
    page = store.query(1, TICKETS, query)
    whole = [key for key, _ in store.query(1, TICKETS, replace(query, first=6)).rows]
    for position in range(4):
        rest = store.query(1, TICKETS, replace(query, cursor=page.after(position), first=6))
        assert [key for key, _ in rest.rows] == whole[position + 1 :]
    assert page.after(3) == page.cursor


def test_the_row_of_a_key_is_found_if_it_passes_the_filter_and_belongs_to_the_tenant(store: ReadStore) -> None:
    write(store, rows=[ticket("a", 1), ticket("b", 1), ticket("t/a", 1, tenant="t"), ticket("d", 1)])
    write(store, rows=[gone("d", 2)])
    assert keys(store, key="a") == ["a"]
    assert keys(store, key="t/a", tenant="t") == ["t/a"]
    assert keys(store, key="a", where=Compare("quantity", "gt", 1)) == []
    for other in ("c", "d", "t/a"):
        assert keys(store, key=other) == [], other
    assert keys(store, key="a", tenant="t") == []


def test_a_cursor_of_another_question_is_refused(store: ReadStore) -> None:
    write(store, rows=[ticket("a"), ticket("b", 2)])
    query = Query(Compare("quantity", "ge", 1), (Order("quantity"),), first=1)
    cursor = store.query(1, TICKETS, query).cursor
    others = (
        replace(query, where=Compare("quantity", "ge", 0)),
        replace(query, order=(Order("quantity", True),)),
        replace(query, order=()),
        replace(query, tenant="acme"),
    )
    for other in others:
        with pytest.raises(Malformed, match="cursor: it belongs to another query"):
            store.query(1, TICKETS, replace(other, cursor=cursor))
    assert len(store.query(1, TICKETS, replace(query, cursor=cursor, first=7)).rows) == 1
    with pytest.raises(Malformed, match="cursor"):
        store.query(1, TICKETS, replace(query, cursor=cursor[:-3]))


def test_cursors_carry_every_kind_of_sort_value(store: ReadStore) -> None:
    def value(n: int) -> dict[str, Any]:
        return {
            "a_text": f'"\\ö{n}',
            "a_int": n,
            "a_float": n / 3,
            "a_bool": n > 1,
            "a_instant": NOON + timedelta(microseconds=n),
            "a_date": date(2013, 1, 1 + n),
            "a_decimal": Decimal(n) / 10,
        }

    write(store, rows=[sample(f"k{n}", **value(n)) for n in range(4)] + [sample("none")])
    for field in value(0):
        for descending in (False, True):
            query = Query(order=(Order(field, descending),), first=1)
            found: list[str] = []
            while len(found) < 5:
                page = store.query(1, EVERY_KIND, query)
                found += [key for key, _ in page.rows]
                query = replace(query, cursor=page.cursor)
            assert query.cursor == ""
            assert sorted(found) == ["k0", "k1", "k2", "k3", "none"], field
            assert found.index("none") == (4 if descending else 0), field
