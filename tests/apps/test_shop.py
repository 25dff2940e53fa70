"""The shop in given, when, then: what each part answers, and what the saga sends in every order that can happen."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from apps.shop import (
    CREDIT,
    PATIENCE,
    Charge,
    Charged,
    ChargeRefused,
    OrderPlaced,
    OrderSettled,
    Outcome,
    PlaceOrder,
    Refund,
    Refunded,
    Reserve,
    Reserved,
    ReserveRefused,
    Restock,
    Restocked,
    SettleOrder,
    Ticket,
    app,
    orders,
    payments,
    sales,
    selling,
    stock,
    tickets,
)
from runtime.domain import After, End
from runtime.domain.check import check

NOON = datetime(2026, 5, 1, 12, 0, 30, tzinfo=UTC)
MINUTE = NOON.replace(second=0)

placed = OrderPlaced("o1", "ann", "cup", 2, 900, NOON)
reserved = Reserved("cup", "o1", 2)
charged = Charged("o1", 900)


def settled(outcome: Outcome) -> OrderSettled:
    return OrderSettled("o1", "ann", "cup", 2, 900, NOON, outcome)


def test_an_order_is_placed_once() -> None:
    check(orders, when=PlaceOrder("o1", "ann", "cup", 2, 900, NOON), then=[placed])
    check(orders, given=[placed], when=PlaceOrder("o1", "bob", "cup", 1, 450, NOON), rejected="already placed")


def test_the_first_outcome_of_an_order_stays() -> None:
    check(orders, given=[placed], when=SettleOrder("o1", "sold"), then=[settled("sold")])
    check(orders, given=[placed, settled("timed out")], when=SettleOrder("o1", "sold"), then=[])
    check(orders, given=[placed, settled("sold")], when=SettleOrder("o1", "timed out"), then=[])


def test_an_order_that_nobody_placed_cannot_be_settled() -> None:
    check(orders, when=SettleOrder("o1", "sold"), rejected="there is no order")


def test_stock_is_reserved_while_it_lasts() -> None:
    check(stock, given=[Restocked("cup", 3)], when=Reserve("cup", "o1", 3), then=[Reserved("cup", "o1", 3)])
    check(stock, given=[Restocked("cup", 3), Reserved("cup", "o1", 2)], when=Reserve("cup", "o2", 2), then=[ReserveRefused("cup", "o2")])


def test_a_payment_up_to_the_limit_is_charged_and_refunded_once() -> None:
    check(payments, when=Charge("o1", CREDIT), then=[Charged("o1", CREDIT)])
    check(payments, when=Charge("o1", CREDIT + 1), then=[ChargeRefused("o1")])
    check(payments, given=[charged], when=Refund("o1"), then=[Refunded("o1", 900)])
    check(payments, given=[charged, Refunded("o1", 900)], when=Refund("o1"), then=[])


def test_a_sale_reserves_charges_and_settles() -> None:
    check(selling, given=[placed], then=[Reserve("cup", "o1", 2), After(PATIENCE, SettleOrder("o1", "timed out"))])
    check(selling, given=[placed], when=reserved, then=[Charge("o1", 900)])
    check(selling, given=[placed, reserved], when=charged, then=[SettleOrder("o1", "sold")])
    check(selling, given=[placed, reserved, charged], when=settled("sold"), then=[End()])


def test_a_refused_reservation_settles_the_order_as_out_of_stock_and_takes_nothing() -> None:
    refused = ReserveRefused("cup", "o1")
    check(selling, given=[placed], when=refused, then=[SettleOrder("o1", "out of stock")])
    check(selling, given=[placed, refused], when=settled("out of stock"), then=[End()])


def test_a_refused_payment_gives_the_reservation_back() -> None:
    refused = ChargeRefused("o1")
    check(selling, given=[placed, reserved], when=refused, then=[SettleOrder("o1", "payment refused")])
    check(selling, given=[placed, reserved, refused], when=settled("payment refused"), then=[Restock("cup", 2), End()])


def test_a_time_out_gives_back_what_was_taken_so_far() -> None:
    check(selling, given=[placed], when=settled("timed out"), then=[])
    check(selling, given=[placed, reserved], when=settled("timed out"), then=[Restock("cup", 2)])
    check(selling, given=[placed, reserved, charged], when=settled("timed out"), then=[Restock("cup", 2), Refund("o1")])


def test_what_succeeds_after_the_time_out_is_given_back_at_once() -> None:
    check(selling, given=[placed, settled("timed out")], when=reserved, then=[Restock("cup", 2)])
    check(selling, given=[placed, reserved, settled("timed out")], when=charged, then=[Refund("o1")])


def test_a_ticket_shows_the_stage_and_sales_count_only_what_was_sold() -> None:
    check(tickets, given=[placed], then=Ticket("o1", "ann", 900, "placed"))
    check(tickets, given=[placed, settled("payment refused")], then=Ticket("o1", "ann", 900, "payment refused"))
    check(sales, given=[settled("sold")], then={"sku": "cup", "window": MINUTE, "orders": 1, "quantity": 2, "amount": 900})
    check(sales, given=[settled("timed out")], then=[])


def test_the_shop_has_at_most_180_lines_that_are_not_blank() -> None:
    source = Path(__file__).parents[2] / "apps" / "shop.py"
    assert sum(1 for line in source.read_text().splitlines() if line.strip()) <= 180


@pytest.mark.parametrize("part", ["ticket", "sales", "selling"])
def test_every_part_with_rows_has_a_group(part: str) -> None:
    assert any(table.part == part for group in app.groups.values() for table in group.tables)
