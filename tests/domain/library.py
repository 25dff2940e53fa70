"""A small domain for the tests of the kernel: a library that lends books to readers, with every kind of part."""

import enum
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import final

from msgspec import Struct

from runtime.domain import (
    After,
    Aggregation,
    App,
    Command,
    Count,
    Decider,
    End,
    Event,
    Max,
    Mean,
    Measures,
    Min,
    Projection,
    Rejected,
    Saga,
    Sum,
    Window,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Shelf(enum.StrEnum):
    """Where a book stands."""

    NOVELS = "novels"
    SCIENCE = "science"


@final
class Lend(Command):
    """A reader wants a book."""

    book: str
    reader: str
    at: datetime


@final
class GiveBack(Command):
    """A reader brings it back."""

    book: str
    at: datetime


@final
class Lent(Event):
    """A reader has the book."""

    book: str
    reader: str
    at: datetime
    fee: Decimal = Decimal("0.50")
    shelf: Shelf = Shelf.NOVELS
    tags: tuple[str, ...] = ()


@final
class Returned(Event):
    """The book is back."""

    book: str
    reader: str
    at: datetime


type BookEvent = Lent | Returned


@final
class Remind(Command):
    """A reader is told."""

    reader: str
    book: str


@final
class Reminded(Event):
    """A reader was told."""

    reader: str
    book: str


class Book(Struct, frozen=True):
    """A book's state."""

    reader: str = ""
    loans: int = 0


def decide_book(command: Lend | GiveBack, book: Book) -> Iterator[BookEvent]:
    """One reader at a time; bringing back twice is nothing new."""
    match command:
        case Lend():
            if book.reader:
                raise Rejected(f"{command.book!r} is lent to {book.reader!r}: wait until it is back")
            yield Lent(command.book, command.reader, command.at)
        case GiveBack():
            if book.reader:
                yield Returned(command.book, book.reader, command.at)


def evolve_book(book: Book, event: BookEvent) -> Book:
    """Who has it."""
    match event:
        case Lent():
            return Book(event.reader, book.loans + 1)
        case Returned():
            return Book("", book.loans)


def decide_reader(command: Remind, reminders: int) -> Iterator[Reminded]:
    """Every reminder is noted."""
    yield Reminded(command.reader, command.book)


def evolve_reader(reminders: int, event: Reminded) -> int:
    """How many reminders a reader had."""
    return reminders + 1


class Loan(Struct, frozen=True):
    """A row: who has a book."""

    book: str
    reader: str
    shelf: Shelf | None
    since: datetime
    tags: tuple[str, ...] | None


def show_loan(loan: Loan | None, event: BookEvent) -> Loan | None:
    """The row is there while the book is lent."""
    match event:
        case Lent():
            return Loan(event.book, event.reader, event.shelf, event.at, event.tags or None)
        case Returned():
            return None


class Account(Struct, frozen=True):
    """A row over several books' streams: what a reader has at home."""

    reader: str
    books: tuple[str, ...] = ()


def show_account(account: Account | None, event: BookEvent) -> Account | None:
    """In an order that does not depend on the interleaving."""
    books = set(account.books) if account else set()
    books = books | {event.book} if isinstance(event, Lent) else books - {event.book}
    return Account(event.reader, tuple(sorted(books)))


class Taken(Measures):
    """What one loan adds up to."""

    loans: Count
    fees: Sum[Decimal]
    first: Min[datetime]
    last: Max[datetime]
    fee: Mean


def measure_loan(event: Lent) -> Taken:
    """One loan."""
    return Taken(1, event.fee, event.at, event.at, Mean(event.fee))


class Reminding(Struct, frozen=True):
    """A saga's state."""

    reader: str = ""


def track_loan(state: Reminding, event: BookEvent) -> Reminding:
    """Who has to be reminded."""
    return Reminding(event.reader)


def remind(state: Reminding, event: BookEvent) -> Iterator[Remind | After | End]:
    """After two weeks, unless the book is back."""
    match event:
        case Lent():
            yield After(event.at + timedelta(days=14), Remind(event.reader, event.book))
        case Returned():
            yield End()


books = Decider("book", Book(), decide_book, evolve_book, snapshot_every=100)
readers = Decider("reader", 0, decide_reader, evolve_reader)
loans = Projection("loans", key="book", row=Loan, evolve=show_loan)
accounts = Projection("accounts", key="reader", row=Account, evolve=show_account, many=True)
taken = Aggregation("taken", key=("reader", Window("1 day", on="at", name="day")), measure=measure_loan)
reminding = Saga("reminding", key="book", state=Reminding(), evolve=track_loan, react=remind)

app = App("library", parts=(books, readers, loans, accounts, taken, reminding))


def lent(book: str = "emma", reader: str = "ann", at: datetime = NOON, **more: object) -> Lent:
    """A loan, for `given`."""
    return Lent(book, reader, at, **more)  # type: ignore[arg-type]


def returned(book: str = "emma", reader: str = "ann", at: datetime = NOON) -> Returned:
    """A return, for `given`."""
    return Returned(book, reader, at)


TODAY = date(2026, 3, 1)
