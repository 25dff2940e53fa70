"""Faults 34 to 37, seeded, on the shop as it ships: whatever breaks, a sale has one outcome, each effect once, and nothing is kept from a lost one."""

import random
from collections.abc import Callable, Iterator

import pytest

from apps import shop
from runtime.domain import App, Decider
from runtime.errors import Rejected, Unavailable
from runtime.ports import Recorded
from runtime.steps import run
from tests.flow.house import House, Stage, cast
from tests.rounds import rounds
from tests.simulation.audit import fields
from tests.simulation.world import START

PATIENCE_S = shop.PATIENCE.total_seconds()


def order(quantity: int = 2, amount: int = 5_00) -> shop.PlaceOrder:
    return shop.PlaceOrder("o1", "ann", "tea", quantity, amount, START)


def opened(command: shop.PlaceOrder, seed: int = 0, app: App = shop.app) -> House:
    house = House(app, seed=seed, partitions=2)
    house.send(shop.Restock("tea", 3))
    house.send(command)
    return house


def types(house: House, stream: str) -> list[str]:
    return [event.type for event in house.streams().get(stream, [])]


def whole(house: House) -> str:
    """The outcome of the order, everything it took accounted for."""
    streams = house.streams()
    assert types(house, "order-o1") == ["OrderPlaced", "OrderSettled"]
    settled = fields(streams["order-o1"][1])
    sold = settled["outcome"] == "sold"
    payment = types(house, "payment-o1")
    assert payment in ([], ["Charged"], ["ChargeRefused"], ["Charged", "Refunded"])
    assert (payment == ["Charged"]) is sold
    stock = [(event.type, fields(event).get("quantity", 0)) for event in streams["stock-tea"]][1:]
    free = 3 + sum({"Restocked": 1, "Reserved": -1}.get(tag, 0) * quantity for tag, quantity in stock)
    assert free == (3 - settled["quantity"] if sold else 3)
    assert [tag for tag, _ in stock] in ([], ["Reserved"], ["ReserveRefused"], ["Reserved", "Restocked"])
    assert house.rows.outputs("selling", 100) == []
    return str(settled["outcome"])


def finish(stage: Stage, house: House) -> None:
    """Step until the sale is over and nothing waits."""
    for _ in range(400):
        for _ in range(30):
            stage.step()
        lag = sum(house.bus.lag("shop.selling.1").values())
        if not house.outbox.backlog() and not lag and not house.rows.outputs("selling", 10) and len(house.streams()["order-o1"]) == 2:
            return
        house.clock.seconds += 6  # leases, retries and, in the end, the patience of the sale run out
    raise AssertionError(f"the sale never ends: {house.streams().keys()}, {house.rows.outputs('selling', 10)}")


SCENES: dict[str, tuple[shop.PlaceOrder, bool, set[str]]] = {
    "it succeeds": (order(), False, {"sold"}),
    "the stock is out": (order(quantity=4), False, {"out of stock"}),
    "the payment is refused": (order(amount=2_000_00), False, {"payment refused"}),
    "the time is out": (order(), True, {"sold", "timed out"}),
}


@pytest.mark.rounds
@pytest.mark.parametrize("scene", SCENES)
def test_fault_34_a_crash_before_or_after_any_step_leaves_a_sale_whole(scene: str) -> None:
    command, late, outcomes = SCENES[scene]
    found = set()
    for seed in range(rounds(400)):
        house = opened(command, seed)
        stage = Stage(house, cast(house, "selling"))
        for _ in range(house.dice.randrange(1, 160)):
            stage.step()
        victim = house.dice.choice(("relay", "dispatch", "project selling"))
        pending = stage.pending(victim)
        if pending is not None and house.dice.random() < 0.5:
            pending.perform()  # after the step, before it is known
        stage.kill(victim)
        if late:
            house.clock.seconds += PATIENCE_S
        finish(stage, house)
        found.add(whole(house))
    assert found <= outcomes
    assert found


def stubborn(refusals: int) -> App:
    """The shop, with a bank that refuses so many refunds."""
    left = [refusals]

    def decide_payment(command: shop.Charge | shop.Refund, charged: int) -> Iterator[shop.PaymentEvent]:
        if isinstance(command, shop.Refund) and left[0]:
            left[0] -= 1
            raise Rejected("the bank is closed")
        yield from shop.decide_payment(command, charged)

    payments = Decider("payment", 0, decide_payment, shop.evolve_payment, id="order")
    return App("shop", parts=tuple(payments if part is shop.payments else part for part in shop.app.parts))


