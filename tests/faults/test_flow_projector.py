"""Faults 25 to 29 and 33, seeded: damaged deliveries, poison, trimmed logs, killed and woken projectors, and one's own writes."""

import random

import pytest

from apps import shop
from providers.memory.bus import Chaos, MemoryConsumer
from runtime.errors import Unavailable
from runtime.flow.project import Projector
from runtime.flow.reading import Read
from runtime.steps import Request, Steps, run
from tests.flow.house import House, Stage, answer, cast, until
from tests.rounds import rounds
from tests.simulation.domain import Killed, Write, medicine


def busy(house: House, commands: int, text: str = "plain") -> None:
    """Some writing on a few streams."""
    for n in range(commands):
        if house.dice.random() < 0.5:
            house.send(shop.Restock(f"sku{house.dice.randrange(3)}", n + 1))
        else:
            house.send(Write(f"n{house.dice.randrange(4)}", house.dice.choice((text, "plain", "tear")), n))


@pytest.mark.rounds
def test_fault_25_deliveries_shuffled_in_a_window_of_50_and_duplicated_give_the_fold() -> None:
    for seed in range(rounds(100)):
        house = House(seed=seed, chaos=Chaos(seed, duplicate=0.3, shuffle_window=50))
        projector = house.projector(batch=house.dice.choice((1, 7, 2_000)))
        for _ in range(6):
            busy(house, 10)
            house.relay()
            run(projector.once(0.0))
        house.flow(projector)
        assert house.bus._chaos is not None
        assert house.bus._chaos.duplicated > 0
        assert house.shown() == house.wanted()
        assert house.rows.letters("rows", 1) == []


def test_fault_25_a_hole_that_the_store_cannot_fill_is_told_by_a_letter() -> None:
    house = House()
    for n in range(6):
        house.send(shop.Restock("tea", n + 1))
    house.relay()
    del house.store._streams["stock-tea"][3:]
    projector = house.projector(batch=1)
    for body in list(house.bus._logs[projector_partition(house)]._bodies[:5]):
        house.bus._logs[projector_partition(house)]._bodies.remove(body)  # only the last one comes
    run(projector.once(0.0))
    assert {(letter.stream, letter.version, letter.reason) for letter in house.rows.letters("rows", 1)} == {("stock-tea", 4, "gap")}


def projector_partition(house: House) -> int:
    """Where the stream lies."""
    return next(partition for partition, log in enumerate(house.bus._logs) if len(log))


@pytest.mark.rounds
@pytest.mark.parametrize("poison", ["poison", "deadly"])
def test_fault_26_a_poison_parks_only_its_stream_and_a_redrive_restores_the_order(poison: str) -> None:
    for seed in range(rounds(100)):
        house = House(seed=seed)
        busy(house, 12)
        house.send(Write("bad", "first", 1))
        house.send(Write("bad", poison, 1))
        house.send(Write("bad", "last", 1))
        house.relay()
        began, deaths = house.clock.seconds, 0
        projector = house.projector()
        while True:
            try:
                house.flow(projector)
            except Killed:
                deaths += 1
                assert deaths < 20
                dead, projector = projector, house.projector()
                assert isinstance(dead.consumer, MemoryConsumer)
                for transaction in set(house.rows._locks._owners.values()):
                    house.rows.kill(transaction)  # type: ignore[arg-type]
                dead.consumer.crash()
                continue
            break
        assert house.clock.seconds - began < 1.0  # nobody else waited longer
        (letter,) = house.rows.letters("rows", 1)
        assert (letter.part, letter.stream, letter.version) == ("page", "note-bad", 2)
        wanted = house.wanted()
        assert {place: row for place, row in house.shown().items() if place != ("page", "bad")} == {
            place: row for place, row in wanted.items() if place != ("page", "bad")
        }
        assert house.table("page")["bad"] == ("bad", 1, "first")
        medicine.mended = True
        run(house.letters().redrive("page", "note-bad"))
        assert house.shown() == wanted


@pytest.mark.rounds
def test_fault_27_a_log_trimmed_below_the_offset_is_made_good_from_the_store() -> None:
    for seed in range(rounds(100)):
        house = House(seed=seed)
        projector = house.projector()
        for _ in range(5):
            busy(house, 8)
            house.relay()
            if house.dice.random() < 0.5:
                run(projector.once(0.0))
            for partition, log in enumerate(house.bus._logs):
                house.bus.trim(partition, house.dice.randint(log.begin, log.end))
        house.flow(projector)
        assert house.shown() == house.wanted()


@pytest.mark.rounds
def test_fault_28_a_projector_killed_between_rows_and_offset_folds_everything_once() -> None:
    house = House(seed=28)
    stage = Stage(house, cast(house, "rows"))
    for _ in range(rounds(100)):
        busy(house, 3)
        house.relay()
        for _ in range(house.dice.randint(1, 12)):
            stage.step("project rows")
        stage.kill("project rows")  # before or after whatever it was about to ask for
        if house.dice.random() < 0.2:
            stage.settle()
    stage.settle()
    assert house.rows.letters("rows", 1) == []


@pytest.mark.rounds
@pytest.mark.parametrize("point", ["begin", "lock", "watermarks", "write", "commit"])
def test_fault_29_a_zombie_that_wakes_up_after_its_partitions_were_taken_folds_nothing_twice(point: str) -> None:
    for seed in range(rounds(50)):
        house = House(seed=seed)
        busy(house, 10)
        house.relay()
        zombie = house.projector()
        core = zombie.once(0.0)
        pending = until(core, point)
        for transaction in set(house.rows._locks._owners.values()):
            house.rows.kill(transaction)  # type: ignore[arg-type]  # the database ends an idle session
        assert isinstance(zombie.consumer, MemoryConsumer)
        zombie.consumer.expire()
        taker = house.projector()
        house.flow(taker)
        assert house.shown() == house.wanted()
        busy(house, house.dice.randrange(3))
        woken(core, pending, zombie)
        house.flow(taker, zombie)
        assert house.shown() == house.wanted()


def woken(core: Steps[int], pending: Request, zombie: Projector) -> None:
    """It goes on as if nothing had happened."""
    try:
        reply: object
        try:
            reply = pending.perform()
        except Unavailable as error:
            reply = error
        answer(core, reply)
    except Unavailable:
        zombie.consumer.rewind()


@pytest.mark.rounds
def test_fault_33_a_read_after_a_token_is_never_older_than_the_token() -> None:
    house = House(seed=33, chaos=Chaos(33, duplicate=0.1, shuffle_window=5, drop=0.05))
    dice = random.Random(33)
    stage = Stage(house, cast(house, "rows"))
    reading = house.reading()
    fresh = stale = 0
    for n in range(rounds(1_000)):
        sku = f"sku{n % 3}"
        token = house.send(shop.Restock(sku, 1)).token
        version = int(token.rpartition("@")[2])
        core = reading.get("shelf", sku, after=token, wait_s=0.5)
        request = next(core)
        read: Read | None = None
        while read is None:
            for _ in range(dice.randrange(12)):
                stage.step()
            try:
                request = core.send(request.perform())
            except StopIteration as stop:
                read = stop.value
        if read.stale:
            stale += 1
        else:
            fresh += 1
            assert read.row is not None
            assert read.row["n"] >= version
    assert fresh > stale
