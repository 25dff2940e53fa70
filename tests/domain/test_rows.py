"""Rows as columns and back, keys as text, and what a row may hold."""

import enum
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from runtime.domain.folds import key_text
from runtime.domain.rows import RowCodec, as_json, changed
from runtime.domain.tables import Kind, columns_of, kind_of
from runtime.errors import Malformed
from tests.domain.library import NOON, Loan, Shelf, app, lent, returned

VIENNA = timezone(timedelta(hours=1))
Isbn = NewType("Isbn", str)
type Positive = Annotated[int, Meta(gt=0)]


class Plain(enum.Enum):
    """No StrEnum: stored as JSON."""

    ONE = 1


class Line(Struct, frozen=True):
    """Inside a row."""

    sku: str
    price: Decimal


class Full(Struct, frozen=True):
    """A row with a column of every kind."""

    text: str
    whole: int
    number: float
    yes: bool
    at: datetime
    day: date
    exact: Decimal
    shelf: Shelf
    maybe: Shelf | None
    lines: tuple[Line, ...]
    extra: dict[str, int] | None
    plain: Plain
    stage: Literal["open", "closed"]
    isbn: Isbn
    count: Positive | None = None


FULL = Full(
    "é𝄞",
    -(2**63),
    1.5,
    False,
    NOON,
    date(2026, 3, 1),
    Decimal("1.50"),
    Shelf.SCIENCE,
    None,
    (Line("cup", Decimal("0.10")),),
    None,
    Plain.ONE,
    "open",
    Isbn("1"),
)


def test_a_row_has_a_column_of_a_kind_for_each_field() -> None:
    assert {column.name: column.kind.value for column in columns_of(Full)} == {
        "text": "text",
        "whole": "int",
        "number": "float",
        "yes": "bool",
        "at": "instant",
        "day": "date",
        "exact": "decimal",
        "shelf": "text",
        "maybe": "text",
        "lines": "json",
        "extra": "json",
        "plain": "json",
        "stage": "text",
        "isbn": "text",
        "count": "int",
    }


@pytest.mark.parametrize("annotation", [int | str, list[int], object, Line, Any, None, Literal["a", 1]])
def test_what_is_no_single_scalar_is_json(annotation: Any) -> None:
    assert kind_of(annotation) is Kind.JSON


def test_a_row_comes_back_from_its_columns_as_it_went() -> None:
    codec = RowCodec(Full)
    values = codec.values(FULL)
    assert codec.struct(values) == FULL
    assert codec.struct(list(values)).maybe is None
    assert isinstance(codec.struct(values).shelf, Shelf)


def test_columns_hold_plain_values_that_mean_the_same_everywhere() -> None:
    values = dict(zip((column.name for column in columns_of(Full)), RowCodec(Full).values(FULL), strict=True))
    assert type(values["shelf"]) is str and values["shelf"] == "science"
    assert values["maybe"] is None and values["extra"] is None, "a missing value is None in every kind of column"
    assert values["lines"] == '[{"sku":"cup","price":"0.10"}]'
    moved = msgspec.structs.replace(FULL, at=NOON.astimezone(VIENNA), number=2)
    again = RowCodec(Full).values(moved)
    assert again[4] == NOON and isinstance(again[4], datetime) and again[4].tzinfo is UTC
    assert type(again[2]) is float, "an int where a float is declared"


def test_a_row_of_keywords_only_comes_back_too() -> None:
    class Named(Struct, kw_only=True):
        book: str
        reader: str = ""

    codec = RowCodec(Named)
    assert codec.struct(codec.values(Named(book="emma"))) == Named(book="emma")


