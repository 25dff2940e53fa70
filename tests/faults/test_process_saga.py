"""A saga over processes: the one that projects and dispatches it is killed at every step, and each command takes effect once.

Proved from the stored events alone: an order is settled once, money and goods of every lost order are given back, and a timer
that came due while nobody ran fires after the restart.
"""

import json
import random
import signal
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps import shop
from runtime.errors import TrimaranError
from tests.processes.expected import stored
from tests.processes.failing import Fault
from tests.processes.figures import report
from tests.processes.fleet import until
from tests.processes.parallel import at_once, shared
from tests.processes.sea import Sea, at_sea
from tests.rounds import amount

SAGA = "selling"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
STOCK = 400
TWIN = "tests.processes.twins:selling"
# before it is sent · after it took effect and before that is noted · between row and offset · the saga's rows and output committed
MOMENTS = ("store.append_all", "rows.sent", "consumer.commit", "tx.commit")


def begin(sea: Sea) -> None:
    """At noon, with tea in stock, a relay, and the saga's group made while there is no event."""
    sea.ports.rows.set_clock(NOON)
    sea.start("relay", ready=True)
    sea.start("projector", group=SAGA, ready=True).stop()
    sea.ports.commands.send(shop.Restock("tea", STOCK), key="restock")


def place_order(sea: Sea, order: str, quantity: int, amount: int) -> None:
    """Somebody buys."""
    sea.ports.commands.send(shop.PlaceOrder(order, "ann", "tea", quantity, amount, NOON), key=f"place-{order}")


def events_of(sea: Sea) -> list[tuple[str, dict[str, Any]]]:
    """Every stored event: its stream's category and its JSON."""
    return [(stream.partition("-")[0], json.loads(event.data)) for stream, events in stored(sea.ports.store).items() for event in events]


def settled(sea: Sea) -> bool:
    """Nothing is on its way any more: all published, folded, sent."""
    try:
        ports = sea.ports
        return not (ports.relay.backlog() or sea.behind(SAGA) or ports.rows.due(SAGA, ports.rows.clock(), 1))
    except TrimaranError:
        return False


def check(sea: Sea, orders: int) -> Counter[str]:
    """Each order one outcome; of those that were not sold nothing is kept. How many had which outcome."""
    told = events_of(sea)
    counted = Counter((event["type"], event.get("order")) for _, event in told if "order" in event)
    assert all(number == 1 for number in counted.values()), [place for place, number in counted.items() if number != 1]
    outcomes = {event["order"]: event["outcome"] for _, event in told if event["type"] == "OrderSettled"}
    assert len(outcomes) == orders
    charged = {event["order"]: event["amount"] for _, event in told if event["type"] == "Charged"}
    refunded = {event["order"]: event["amount"] for _, event in told if event["type"] == "Refunded"}
    assert refunded == {order: amount for order, amount in charged.items() if outcomes[order] != "sold"}
    assert {order for order, outcome in outcomes.items() if outcome == "sold"} <= charged.keys()
    reserved = {event["order"]: event["quantity"] for _, event in told if event["type"] == "Reserved"}
    given_back = sum(event["quantity"] for _, event in told if event["type"] == "Restocked") - STOCK
    assert given_back == sum(quantity for order, quantity in reserved.items() if outcomes[order] != "sold")
    return Counter(outcomes.values())


@pytest.mark.long
@pytest.mark.rounds
def test_fault_34_a_saga_whose_process_is_killed_at_every_step_sends_each_command_once(postgres_url: str, kafka_url: str) -> None:
    def one_world(part: range) -> tuple[int, Counter[str]]:
        chance, orders = random.Random(part.start), 0
        with at_sea(postgres_url, kafka_url, app=TWIN, parts_of=shop.app) as sea:
            begin(sea)
            for round_ in part:
                for _ in range(8):
                    price = 2_000_00 if orders % 5 == 4 else 10_00  # beyond the credit: refused, and the goods go back
                    place_order(sea, f"o{orders}", chance.randrange(1, 9), price)
                    orders += 1
                fault = Fault(MOMENTS[round_ % len(MOMENTS)], at=chance.randrange(2, 4))
                victim = sea.start("projector", group=SAGA, batch=10, fault=fault)
                until(lambda victim=victim: victim.code() is not None or settled(sea), 30, f"it is killed:\n{victim.tail()}", 0.1)  # type: ignore[misc]
                victim.kill()
                assert victim.code() == -signal.SIGKILL
            sea.start("projector", group=SAGA)
            until(lambda: settled(sea), 60, "nothing is on its way", 0.2)
            until(lambda: settled(sea), 10, "really nothing", 0.2)
            assert not [output for output in sea.ports.rows.outputs(SAGA, 10_000) if output.stuck]
            return orders, check(sea, orders)

    kills, started = amount(40), time.monotonic()
    told = at_once(one_world, shared(kills, 3))
    outcomes = sum((counted for _, counted in told), Counter[str]())
    assert outcomes["sold"] > 0
    assert outcomes["payment refused"] > 0
    orders = sum(number for number, _ in told)
    report("34 saga process killed", kills=kills, orders=orders, doubled=0, seconds=time.monotonic() - started, **dict(outcomes))


def test_a_timer_that_came_due_while_nobody_ran_fires_after_the_restart(postgres_url: str, kafka_url: str) -> None:
    with at_sea(postgres_url, kafka_url, app=TWIN, parts_of=shop.app) as sea:
        begin(sea)
        dies = sea.start("projector", group=SAGA, fault=Fault("store.append_all"), ready=True)
        place_order(sea, "late", 3, 10_00)
        assert dies.wait(30) == -signal.SIGKILL  # the goods are wanted, the timer is set, nothing was sent
        assert sea.ports.rows.next_due() == NOON + shop.PATIENCE
        sea.ports.rows.set_clock(NOON + shop.PATIENCE - timedelta(seconds=1))
        assert [output.due for output in sea.ports.rows.due(SAGA, sea.ports.rows.clock(), 9)] == [None]
        sea.ports.rows.set_clock(NOON + shop.PATIENCE)
        sea.start("projector", group=SAGA)
        until(lambda: settled(sea) and not sea.ports.rows.outputs(SAGA, 9), 30, "the order is settled", 0.2)
        assert check(sea, 1) == {"timed out": 1}