def timed_out_after_the_charge(refusals: int) -> tuple[House, Stage]:
    house = opened(order(), app=stubborn(refusals))
    stage = Stage(house, cast(house, "selling"))
    while types(house, "payment-o1") != ["Charged"]:
        stage.step()
    while not [output for output in house.rows.outputs("selling", 10) if b"timed out" in output.command]:
        stage.step()
    house.send(shop.SettleOrder("o1", "timed out"), "the clock was faster")
    return house, stage


def test_fault_35_a_compensation_that_fails_five_times_is_made_with_growing_waits() -> None:
    house, stage = timed_out_after_the_charge(5)
    tried: dict[int, float] = {}
    for _ in range(20_000):
        stage.step()
        for output in house.rows.outputs("selling", 10):
            if b"Refund" in output.command and output.tries:
                tried.setdefault(output.tries, house.clock.seconds)
        if types(house, "payment-o1") == ["Charged", "Refunded"]:
            break
        house.clock.seconds += 0.05
    assert types(house, "payment-o1") == ["Charged", "Refunded"]
    assert sorted(tried) == [1, 2, 3, 4, 5]
    waits = [tried[n + 1] - tried[n] for n in (1, 2, 3, 4)]
    assert waits[3] > waits[0] * 2


def test_fault_35_a_compensation_that_fails_for_ever_is_stuck_and_seen_and_goes_on_when_told() -> None:
    house, stage = timed_out_after_the_charge(10_000)
    for _ in range(20_000):
        stage.step()
        house.clock.seconds += 0.2
        stuck = [output for output in house.rows.outputs("selling", 10) if output.stuck]
        if stuck:
            break
    (output,) = [output for output in house.rows.outputs("selling", 10) if output.stuck]
    assert (output.tries, output.error) == (shop.selling.max_tries, "the bank is closed")
    assert types(house, "payment-o1") == ["Charged"]
    before = house.clock.seconds
    for _ in range(200):
        stage.step()
        house.clock.seconds += 60
    assert types(house, "payment-o1") == ["Charged"], f"a stuck command was tried again after {house.clock.seconds - before} s"
    house.commands = House(shop.app).commands.__class__(shop.app, house.store, None, house.world)  # the bank opens
    house.app = shop.app
    stage.kill("dispatch")
    house.rows.unstick("selling", [output])
    finish(stage, house)
    assert whole(house) == "timed out"


@pytest.mark.rounds
def test_fault_36_a_late_success_that_races_the_timeout_has_one_outcome() -> None:
    outcomes = set()
    for seed in range(rounds(10_000, 1_000)):
        house = opened(order(), seed)
        stage = Stage(house, cast(house, "selling"))
        for _ in range(house.dice.randrange(10, 130)):
            stage.step()
        house.clock.seconds += PATIENCE_S
        finish(stage, house)
        outcomes.add(whole(house))
    assert outcomes == {"sold", "timed out"}


def disturbed(dice: random.Random, events: list[Recorded]) -> list[Recorded]:
    """Repeated and out of order."""
    several = [event for event in events for _ in range(dice.choice((1, 1, 2)))]
    dice.shuffle(several)
    return several


@pytest.mark.rounds
@pytest.mark.parametrize("scene", ["it succeeds", "the stock is out", "the payment is refused"])
def test_fault_37_duplicated_and_reordered_events_give_a_saga_the_same_outcome(scene: str) -> None:
    command, _, outcomes = SCENES[scene]
    for seed in range(rounds(300)):
        house = opened(command, seed)
        dice = house.dice
        sink = house.sink("selling")
        for _ in range(40):
            everything = disturbed(dice, [event for events in house.streams().values() for event in events])
            some: dict[str, list[Recorded]] = {}
            for event in everything[: dice.randint(1, len(everything))]:
                some.setdefault(event.stream, []).append(event)
            run(sink.apply(some))
            run(house.dispatcher().once())
        assert {whole(house)} == outcomes


def test_a_lost_answer_of_the_store_never_makes_a_saga_command_a_second_effect() -> None:
    for nth in range(1, 5):
        house = opened(order())
        append_all: Callable[..., object] = house.store.append_all
        calls = 0

        def unsure(appends, append_all=append_all, nth=nth):  # type: ignore[no-untyped-def]
            nonlocal calls
            calls += 1
            outcomes = append_all(appends)
            if calls == nth:
                raise Unavailable("no answer", in_doubt=True)
            return outcomes

        house.store.append_all = unsure  # type: ignore[method-assign]
        stage = Stage(house, cast(house, "selling"))
        finish(stage, house)
        assert whole(house) == "sold"
