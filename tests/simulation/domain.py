"""What the simulated system does: the shop as it ships, and parts that a simulation needs beside it.

A shelf per product (one stream a row), a trail per order (many streams a row), pages of notes that can be torn out, be poison or
kill whoever folds them, and totals over the notes that must go on while a page is parked.
"""

from collections.abc import Iterator
from typing import final

from msgspec import Struct

from apps import shop
from runtime.domain import Aggregation, App, Command, Count, Decider, Event, Max, Measures, Projection, Sum


@final
class Write(Command):
    """Put a text on a page."""

    note: str
    text: str
    weight: int


@final
class Written(Event):
    """A text came on a page."""

    note: str
    text: str
    weight: int


class Killed(BaseException):
    """Folding this kills the process, as a segmentation fault or an exhausted memory would: no `except Exception` sees it."""


class Medicine:
    """Whether the code that cannot fold some notes was mended, as a deployment would do it; one switch a run."""

    mended = False


medicine = Medicine()


def decide_note(command: Write, written: int) -> Iterator[Written]:
    """Every writing is taken."""
    yield Written(command.note, command.text, command.weight)


def evolve_note(written: int, event: Written) -> int:
    """How many texts there are."""
    return written + 1


class Shelf(Struct, frozen=True):
    """A product: how much is free, after how many events of its stream."""

    sku: str
    free: int
    n: int


def show_shelf(shelf: Shelf | None, event: shop.Restocked | shop.Reserved | shop.ReserveRefused) -> Shelf:
    """One stream feeds one row, so the row can count the stream's versions."""
    free, n = (shelf.free, shelf.n) if shelf else (0, 0)
    match event:
        case shop.Restocked():
            free += event.quantity
        case shop.Reserved():
            free -= event.quantity
        case shop.ReserveRefused():
            pass
    return Shelf(event.sku, free, n + 1)


class Trail(Struct, frozen=True):
    """What happened to an order in its three streams; the fields do not depend on the order in which they come."""

    order: str
    placed: int = 0
    settled: int = 0
    reserved: int = 0
    refused: int = 0
    charged: int = 0
    refunded: int = 0


type TrailEvent = (
    shop.OrderPlaced | shop.OrderSettled | shop.Reserved | shop.ReserveRefused | shop.Charged | shop.ChargeRefused | shop.Refunded
)


def show_trail(trail: Trail | None, event: TrailEvent) -> Trail:
    """Count each kind of event."""
    t = trail or Trail(event.order)
    counts = [t.placed, t.settled, t.reserved, t.refused, t.charged, t.refunded]
    match event:
        case shop.OrderPlaced():
            counts[0] += 1
        case shop.OrderSettled():
            counts[1] += 1
        case shop.Reserved():
            counts[2] += 1
        case shop.ReserveRefused() | shop.ChargeRefused():
            counts[3] += 1
        case shop.Charged():
            counts[4] += event.amount
        case shop.Refunded():
            counts[5] += event.amount
    return Trail(event.order, *counts)


class Page(Struct, frozen=True):
    """A page of notes: how many since it was last torn out, and the newest text."""

    note: str
    n: int
    text: str


def show_page(page: Page | None, event: Written) -> Page | None:
    """One stream, one row; "tear" deletes it, "poison" cannot be folded and "deadly" kills until the code is mended."""
    if not medicine.mended:
        if event.text == "poison":
            raise ValueError("poison")
        if event.text == "deadly":
            raise Killed
    if event.text == "tear":
        return None
    return Page(event.note, page.n + 1 if page else 1, event.text)


class Weighed(Measures):
    """Totals of a note."""

    texts: Count
    weight: Sum[int]
    heaviest: Max[int]


def weigh(event: Written) -> Weighed:
    """Never fails, whatever the text."""
    return Weighed(1, event.weight, event.weight)


notes = Decider("note", 0, decide_note, evolve_note, snapshot_every=3)
shelves = Projection("shelf", key="sku", row=Shelf, evolve=show_shelf)
trails = Projection("trail", key="order", row=Trail, evolve=show_trail, many=True)
pages = Projection("page", key="note", row=Page, evolve=show_page)
weights = Aggregation("weights", key="note", measure=weigh)

app = App("simulated", parts=(*shop.app.parts, notes, shelves, trails, pages, weights))