@given(
    st.builds(
        Loan,
        st.text(st.characters(codec="utf-8", exclude_characters="\0")),
        st.text(st.characters(codec="utf-8", exclude_characters="\0")),
        st.none() | st.sampled_from(Shelf),
        st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=st.sampled_from([UTC, VIENNA])),
        st.none() | st.lists(st.text(st.characters(codec="utf-8")), max_size=3).map(tuple),
    )
)
def test_any_row_comes_back_as_it_went(loan: Loan) -> None:
    codec = RowCodec(Loan)
    assert codec.struct(codec.values(loan)) == loan


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"text": "a\0b"}, "row Full.text holds a NUL"),
        ({"whole": 2**63}, r"row Full.whole is 9223372036854775808, which does not fit"),
        ({"whole": True}, "row Full.whole holds a bool, its column is int"),
        ({"whole": "7"}, "row Full.whole holds a str, its column is int"),
        ({"day": NOON}, "row Full.day holds a datetime, its column is date"),
        ({"number": float("nan")}, "nan is not a finite number"),
        ({"at": datetime(2026, 3, 1)}, "is a time without a zone"),
    ],
)
def test_a_value_that_its_column_cannot_hold_is_the_parts_own_fault_and_named(fields: dict[str, Any], text: str) -> None:
    """Otherwise a database would refuse the whole batch, for ever, and nobody would know which part to park."""
    with pytest.raises(Malformed, match=text):
        RowCodec(Full).values(msgspec.structs.replace(FULL, **fields))


def test_json_shows_json_columns_as_they_are() -> None:
    columns = columns_of(Loan)
    values = RowCodec(Loan).values(Loan("emma", "ann", None, NOON, ("x",)))
    assert msgspec.json.decode(msgspec.json.encode(as_json(columns, values))) == {
        "book": "emma",
        "reader": "ann",
        "shelf": None,
        "since": "2026-03-01T12:00:00Z",
        "tags": ["x"],
    }
    assert as_json(columns, None) is None


def test_a_change_carries_what_differs_before_and_everything_after() -> None:
    columns, codec = columns_of(Loan), RowCodec(Loan)
    one, two = (codec.values(Loan("emma", reader, None, NOON, ("x",))) for reader in ("ann", "bob"))
    before, after = changed(columns, one, two)
    assert before == b'{"reader":"ann"}'
    assert msgspec.json.decode(after)["reader"] == "bob"
    assert changed(columns, None, one) == (b"", msgspec.json.encode(as_json(columns, one)))
    assert changed(columns, one, None) == (msgspec.json.encode(as_json(columns, one)), b"")
    assert changed(columns, None, None) == (b"", b"")


# keys
@pytest.mark.parametrize(
    ("values", "text"),
    [
        (("emma",), "emma"),
        (("",), ""),
        (("[",), '["["]'),
        (('["a","b"]',), '["[\\"a\\",\\"b\\"]"]'),
        (("a", "b"), '["a","b"]'),
        ((7,), "[7]"),
        ((None,), "[null]"),
        ((True, date(2026, 3, 1)), '[true,"2026-03-01"]'),
        ((Shelf.NOVELS,), "novels"),
        (("a", Shelf.NOVELS), '["a","novels"]'),
        ((NOON,), '["2026-03-01T12:00:00+00:00"]'),
    ],
)
def test_a_key_is_text(values: tuple[Any, ...], text: str) -> None:
    assert key_text(values) == text
    assert type(key_text(values)) is str


def test_the_same_instant_in_two_zones_is_one_key() -> None:
    assert key_text((NOON,)) == key_text((NOON.astimezone(VIENNA),))


def test_an_instant_without_a_zone_is_no_key() -> None:
    with pytest.raises(Malformed, match="without a zone"):
        key_text((datetime(2026, 3, 1),))


texts = st.text('[]"\\,a1null', max_size=6)
keys: dict[str, Callable[[], st.SearchStrategy[tuple[Any, ...]]]] = {
    "one text": lambda: st.tuples(texts | st.none()),
    "two": lambda: st.tuples(texts | st.none(), texts),
    "text and number": lambda: st.tuples(texts, st.integers(-2, 2) | st.none()),
    "days": lambda: st.tuples(st.dates(date(2026, 1, 1), date(2026, 1, 3)), st.booleans()),
}


@pytest.mark.parametrize("shape", keys)
def test_two_different_keys_of_a_part_never_have_the_same_text(shape: str) -> None:
    @given(keys[shape](), keys[shape]())
    def holds(one: tuple[Any, ...], two: tuple[Any, ...]) -> None:
        assert (key_text(one) == key_text(two)) == (one == two)

    holds()


def test_a_single_text_never_looks_like_a_composite_key() -> None:
    assert key_text(('["a","b"]',)) != key_text(("a", "b"))
    fold = app.folds["loans"]
    assert fold.key(lent('["a"]')) == '["[\\"a\\"]"]'
    assert fold.key(returned("emma")) == "emma"
