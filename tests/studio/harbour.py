"""The shop with what can go wrong in it: labels that one sku jams, and parcels that nobody takes while the post is closed.

Both are mended while the server runs, as a deployment would: by a file `mended` in its working directory.
"""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, final

from msgspec import Meta, Struct

from apps.shop import OrderPlaced, OrderSettled, PlaceOrder, Restock, orders, payments, sales, selling, stock, tickets
from runtime.domain import After, App, Command, Decider, Event, Projection, Rejected, Saga
from runtime.domain.api import anyone, expose, owner, role, send

JAM, HEAVY = "jam", "anvil"  # skus: the one jams the label printer, the other is a parcel that is refused
MENDED = Path("mended")
SOON = timedelta(days=1)


@final
class Post(Command):
    """Send a parcel.

    order: the order that is in it
    """

    order: str
    weight: Decimal
    pieces: Annotated[int, Meta(ge=1, le=9)] = 1
    speed: Literal["slow", "express"] = "slow"
    fragile: bool = False
    stamps: tuple[int, ...] = ()
    note: str | None = None


@final
class Posted(Event):
    """It is on its way."""

    order: str
    weight: Decimal
    speed: str


def decide_parcel(command: Post, posted: bool) -> Iterator[Posted]:
    """Each once, and nothing heavy while the post is closed."""
    if posted:
        raise Rejected(f"the parcel of {command.order!r} is posted already")
    if command.weight > 20 and not MENDED.exists():
        raise Rejected("the post takes nothing heavy today")
    yield Posted(command.order, command.weight, command.speed)


def evolve_parcel(posted: bool, event: Posted) -> bool:
    """Once is enough."""
    return True


class Label(Struct, frozen=True):
    """What is stuck on the box."""

    order: str
    text: str


def print_label(label: Label | None, event: OrderPlaced | OrderSettled) -> Label:
    """One sku jams the printer until it is mended."""
    if event.sku == JAM and not MENDED.exists():
        raise RuntimeError("the label printer is jammed")
    return Label(event.order, f"{event.quantity} × {event.sku}")


class Posting(Struct, frozen=True):
    """Nothing to remember."""


def track_posting(posting: Posting, event: OrderPlaced | Posted) -> Posting:
    """Stays as it is."""
    return posting


def react_posting(posting: Posting, event: OrderPlaced | Posted) -> Iterator[Post | After]:
    """A heavy parcel goes at once, everything else tomorrow."""
    if isinstance(event, OrderPlaced):
        if event.sku == HEAVY:
            yield Post(event.order, Decimal(50))
        else:
            yield After(SOON, Post(event.order, Decimal(1)))


parcels = Decider("parcel", False, decide_parcel, evolve_parcel, id="order")
labels = Projection("label", key="order", row=Label, evolve=print_label)
posting = Saga("posting", key="order", state=Posting(), evolve=track_posting, react=react_posting, max_tries=1)

app = App(
    "harbour",
    parts=(orders, stock, payments, parcels, tickets, sales, labels, selling, posting),
    api=(
        expose(tickets, allow=owner("customer")),
        expose(sales, allow=anyone),
        expose(labels, allow=anyone),
        send(PlaceOrder, allow=owner("customer")),
        send(Restock, allow=role("clerk")),
        send(Post, allow=anyone),
    ),
)
