"""Rows and changes as subscriptions see them: typed, matched by compiled filters, found by topics."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.domain.filters import And, Compare, Filter, In, IsNull, Not, Or, matches
from runtime.live.follow.index import Index
from runtime.live.follow.matching import compiled, entry_of, seen
from runtime.live.follow.topics import KEY, WHOLE, column_of, topics_of, topics_of_change
from runtime.live.plans import Entry
from tests.live.house import FILTERS, READER, ROW, TABLE, moved, plan
from tests.rounds import rounds

NAMES = [column.name for column in TABLE.columns]
SLOW = settings(max_examples=rounds(1_000), deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@pytest.mark.rounds
@SLOW
@given(before=st.none() | ROW, after=st.none() | ROW)
def test_a_change_gives_both_rows_back_as_a_store_reads_them(before: Any, after: Any) -> None:
    one = moved("k", 1, before, after)
    assert one.before == (None if before is None else READER.columns(before))
    assert one.after == (None if after is None else READER.columns(after))


@pytest.mark.rounds
@SLOW
@given(where=FILTERS, row=ROW)
def test_a_compiled_filter_says_what_matches_says(where: Filter, row: Any) -> None:
    columns = READER.columns(row)
    assert compiled(where)(columns) is matches(where, columns)


@pytest.mark.rounds
@SLOW
@given(where=FILTERS, before=st.none() | ROW, after=st.none() | ROW)
def test_every_plan_that_matches_before_or_after_is_found_by_the_topics_of_the_change(where: Filter, before: Any, after: Any) -> None:
    asked, one = plan(where), moved("k", 2, before, after)
    passes = compiled(where)
    concerned = seen(passes, one.before) or seen(passes, one.after)
    index: Index[str] = Index()
    index.add("asked", topics_of(asked, TABLE))
    index.add("other", topics_of(plan(Compare("a_text", "eq", "never there")), TABLE))  # another column is indexed as well
    if concerned:
        assert "asked" in index.find(one)
    found = entry_of(asked, passes, one)
    assert (found is not None) is concerned
    if found is not None:
        assert found == Entry("k", 1, 2, one.after if seen(passes, one.after) else None)


def columns_of(where: Filter) -> list[str]:
    return [column_of(topic) or (WHOLE if topic.endswith(WHOLE) else KEY) for topic in topics_of(plan(where), TABLE)]


def test_equality_counts_under_and_and_the_most_selective_one_is_taken() -> None:
    flag, text = Compare("a_bool", "eq", True), Compare("a_text", "eq", "x")
    assert columns_of(And((flag, text, Compare("a_int", "gt", 3)))) == ["a_text"]
    assert columns_of(And((Compare("a_int", "gt", 3),))) == [WHOLE]
    assert columns_of(flag) == ["a_bool"]
    assert columns_of(And((In("a_int", (1, 2, 3)), text))) == ["a_text"]


def test_equality_under_or_counts_only_if_every_branch_has_one() -> None:
    text = Compare("a_text", "eq", "x")
    assert columns_of(Or((text, Compare("a_text", "eq", "y")))) == columns_of(In("a_text", ("x", "y")))
    assert columns_of(Or((text, IsNull("a_int")))) == ["a_int", "a_text"]
    assert columns_of(Or((text, Compare("a_int", "lt", 3)))) == [WHOLE]
    assert columns_of(Or(())) == []


def test_equality_under_not_does_not_count_but_not_unequal_is_equal() -> None:
    text = Compare("a_text", "eq", "x")
    assert columns_of(Not(text)) == [WHOLE]
    assert columns_of(Not(Compare("a_text", "ne", "x"))) == ["a_text"]
    assert columns_of(Not(Or((Compare("a_text", "ne", "x"), Compare("a_int", "eq", 3))))) == ["a_text"]
    assert columns_of(Not(And((Compare("a_text", "ne", "x"), Compare("a_int", "eq", 3))))) == [WHOLE]


def test_a_list_too_long_follows_the_whole_part() -> None:
    assert columns_of(In("a_int", tuple(range(1_000)))) == [WHOLE]


def test_one_key_is_one_topic_and_needs_nobody_to_decode_the_row() -> None:
    asked = plan(key="o1")
    index: Index[int] = Index()
    index.add(1, topics_of(asked, TABLE))
    index.add(2, topics_of(plan(key="o2"), TABLE))
    one = moved("o1", 1, None, None)
    one._reader = None  # type: ignore[assignment]  # nothing is read
    assert index.find(one) == [1]


def test_tenants_never_share_a_topic() -> None:
    index: Index[str] = Index()
    index.add("acme", topics_of(plan(tenant="acme"), TABLE))
    index.add("zeta", topics_of(plan(tenant="zeta"), TABLE))
    assert index.find(moved("acme/k", 1, None, None, tenant="acme")) == ["acme"]
    assert entry_of(plan(tenant="zeta"), compiled(And(())), moved("acme/k", 1, None, None, tenant="acme")) is None


@pytest.mark.parametrize(
    ("kind", "one", "equal", "unequal"),
    [
        ("int", 1, 1.0, 2),
        ("decimal", Decimal("1.10"), Decimal("1.1"), 1.1),
        (
            "instant",
            datetime(2026, 1, 1, 12, tzinfo=UTC),
            datetime.fromisoformat("2026-01-01T13:00:00+01:00"),
            datetime(2026, 1, 1, tzinfo=UTC),
        ),
        ("date", date(2026, 1, 1), date(2026, 1, 1), None),
        ("text", "1", "1", None),
        ("text", "x" * 5_000, "x" * 5_000, "x" * 5_001),
        ("bool", True, 1, False),
    ],
)
def test_equal_values_have_one_topic_and_unequal_ones_two(kind: str, one: Any, equal: Any, unequal: Any) -> None:
    def topic(value: Any) -> tuple[str, ...]:
        return topics_of(plan(Compare(f"a_{kind}", "eq", value)), TABLE)

    assert topic(one) == topic(equal) != topic(unequal)
    assert all(len(each) < 300 for each in topic(one))


def test_whoever_left_the_index_is_found_no_more_and_its_columns_are_looked_at_no_more() -> None:
    index: Index[str] = Index()
    topics = topics_of(plan(Compare("a_text", "eq", "x")), TABLE)
    index.add("a", topics)
    index.add("b", topics)
    row = tuple("x" if name == "a_text" else None for name in NAMES)
    assert index.find(moved("k", 1, None, row)) == ["a", "b"]
    index.remove("a", topics)
    assert index.find(moved("k", 2, row, None)) == ["b"]
    index.remove("b", topics)
    index.remove("b", topics)
    assert index.find(moved("k", 3, None, row)) == []
    assert not index.follows("sample")


def test_the_topics_of_a_change_are_of_the_old_and_the_new_value() -> None:
    old, new = (tuple(value if name == "a_text" else None for name in NAMES) for value in ("x", "y"))
    found = topics_of_change(moved("k", 2, old, new), ["a_text"])
    assert found == {"sample//#=k", "sample//*", "sample//a_text=s:x", "sample//a_text=s:y"}
