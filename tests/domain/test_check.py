"""`check`: what it lets pass, what it refuses, and what its errors show."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec import Struct

from runtime.domain import After, App, Decider, End, Event, Projection, Saga
from runtime.domain.check import check
from runtime.domain.interleavings import Ties, orders
from runtime.errors import Misconfigured
from tests.domain.library import (
    NOON,
    Account,
    Book,
    BookEvent,
    GiveBack,
    Lend,
    Lent,
    Loan,
    Remind,
    Reminded,
    Returned,
    Shelf,
    accounts,
    app,
    books,
    evolve_book,
    lent,
    loans,
    readers,
    reminding,
    returned,
    taken,
)

LATER = NOON + timedelta(hours=1)
DAY = datetime(2026, 3, 1, tzinfo=UTC)


# deciders
def test_a_decider_answers_with_the_events_that_were_expected() -> None:
    check(books, when=Lend("emma", "ann", NOON), then=[lent()])
    check(books, given=[lent()], when=GiveBack("emma", LATER), then=[returned(at=LATER)])
    check(books, given=[lent(), returned()], when=GiveBack("emma", LATER), then=[])
    check(readers, when=Remind("ann", "emma"), then=Reminded("ann", "emma"))


def test_other_events_than_expected_show_as_a_difference() -> None:
    with pytest.raises(AssertionError, match=r"(?s)'book' decides otherwise.*- Lent.*reader='bob'.*\+ Lent.*reader='ann'"):
        check(books, when=Lend("emma", "ann", NOON), then=[lent(reader="bob")])
    with pytest.raises(AssertionError, match="decides otherwise"):
        check(books, when=Lend("emma", "ann", NOON), then=[])


def test_a_rejection_is_checked_by_a_part_of_its_text() -> None:
    check(books, given=[lent()], when=Lend("emma", "bob", NOON), rejected="is lent to 'ann'")
    with pytest.raises(AssertionError, match="and not 'is torn'"):
        check(books, given=[lent()], when=Lend("emma", "bob", NOON), rejected="is torn")


def test_a_rejection_nobody_expected_and_an_expected_one_that_did_not_come_are_failures() -> None:
    with pytest.raises(AssertionError, match="'book' rejected Lend"):
        check(books, given=[lent()], when=Lend("emma", "bob", NOON), then=[lent()])
    with pytest.raises(AssertionError, match="did not reject"):
        check(books, when=Lend("emma", "bob", NOON), rejected="lent")


def test_an_event_of_another_stream_is_a_failure() -> None:
    def decide_wrongly(command: Lend | GiveBack, book: Book) -> list[BookEvent]:
        return [Lent(command.book + "!", "ann", NOON)]

    with pytest.raises(AssertionError, match="event of another stream"):
        check(Decider("book", Book(), decide_wrongly, evolve_book), when=Lend("emma", "ann", NOON), then=[lent()])


def test_an_event_that_would_come_back_changed_from_a_store_is_a_failure() -> None:
    def decide_wrongly(command: Lend | GiveBack, book: Book) -> list[BookEvent]:
        tags: Any = ["a list, where the class says tuple"]
        return [Lent(command.book, "ann", NOON, tags=tags)]

    with pytest.raises(AssertionError, match="an event changes when it is stored"):
        check(Decider("book", Book(), decide_wrongly, evolve_book), when=Lend("emma", "ann", NOON), then=[lent()])


def test_a_check_of_a_decider_says_what_it_lacks() -> None:
    with pytest.raises(Misconfigured, match="when= must be one of its commands Lend, GiveBack, not None"):
        check(books, given=[lent()], then=[])
    with pytest.raises(Misconfigured, match="say either then="):
        check(books, when=Lend("emma", "ann", NOON))
    with pytest.raises(Misconfigured, match="say either then="):
        check(books, when=Lend("emma", "ann", NOON), then=[], rejected="no")
    with pytest.raises(Misconfigured, match="Reminded is not one of its events Lent, Returned"):
        check(books, given=[Reminded("ann", "emma")], when=Lend("emma", "ann", NOON), then=[])


# projections
def test_a_projection_has_one_row_several_or_none() -> None:
    row = Loan("emma", "ann", Shelf.NOVELS, NOON, None)
    check(loans, given=[lent()], then=row)
    check(loans, given=[lent(), lent("ulysses")], then=[Loan("ulysses", "ann", Shelf.NOVELS, NOON, None), row])
    check(loans, given=[lent(), returned()], then=None)
    check(loans, given=[lent(), returned()], then=[])


def test_another_row_than_expected_shows_as_a_difference() -> None:
    with pytest.raises(AssertionError, match=r"(?s)'loans' has other rows.*- Loan.*\+ Loan"):
        check(loans, given=[lent()], then=Loan("emma", "bob", Shelf.NOVELS, NOON, None))
    with pytest.raises(AssertionError, match=r"\+ Loan"):
        check(loans, given=[lent()], then=None)
    with pytest.raises(AssertionError, match=r"\+ Loan"):
        check(loans, given=[lent(), lent("ulysses")], then=Loan("emma", "ann", Shelf.NOVELS, NOON, None))


def test_a_row_under_another_key_than_its_own_is_a_failure() -> None:
    def show_wrongly(loan: Loan | None, event: BookEvent) -> Loan | None:
        return Loan("always the same", event.reader, None, event.at, None)

    with pytest.raises(AssertionError, match="the row of key 'emma' says that it is 'always the same'"):
        check(Projection("loans", key="book", row=Loan, evolve=show_wrongly), given=[lent()])


def test_a_row_that_a_read_store_would_give_back_changed_is_a_failure() -> None:
    def show_wrongly(loan: Loan | None, event: BookEvent) -> Loan | None:
        tags: Any = ["a list, where the class says tuple"]
        return Loan(event.book, event.reader, None, event.at, tags)

    with pytest.raises(AssertionError, match="a row changes when it is stored"):
        check(Projection("loans", key="book", row=Loan, evolve=show_wrongly), given=[lent()])


def test_only_a_decider_rejects_and_only_deciders_and_sagas_take_when() -> None:
    with pytest.raises(Misconfigured, match="only a decider rejects"):
        check(loans, given=[lent()], rejected="no")
    with pytest.raises(Misconfigured, match="give a projection its events by given="):
        check(loans, when=lent(), then=None)


# interleavings
def test_rows_fed_by_several_streams_are_folded_in_every_order() -> None:
    check(accounts, given=[lent(), lent("ulysses"), returned()], then=Account("ann", ("ulysses",)), app=app)


def test_two_orders_that_give_different_rows_are_shown() -> None:
    def show_last(account: Account | None, event: BookEvent) -> Account | None:
        return Account(event.reader, (*(account.books if account else ()), event.book))

    wrong = Projection("accounts", key="reader", row=Account, evolve=show_last, many=True)
    with pytest.raises(AssertionError) as failure:
        check(wrong, given=[lent(), lent("ulysses")], app=App("library", parts=(books, wrong)))
    text = str(failure.value)
    assert "two orders of the same events give different rows" in text
    assert text.index("one order") < text.index('["emma","ulysses"]') < text.index("another order") < text.index('["ulysses","emma"]')
    assert "book-emma: Lent(" in text


def test_the_order_inside_a_stream_is_kept() -> None:
    """Returned before lent would leave the book there, so an order that breaks the stream's own would be a difference."""
    check(accounts, given=[lent(), returned(), lent(), returned()], then=Account("ann"), app=app)


