"""A shop: orders, stock, payments, and the saga that brings them together or gives everything back.

The order alone decides its outcome, once. Whatever a lost order took is returned, also when it took it too late.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Literal, final

from msgspec import Meta, Struct
from msgspec.structs import astuple, replace

from runtime.domain import After, Aggregation, App, Command, Count, Decider, End, Event, Measures, Projection, Rejected, Saga, Sum, Window
from runtime.domain.api import anyone, expose, owner, role, send

PATIENCE, CREDIT = timedelta(minutes=15), 1_000_00  # how long a sale may take; what one order may cost, in cents

type Positive = Annotated[int, Meta(gt=0)]
type Outcome = Literal["sold", "out of stock", "payment refused", "timed out"]


class Purchase(Struct, frozen=True):
    order: str
    customer: str
    sku: str
    quantity: Positive
    amount: Positive
    at: datetime


@final
class PlaceOrder(Purchase, Command):
    """Somebody wants to buy."""


@final
class SettleOrder(Command):
    order: str
    outcome: Outcome


@final
class OrderPlaced(Purchase, Event):
    """The sale begins."""


@final
class OrderSettled(Purchase, Event):
    outcome: Outcome


@final
class Restock(Command):
    sku: str
    quantity: Positive


@final
class Reserve(Command):
    sku: str
    order: str
    quantity: Positive


@final
class Restocked(Event):
    sku: str
    quantity: int


@final
class Reserved(Event):
    sku: str
    order: str
    quantity: int


@final
class ReserveRefused(Event):
    sku: str
    order: str


@final
class Charge(Command):
    order: str
    amount: Positive


@final
class Refund(Command):
    order: str


@final
class Charged(Event):
    order: str
    amount: int


@final
class ChargeRefused(Event):
    order: str


@final
class Refunded(Event):
    order: str
    amount: int


type Order = OrderPlaced | OrderSettled | None  # an order is what last happened to it
type StockEvent = Restocked | Reserved | ReserveRefused
type PaymentEvent = Charged | ChargeRefused | Refunded
type SaleEvent = OrderPlaced | OrderSettled | Reserved | ReserveRefused | Charged | ChargeRefused


def decide_order(command: PlaceOrder | SettleOrder, order: Order) -> Iterator[OrderPlaced | OrderSettled]:
    match command, order:
        case PlaceOrder(), None:
            yield OrderPlaced(*astuple(command))
        case SettleOrder(), OrderPlaced():
            yield OrderSettled(order.order, order.customer, order.sku, order.quantity, order.amount, order.at, command.outcome)
        case PlaceOrder(), _:
            raise Rejected(f"order {command.order!r} is already placed: choose another id")
        case SettleOrder(), None:
            raise Rejected(f"there is no order {command.order!r}: place it first")
        case _:  # settled before: the first outcome stays
            return


def evolve_order(order: Order, event: OrderPlaced | OrderSettled) -> Order:
    return event


def decide_stock(command: Restock | Reserve, free: int) -> Iterator[StockEvent]:
    match command:
        case Restock(sku, quantity):
            yield Restocked(sku, quantity)
        case Reserve(sku, order, quantity):
            yield Reserved(sku, order, quantity) if quantity <= free else ReserveRefused(sku, order)


def evolve_stock(free: int, event: StockEvent) -> int:
    match event:
        case Restocked():
            return free + event.quantity
        case Reserved():
            return free - event.quantity
        case ReserveRefused():
            return free


def decide_payment(command: Charge | Refund, charged: int) -> Iterator[PaymentEvent]:
    match command:
        case Charge(order, amount):
            yield Charged(order, amount) if amount <= CREDIT else ChargeRefused(order)
        case Refund(order):
            if charged:
                yield Refunded(order, charged)


def evolve_payment(charged: int, event: PaymentEvent) -> int:
    return event.amount if isinstance(event, Charged) else 0


class Ticket(Struct, frozen=True):
    order: str
    customer: str
    amount: int
    stage: str


def show_ticket(ticket: Ticket | None, event: OrderPlaced | OrderSettled) -> Ticket:
    return Ticket(event.order, event.customer, event.amount, event.outcome if isinstance(event, OrderSettled) else "placed")


class Sold(Measures):
    orders: Count
    quantity: Sum[int]
    amount: Sum[int]


def measure_sale(event: OrderSettled) -> Sold | None:
    return Sold(1, event.quantity, event.amount) if event.outcome == "sold" else None


class Sale(Struct, frozen=True):
    amount: int = 0
    taken: int = 0  # 1: the goods, 2: the money, too
    over: bool = False


def track(sale: Sale, event: SaleEvent) -> Sale:
    match event:
        case OrderPlaced():
            return replace(sale, amount=event.amount)
        case Reserved() | Charged():
            return replace(sale, taken=sale.taken + 1)
        case OrderSettled():
            return replace(sale, over=True)
        case ReserveRefused() | ChargeRefused():
            return sale


def react(sale: Sale, event: SaleEvent) -> Iterator[Command | After | End]:
    match event:
        case OrderPlaced():
            yield Reserve(event.sku, event.order, event.quantity)
            yield After(PATIENCE, SettleOrder(event.order, "timed out"))
        case Reserved(sku, order, quantity):
            yield Restock(sku, quantity) if sale.over else Charge(order, sale.amount)
        case ReserveRefused(_, order):
            yield SettleOrder(order, "out of stock")
        case Charged(order):
            yield Refund(order) if sale.over else SettleOrder(order, "sold")
        case ChargeRefused(order):
            yield SettleOrder(order, "payment refused")
        case OrderSettled():
            if event.outcome != "sold" and sale.taken > 0:
                yield Restock(event.sku, event.quantity)
            if event.outcome != "sold" and sale.taken > 1:
                yield Refund(event.order)
            if event.outcome != "timed out":  # then an answer may still be on its way
                yield End()


orders = Decider("order", None, decide_order, evolve_order)
stock = Decider("stock", 0, decide_stock, evolve_stock, id="sku")
payments = Decider("payment", 0, decide_payment, evolve_payment, id="order")
tickets = Projection("ticket", key="order", row=Ticket, evolve=show_ticket)
sales = Aggregation("sales", key=("sku", Window("1 minute", on="at")), measure=measure_sale)
selling = Saga("selling", key="order", state=Sale(), evolve=track, react=react, compensates=(Restock, Refund))

app = App(
    "shop",
    parts=(orders, stock, payments, tickets, sales, selling),
    api=(
        expose(tickets, allow=owner("customer")),
        expose(sales, allow=anyone),
        send(PlaceOrder, allow=owner("customer")),
        send(Restock, allow=role("clerk")),
    ),
    looks="apps.shop_looks",
)
