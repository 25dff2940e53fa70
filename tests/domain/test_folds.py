"""Folds: which row an event belongs to, what it adds, and what a saga sends."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import final

import pytest
from msgspec import Struct

from runtime.domain import Aggregation, App, Command, Count, Decider, Event, Measures, Projection, Window
from runtime.domain.folds import AggregationFold, ProjectionFold, SagaFold
from runtime.errors import Malformed
from tests.domain.library import NOON, BookEvent, Loan, Reminding, Shelf, app, books, lent, returned

VIENNA = timezone(timedelta(hours=1))


def test_a_projection_row_opens_folds_and_closes() -> None:
    fold = app.folds["loans"]
    assert isinstance(fold, ProjectionFold)
    values = fold.close(fold.fold(fold.open(None), lent(tags=("a",))))
    assert values == ("emma", "ann", "novels", NOON, '["a"]')
    assert fold.open(values) == Loan("emma", "ann", Shelf.NOVELS, NOON, ("a",))
    assert fold.close(fold.fold(fold.open(values), returned())) is None
    assert fold.handles == {"Lent", "Returned"}
    assert (fold.key_fields, fold.many) == (("book",), False)


def test_a_projection_row_may_be_found_by_several_fields() -> None:
    class Pair(Struct):
        book: str
        reader: str

    def show(row: Pair | None, event: BookEvent) -> Pair | None:
        return Pair(event.book, event.reader)

    fold = App("library", parts=(books, Projection("pairs", ("book", "reader"), Pair, show, many=True))).folds["pairs"]
    assert fold.key(lent()) == '["emma","ann"]'


def test_an_aggregation_adds_a_batch_to_a_stored_row() -> None:
    fold = app.folds["taken"]
    assert isinstance(fold, AggregationFold)
    event = lent(fee=Decimal("1.10"))
    keys = fold.key_values(event)
    assert keys == ("ann", datetime(2026, 3, 1, tzinfo=UTC))
    assert fold.key(event) == '["ann","2026-03-01T00:00:00+00:00"]'
    delta = fold.contribution(event)
    assert delta is not None
    once = fold.combined(None, keys, delta)
    assert once == (*keys, 1, Decimal("1.10"), NOON, NOON, 1.1, Decimal("1.10"), 1)
    assert fold.combined(once, keys, delta)[2:4] == (2, Decimal("2.20"))
    assert once[2] == 1, "the stored row is not changed in place"
    assert len(once) == len(fold.table.columns)


@final
class Sold(Event):
    """Keys of all kinds."""

    till: str
    number: int
    shelf: Shelf
    at: datetime
    day: date
    note: str | None = None


@final
class Sell(Command):
    """Makes one."""

    till: str


def decide(command: Sell, state: int) -> Iterator[Sold]:
    """Never called."""
    yield from ()


def evolve(state: int, event: Sold) -> int:
    """Never called."""
    return state


class Sales(Measures):
    """How many."""

    sold: Count


def measure(event: Sold) -> Sales | None:
    """Every one, but not the ones numbered 0."""
    return Sales(1) if event.number else None


def fold_by(*key: str | Window) -> AggregationFold:
    """The fold of an aggregation with this key."""
    fold = App("tills", parts=(Decider("till", 0, decide, evolve), Aggregation("sales", key, measure))).folds["sales"]
    assert isinstance(fold, AggregationFold)
    return fold


SOLD = Sold("t", 1, Shelf.SCIENCE, NOON.astimezone(VIENNA), date(2026, 3, 1))


def test_key_columns_hold_plain_values() -> None:
    values = fold_by("shelf", "at", "day", "number", "note").key_values(SOLD)
    assert values == ("science", NOON, date(2026, 3, 1), 1, None)
    assert type(values[0]) is str
    assert values[1].tzinfo is UTC


def test_a_key_with_a_missing_value_is_a_row_of_its_own() -> None:
    fold = fold_by("note")
    assert {fold.key(SOLD), fold.key(Sold("t", 1, Shelf.NOVELS, NOON, NOON.date(), "[null]"))} == {"[null]", '["[null]"]'}


def test_a_window_over_a_date_is_a_date() -> None:
    fold = fold_by(Window("1 month", on="day", name="month"), "till")
    assert fold.key_values(SOLD) == (date(2026, 3, 1), "t")
    assert [(column.name, column.kind.value) for column in fold.table.columns] == [("month", "date"), ("till", "text"), ("sold", "int")]


def test_an_event_may_contribute_nothing() -> None:
    fold = fold_by("till")
    assert fold.contribution(Sold("t", 0, Shelf.NOVELS, NOON, NOON.date())) is None
    assert fold.contribution(SOLD) == [1]


def test_a_window_over_a_time_without_a_zone_is_malformed() -> None:
    with pytest.raises(Malformed, match="without a zone"):
        fold_by(Window("1 day", on="at")).key(Sold("t", 1, Shelf.NOVELS, datetime(2026, 3, 1), date(2026, 3, 1)))


def test_a_saga_opens_with_its_initial_state_and_closes_as_json() -> None:
    fold = app.folds["reminding"]
    assert isinstance(fold, SagaFold)
    assert fold.open(None) == Reminding()
    state, sent = fold.fold(fold.open(None), lent())
    assert fold.close(state) == ('{"reader":"ann"}',)
    assert fold.open(fold.close(state)) == state
    assert len(sent) == 1
    assert fold.close(None) is None
    assert [message.__name__ for message in fold.sends] == ["Remind"] and fold.timers


def test_rows_over_several_streams_are_many() -> None:
    assert {name: fold.many for name, fold in app.folds.items()} == {"loans": False, "accounts": True, "taken": True, "reminding": True}
