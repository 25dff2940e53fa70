"""Faults 2 and 22 to 24, seeded: duplicates of one command, and a relay that dies, doubles, stalls or is not answered."""

import random
from collections.abc import Sequence

import pytest

from apps import shop
from runtime.errors import Unavailable
from runtime.flow.cloudevents import from_bus
from runtime.flow.command import Sending
from runtime.ports import Answer, Envelope
from runtime.steps import Request, Steps
from tests.flow.house import House, Stage, cast
from tests.rounds import rounds


def duplicates(house: House, sending: Sending, tellings: int) -> list[Answer]:
    """The same command from so many callers at once, in any interleaving, every tenth answer of the store lost."""
    dice = house.dice
    cores: dict[int, Steps[Answer]] = {}
    requests: dict[int, Request] = {}
    answers: list[Answer] = []
    for caller in range(tellings):
        cores[caller] = house.commands.handle(sending)
        requests[caller] = next(cores[caller])
    while cores:
        caller = dice.choice(sorted(cores))
        try:
            reply: object = requests[caller].perform()
            if requests[caller].name == "append" and dice.random() < 0.1:
                reply = Unavailable("no answer", in_doubt=True)
        except Exception as error:  # noqa: BLE001  handed to the core, which decides
            reply = error
        try:
            core = cores[caller]
            requests[caller] = core.throw(reply) if isinstance(reply, Exception) else core.send(reply)
        except StopIteration as stop:
            answers.append(stop.value)
            del cores[caller]
    return answers


@pytest.mark.rounds
def test_fault_02_a_command_sent_ten_times_takes_effect_once_and_all_hear_the_same() -> None:
    house = House(seed=2)
    commands = rounds(1_000)
    for n in range(commands):
        answers = duplicates(house, Sending(shop.Restock(f"sku{n % 7}", 1), f"key {n}"), 10)
        assert len({(answer.stream, answer.first, answer.last) for answer in answers}) == 1
    stored = [event for events in house.streams().values() for event in events]
    assert len(stored) == commands
    assert len({event.key for event in stored}) == commands


def stocked(house: House, events: int) -> None:
    for n in range(events):
        house.send(shop.Restock(f"sku{house.dice.randrange(4)}", n + 1))


def published(house: House) -> dict[str, list[int]]:
    """Per stream the versions on the bus, in the order of their offsets."""
    found: dict[str, list[int]] = {}
    for log in house.bus._logs:
        for body in log.read(log.begin, log.end - log.begin):
            event = from_bus(body)
            found.setdefault(event.stream, []).append(event.version)
    return found


def in_order(versions: list[int]) -> bool:
    """Nothing is skipped: each version comes first after the one before it; repeats may follow."""
    seen = 0
    for version in versions:
        if version > seen + 1:
            return False
        seen = max(seen, version)
    return True


def all_on_the_bus(house: House) -> None:
    heads = {head.stream: head.version for head in house.store.heads("", 100)}
    found = published(house)
    assert {stream: max(versions) for stream, versions in found.items()} == heads
    assert all(in_order(versions) for versions in found.values())


@pytest.mark.rounds
@pytest.mark.parametrize("point", ["publish", "mark"])
def test_fault_22_a_relay_killed_around_publish_and_mark_loses_and_reorders_nothing(point: str) -> None:
    house = House(seed=22)
    stage = Stage(house, cast(house))
    stage.step("relay")
    for _ in range(rounds(100)):
        stocked(house, 3)
        while (pending := stage.pending("relay")) is None or pending.name != point:
            stage.step("relay")
        stocked(house, 1)  # what comes after the relay has looked
        if house.dice.random() < 0.5:
            pending.perform()  # it took effect, and nobody was told
        stage.kill("relay")
        house.clock.seconds += 6  # its lease runs out
        stocked(house, 1)
    house.relay()
    all_on_the_bus(house)
    house.fold()
    assert house.shown() == house.wanted()


@pytest.mark.rounds
def test_fault_23_a_relay_that_wakes_up_after_another_took_over_loses_nothing_and_doubles_no_effect() -> None:
    for seed in range(rounds(100)):
        house = House(seed=seed)
        stage = Stage(house, {name: cast(house)["relay"] for name in ("one", "two")})
        stocked(house, 5)
        for _ in range(house.dice.randint(1, 6)):
            stage.step("one")  # … and is stopped here
        house.clock.seconds += 10
        for _ in range(30):
            stage.step("two")
            if house.dice.random() < 0.3:
                stocked(house, 1)
        for _ in range(60):
            stage.step()
            house.clock.seconds += 0.5
        house.clock.seconds += 10
        house.relay()
        heads = {head.stream: head.version for head in house.store.heads("", 100)}
        assert {stream: set(versions) for stream, versions in published(house).items()} == {
            stream: set(range(1, head + 1)) for stream, head in heads.items()
        }
        house.fold()
        assert house.shown() == house.wanted()


@pytest.mark.rounds
def test_fault_24_a_fifth_of_the_acknowledgements_lost_loses_nothing_and_reorders_nothing() -> None:
    house = House(seed=24)
    dice = random.Random(24)
    publish = house.bus.publish
    lost = 0

    def unsure(envelopes: Sequence[Envelope]) -> None:
        nonlocal lost
        if dice.random() < 0.2:
            lost += 1
            publish(envelopes[: dice.randint(0, len(envelopes))])
            raise Unavailable("no acknowledgement", in_doubt=True)
        publish(envelopes)

    house.bus.publish = unsure  # type: ignore[method-assign]
    stage = Stage(house, cast(house))
    for _ in range(rounds(500)):
        stocked(house, 1)
        for _ in range(4):
            stage.step("relay")
        house.clock.seconds += 6
    house.bus.publish = publish  # type: ignore[method-assign]
    house.clock.seconds += 6
    house.relay()
    assert lost > 10
    all_on_the_bus(house)
    house.fold()
    assert house.shown() == house.wanted()
