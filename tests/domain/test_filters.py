"""What a filter means: the one meaning that every store and every subscription is held to."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.domain.filters import COMPARISONS, EVERYTHING, And, Compare, Filter, In, IsNull, Not, Or, matches

ROW: dict[str, Any] = {"sku": "cup", "sold": 3, "note": None}


def test_nothing_asked_is_everything_found_and_any_of_nothing_is_nothing() -> None:
    assert matches(EVERYTHING, ROW)
    assert not matches(Or(()), ROW)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (Compare("sku", "eq", "cup"), True),
        (Compare("sku", "ne", "cup"), False),
        (Compare("sku", "ne", "jug"), True),
        (Compare("sold", "lt", 3), False),
        (Compare("sold", "le", 3), True),
        (Compare("sold", "gt", 2), True),
        (Compare("sold", "ge", 4), False),
        (Compare("sku", "starts_with", "cu"), True),
        (Compare("sku", "starts_with", "up"), False),
        (Compare("sku", "contains", "up"), True),
        (Compare("sku", "contains", "%"), False),
        (In("sku", ("jug", "cup")), True),
        (In("sku", ()), False),
        (IsNull("note"), True),
        (IsNull("sku"), False),
        (And((Compare("sold", "gt", 1), IsNull("note"))), True),
        (Or((Compare("sold", "gt", 5), IsNull("sku"))), False),
        (Not(Compare("sold", "gt", 5)), True),
    ],
)
def test_a_filter_over_a_row(where: Filter, expected: bool) -> None:
    assert matches(where, ROW) is expected


@pytest.mark.parametrize("op", ["lt", "le", "gt", "ge", "starts_with", "contains"])
def test_a_missing_value_is_neither_less_nor_greater_and_begins_with_nothing(op: str) -> None:
    assert not matches(Compare("note", op, "x"), ROW)
    assert not matches(Compare("sku", op, None), ROW)
    assert matches(Not(Compare("note", op, "x")), ROW), "two values, not three: the opposite of false is true"


def test_a_missing_value_equals_a_missing_value_and_nothing_else() -> None:
    assert matches(Compare("note", "eq", None), ROW)
    assert not matches(Compare("note", "eq", "x"), ROW)
    assert matches(Compare("note", "ne", "x"), ROW)
    assert matches(In("note", ("x", None)), ROW)


def test_text_compares_by_code_point() -> None:
    assert matches(Compare("a", "lt", "a"), {"a": "Z"})
    assert matches(Compare("a", "lt", "\U0001d11e"), {"a": "\uffff"}), "not by UTF-16 unit"


rows = st.fixed_dictionaries({"a": st.none() | st.integers(-2, 2), "b": st.none() | st.integers(-2, 2)})
leaves: st.SearchStrategy[Filter] = st.one_of(
    st.builds(Compare, st.sampled_from("ab"), st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge"]), st.none() | st.integers(-2, 2)),
    st.builds(In, st.sampled_from("ab"), st.lists(st.none() | st.integers(-2, 2), max_size=3).map(tuple)),
    st.builds(IsNull, st.sampled_from("ab")),
)


@given(rows, leaves, leaves)
def test_not_turns_and_into_or(row: dict[str, Any], one: Filter, two: Filter) -> None:
    assert matches(Not(And((one, two))), row) == matches(Or((Not(one), Not(two))), row)
    assert matches(Not(Not(one)), row) == matches(one, row)


@given(st.none() | st.integers(-2, 2), st.none() | st.integers(-2, 2))
def test_ne_is_the_opposite_of_eq_and_with_values_le_that_of_gt(a: int | None, b: int | None) -> None:
    assert COMPARISONS["ne"](a, b) is not COMPARISONS["eq"](a, b)
    if a is not None and b is not None:
        assert COMPARISONS["le"](a, b) is not COMPARISONS["gt"](a, b)
        assert COMPARISONS["ge"](a, b) is not COMPARISONS["lt"](a, b)
