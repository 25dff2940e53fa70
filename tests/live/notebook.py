"""A domain with tenants for the tests of the gateway: notes that an author keeps, or shows to everybody of the same organisation.

Every text names organisation and author in a mark, so that a leak can be seen wherever it comes out.
"""

from collections.abc import Iterator
from typing import final

from msgspec import Struct

from runtime.domain import Aggregation, App, Command, Count, Decider, Event, Measures, Projection, Rejected
from runtime.domain.api import expose, owner, send, signed_in


@final
class Write(Command):
    note: str
    author: str
    text: str


@final
class Tear(Command):
    note: str


@final
class Written(Event):
    note: str
    author: str
    text: str


@final
class Torn(Event):
    note: str


class Page(Struct, frozen=True):
    note: str
    author: str
    text: str


class Tally(Measures):
    notes: Count


def decide(command: Write | Tear, state: Written | None) -> Iterator[Written | Torn]:
    match command, state:
        case Write(), Written() if state.author != command.author:
            raise Rejected("somebody else's note")
        case Write(), _:
            yield Written(command.note, command.author, command.text)
        case Tear(), Written():
            yield Torn(command.note)
        case _:
            raise Rejected("there is no such note")


def evolve(_: Written | None, event: Written | Torn) -> Written | None:
    return event if isinstance(event, Written) else None


def show(_: Page | None, event: Written | Torn) -> Page | None:
    return Page(event.note, event.author, event.text) if isinstance(event, Written) else None


def count(_: Written) -> Tally:
    return Tally(1)


pages = Decider("note", None, decide, evolve)
diary = Projection("diary", key="note", row=Page, evolve=show)
board = Projection("board", key="note", row=Page, evolve=show)
tallies = Aggregation("tallies", key="author", measure=count)

app = App(
    "notebook",
    tenant="org",
    parts=(pages, diary, board, tallies),
    api=(
        expose(diary, allow=owner("author")),
        expose(board, allow=signed_in),
        expose(tallies, allow=signed_in),
        send(Write, allow=owner("author")),
        send(Tear, allow=signed_in),
    ),
)


def mark(org: str, author: str) -> str:
    """What every text of this author holds."""
    return f"«{org}¦{author}»"
