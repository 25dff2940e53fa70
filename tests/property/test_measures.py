"""Measures: whatever the order and the grouping in which contributions combine, the row is the same."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.domain import Count, Max, Mean, Measures, Min, Sum
from runtime.domain.measures import compile_measures
from runtime.errors import Misconfigured


class Every(Measures):
    """A field of every kind."""

    count: Count
    total: Sum[int]
    exact: Sum[Decimal]
    least: Min[int]
    cheapest: Min[Decimal]
    first: Min[datetime]
    greatest: Max[str]
    last: Max[date]
    dearest: Max[Decimal]
    mean: Mean
    price: Mean


measured = compile_measures(Every)

numbers = st.integers(-(2**63), 2**63 - 1)
prices = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30) | st.sampled_from(
    [Decimal("1"), Decimal("1.0"), Decimal("1.00"), Decimal("1e-38"), Decimal("9" * 38)]
)
EAST = timezone(timedelta(hours=1))
zones = st.sampled_from([UTC, EAST, timezone(timedelta(hours=-5))])
instants = st.datetimes(datetime(2026, 1, 1), datetime(2026, 1, 1, 3), timezones=zones)
contributions = st.builds(
    Every,
    st.integers(0, 1),
    numbers,
    prices,
    st.none() | numbers,
    st.none() | prices,
    st.none() | instants,
    st.none() | st.text(max_size=3),
    st.none() | st.dates(),
    st.none() | prices,
    st.builds(Mean, st.none() | numbers),
    st.builds(Mean, st.none() | prices),
)


def row(batches: Sequence[Sequence[Every]]) -> tuple[str, ...]:
    """The stored row after each batch was pre-combined and added, as a database would be given it: to the last digit."""
    stored = list(measured.identity)
    for batch in batches:
        if batch:
            delta = measured.flat(batch[0])
            for one in batch[1:]:
                measured.combine(delta, measured.flat(one))
            measured.combine(stored, delta)
            measured.shown(stored)
    return tuple(value.isoformat() if isinstance(value, datetime) else repr(value) for value in stored)


@given(st.lists(contributions, min_size=1, max_size=8), st.data())
def test_any_order_and_any_grouping_give_the_same_row(events: list[Every], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(events))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(events)), max_size=4)))
    bounds = [0, *cuts, len(events)]
    batches = [shuffled[begin:end] for begin, end in pairwise(bounds)]
    assert row(batches) == row([events]) == row([[event] for event in events])


@given(st.lists(st.none() | numbers | prices, max_size=20))
def test_a_mean_is_exact_to_the_last_bit_of_a_float(values: list[Any]) -> None:
    class Only(Measures):
        mean: Mean

    only = compile_measures(Only)
    total = list(only.identity)
    for value in values:
        only.combine(total, only.flat(Only(Mean(value))))
    shown = only.shown(total)
    there = [Fraction(value) for value in values if value is not None]
    assert shown[2] == len(there)
    assert Fraction(shown[1]) == sum(there)
    assert shown[0] == (float(sum(there) / len(there)) if there else None)


def test_a_sum_of_decimals_keeps_every_digit_where_python_would_round() -> None:
    great, small = Decimal("9" * 38), Decimal("1e-38")
    events = [Every(0, 0, value, None, None, None, None, None, None, Mean(), Mean()) for value in (great, small, great.copy_negate())]
    assert great + small - great != small, "Python's own context rounds at 28 digits"
    assert row([events])[2] == repr(Decimal("1e-38"))


def test_the_same_instant_in_two_zones_is_one_value_in_utc() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    events = [Every(0, 0, Decimal(0), None, None, noon.astimezone(zone), None, None, None, Mean(), Mean()) for zone in (UTC, EAST)]
    assert row([events])[5] == row([events[::-1]])[5] == row([events[1:]])[5] == "2026-01-01T12:00:00+00:00"


def test_nothing_contributed_leaves_what_nothing_is() -> None:
    nothing = Every(0, 0, Decimal(0), None, None, None, None, None, None, Mean(), Mean())
    assert row([[nothing, nothing]]) == tuple(repr(value) for value in measured.shown(list(measured.identity)))


def test_the_columns_of_measures_have_kinds_and_a_mean_has_three() -> None:
    assert [(column.name, column.kind.value) for column in measured.columns] == [
        ("count", "int"),
        ("total", "int"),
        ("exact", "decimal"),
        ("least", "int"),
        ("cheapest", "decimal"),
        ("first", "instant"),
        ("greatest", "text"),
        ("last", "date"),
        ("dearest", "decimal"),
        ("mean", "float"),
        ("mean_total", "decimal"),
        ("mean_count", "int"),
        ("price", "float"),
        ("price_total", "decimal"),
        ("price_count", "int"),
    ]


@pytest.mark.parametrize(
    "annotation",
    [int, float, Sum[float], Sum[bool], Sum[int | Decimal], Min[bool], Max[int | str], Min[list[int]], "list[int]"],
)
def test_a_field_that_says_no_monoid_is_refused(annotation: Any) -> None:
    metaclass: Any = type(Measures)
    bad = metaclass("Bad", (Measures,), {"__annotations__": {"field": annotation}, "__module__": __name__})
    with pytest.raises(Misconfigured, match=r"Bad.field: declare it as Count, Sum\[int\], Sum\[Decimal\]"):
        compile_measures(bad)


def test_two_columns_of_one_name_are_refused() -> None:
    class Twice(Measures):
        delay: Mean
        delay_total: Sum[int]

    with pytest.raises(Misconfigured, match="a mean `x` has the columns x, x_total and x_count"):
        compile_measures(Twice)


@given(st.lists(contributions, max_size=12))
def test_adding_only_what_a_contribution_changes_is_adding_all_of_it(events: list[Every]) -> None:
    whole, short = list(measured.identity), list(measured.identity)
    for event in events:
        flat = measured.flat(event)
        measured.combine(whole, flat)
        for position, operation, value in measured.effect(flat):
            short[position] = operation(short[position], value)
    assert repr(short) == repr(whole)