def test_a_projection_that_several_streams_feed_cannot_be_checked_without_its_app() -> None:
    with pytest.raises(Misconfigured, match="say app="):
        check(accounts, given=[lent()], then=Account("ann", ("emma",)))


def test_all_orders_are_tried_when_they_are_few() -> None:
    assert sorted(orders(Ties(["a", "b", "a"]))) == [(0, 1, 2), (0, 2, 1), (1, 0, 2)]
    assert next(orders(Ties(["a", "b", "a"]))) == (0, 1, 2)


def test_two_hundred_drawn_orders_are_tried_when_there_are_more_and_each_keeps_the_order_inside_a_stream() -> None:
    streams = [f"s{position % 4}" for position in range(16)]
    drawn = list(orders(Ties(streams)))
    assert len(drawn) == 200
    assert len(set(drawn)) > 190
    assert drawn == list(orders(Ties(streams))), "the same in every run"
    for order in drawn:
        for stream in set(streams):
            own = [position for position in order if streams[position] == stream]
            assert own == sorted(own)


def test_a_pair_that_must_keep_its_order_does() -> None:
    assert list(orders(Ties(["a", "b"], [(0, 1)]))) == [(0, 1)]


# aggregations
def test_an_aggregation_has_rows_as_dicts_and_a_mean_hides_its_total_and_count_unless_asked() -> None:
    row = {"reader": "ann", "day": DAY, "loans": 2, "fees": Decimal("2.00"), "first": NOON, "last": LATER, "fee": 1.0}
    events = [lent(), lent(at=LATER, fee=Decimal("1.50"))]
    check(taken, given=events, then=row)
    check(taken, given=events, then=[row | {"fee_total": Decimal("2.00"), "fee_count": 2}])
    with pytest.raises(AssertionError, match="'taken' has other rows"):
        check(taken, given=events, then=row | {"loans": 3})


