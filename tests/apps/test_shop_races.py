"""The shop end to end on a thousand small schedules: a time-out races every success, and no cup and no cent is lost or made."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from apps.shop import (
    CREDIT,
    PATIENCE,
    Charged,
    OrderPlaced,
    OrderSettled,
    PlaceOrder,
    Refunded,
    Reserved,
    Restock,
    Restocked,
    app,
)
from providers.memory.chaos import Chaos
from runtime.errors import Rejected
from tests.apps.stepping import Stepping
from tests.rounds import rounds

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
CUPS = 7


def conserved(shop: Stepping) -> dict[str, str]:
    """Check every book against every other; the outcome of each order."""
    placed = [event for event in shop.events("order") if isinstance(event, OrderPlaced)]
    settled = [event for event in shop.events("order") if isinstance(event, OrderSettled)]
    assert sorted(event.order for event in placed) == sorted(event.order for event in settled), "one outcome an order"
    sold = [event for event in settled if event.outcome == "sold"]
    stock = shop.events("stock")
    restocked = sum(event.quantity for event in stock if isinstance(event, Restocked))
    reserved = sum(event.quantity for event in stock if isinstance(event, Reserved))
    assert CUPS - (restocked - reserved) == sum(event.quantity for event in sold), "what left the shelf was sold"
    charged: dict[str, int] = {}
    for event in shop.events("payment"):
        if isinstance(event, Charged):
            charged[event.order] = charged.get(event.order, 0) + event.amount
        elif isinstance(event, Refunded):
            charged[event.order] -= event.amount
    kept = {order: amount for order, amount in charged.items() if amount}
    assert kept == {event.order: event.amount for event in sold}, "who was charged has the goods"
    assert sum(row["quantity"] for row in shop.shown("sales")) == sum(event.quantity for event in sold)
    outcomes = {event.order: event.outcome for event in settled}
    assert {row["order"]: row["stage"] for row in shop.shown("ticket")} == outcomes
    return dict(outcomes)


def opened(chaos: Chaos | None = None) -> Stepping:
    shop = Stepping(app, NOON, chaos)
    shop.commands.send(Restock("cup", CUPS), "delivery")
    return shop


@pytest.mark.rounds
def test_every_schedule_ends_in_one_outcome_an_order_with_goods_and_money_conserved() -> None:
    seen: set[str] = set()
    for seed in range(rounds(150)):
        chance = random.Random(seed)
        shop = opened(Chaos(seed, duplicate=0.2, shuffle_window=4, drop=0.2))
        for number in range(4):
            amount = CREDIT + 1 if chance.random() < 0.2 else 900
            shop.commands.send(PlaceOrder(f"o{number}", "ann", "cup", chance.randint(1, 4), amount, NOON), "place")
            shop.wander(chance, chance.randint(0, 12))
            if chance.random() < 0.4:
                shop.later(PATIENCE + timedelta(seconds=1))
        shop.wander(chance, 20)
        shop.later(PATIENCE + timedelta(seconds=1))
        shop.finish()
        seen |= set(conserved(shop).values())
    assert seen == {"sold", "out of stock", "payment refused", "timed out"}


def race(*hops: str) -> Stepping:
    shop = opened()
    shop.commands.send(PlaceOrder("o1", "ann", "cup", 2, 900, NOON), "place")
    for hop in hops:
        if hop == "time passes":
            shop.later(PATIENCE)
        else:
            shop.step(hop)
    return shop


ASKED = ("relay", "project selling", "dispatch selling", "relay")  # stock has answered, the saga does not know yet
PAID = (*ASKED, "project selling", "dispatch selling", "relay")  # paid, the saga does not know yet


@pytest.mark.parametrize("before", [ASKED, PAID])
def test_a_success_that_the_saga_learns_after_the_time_out_is_given_back(before: tuple[str, ...]) -> None:
    shop = race(*before, "time passes", "dispatch selling")
    shop.finish()
    assert conserved(shop) == {"o1": "timed out"}


def test_a_time_out_after_the_sale_changes_nothing() -> None:
    shop = race(*PAID, "project selling", "dispatch selling", "time passes", "dispatch selling")
    shop.finish()
    assert conserved(shop) == {"o1": "sold"}
    assert not shop.rows.outputs("selling", 10), "the timer went with the saga"


def test_a_time_out_is_durable_and_waits_for_its_time() -> None:
    shop = race("relay", "project selling")
    shop.later(PATIENCE - timedelta(seconds=1))
    (timer,) = [output for output in shop.rows.outputs("selling", 10) if output.due]
    assert timer.due == NOON + PATIENCE
    assert timer not in shop.rows.due("selling", shop.rows.clock(), 10)
    shop.later(timedelta(seconds=1))
    assert timer in shop.rows.due("selling", shop.rows.clock(), 10)


def test_the_same_command_again_has_the_first_answer_and_another_one_is_refused() -> None:
    shop = opened()
    command = PlaceOrder("o1", "ann", "cup", 1, 100, NOON)
    first = shop.commands.send(command, "place")
    again = shop.commands.send(command, "place")
    assert again.replayed
    assert (again.first, again.last) == (first.first, first.last)
    with pytest.raises(Rejected, match="already placed"):
        shop.commands.send(command, "other key")