def test_an_aggregation_has_rows_as_tuples_too() -> None:
    check(taken, given=[lent()], then=("ann", DAY, 1, Decimal("0.50"), NOON, NOON, 0.5, Decimal("0.50"), 1))
    check(taken, given=[], then=[])


# sagas
def test_a_saga_sends_for_its_last_event_or_for_all_of_them() -> None:
    reminder = After(NOON + timedelta(days=14), Remind("ann", "emma"))
    check(reminding, given=[lent()], then=[reminder])
    check(reminding, given=[lent()], when=returned(), then=[End()])
    check(reminding, given=[lent(), returned()], then=[reminder, End()])
    with pytest.raises(AssertionError, match=r"(?s)'reminding' sends other commands.*\+ After"):
        check(reminding, given=[lent()], then=[])


class Pair(Struct, frozen=True):
    """What a saga saw of two streams."""

    seen: tuple[str, ...] = ()


def test_a_saga_is_shuffled_too_but_not_into_orders_that_its_own_commands_rule_out() -> None:
    def track(state: Pair, event: Lent | Returned | Reminded) -> Pair:
        return Pair((*state.seen, type(event).__name__))

    def react(state: Pair, event: Lent | Returned | Reminded) -> list[Remind | End]:
        return [Remind(event.reader, event.book)] if isinstance(event, Lent) else []

    def silent(state: Pair, event: Lent | Returned | Reminded) -> list[Remind | End]:
        return []

    asking = Saga("asking", key="book", state=Pair(), evolve=track, react=react)
    check(asking, given=[lent(), Reminded("ann", "emma")], then=[Remind("ann", "emma")], app=app)
    with pytest.raises(AssertionError, match="two orders"):
        check(Saga("asking", key="book", state=Pair(), evolve=track, react=silent), given=[lent(), Reminded("ann", "emma")], app=app)


def test_a_saga_that_ended_begins_anew() -> None:
    check(reminding, given=[lent(), returned(), lent(at=LATER)], when=returned(), then=[End()])


def test_an_event_class_from_nowhere_is_refused() -> None:
    class Foreign(Event):
        book: str

    with pytest.raises(Misconfigured, match="Foreign is not one of its events"):
        check(loans, given=[Foreign("emma")])
