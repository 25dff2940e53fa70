"""The command path: a command takes effect once, whatever is lost on the way, and every wait has an end."""

from datetime import UTC, datetime

import pytest

from apps import shop
from runtime.errors import Conflict, KeyReused, Rejected, Unavailable
from runtime.flow.command import CONFLICTS, Sending
from runtime.ports import Append
from tests.flow.house import House, answer, go_on, until
from tests.simulation.domain import Write

AT = datetime(2026, 1, 1, tzinfo=UTC)


def place(order: str = "o1") -> shop.PlaceOrder:
    return shop.PlaceOrder(order, "ann", "tea", 1, 5_00, AT)


def test_a_duplicate_gets_the_first_answer_again_and_stores_nothing() -> None:
    house = House()
    first = house.send(shop.Restock("tea", 3), "key")
    house.send(shop.Restock("tea", 4), "other")
    again = house.send(shop.Restock("tea", 3), "key")
    assert (again.first, again.last, again.replayed) == (first.first, first.last, True)
    assert len(house.streams()["stock-tea"]) == 2


def test_a_command_without_events_keeps_its_key_too() -> None:
    house = House()
    house.send(place())
    house.send(shop.SettleOrder("o1", "sold"))
    nothing = house.send(shop.SettleOrder("o1", "timed out"), "late")
    assert (nothing.first, nothing.last, nothing.replayed) == (2, 2, False)
    assert house.send(shop.SettleOrder("o1", "timed out"), "late").replayed


def test_the_same_key_with_other_bytes_is_refused_and_stores_nothing() -> None:
    house = House()
    house.send(shop.Restock("tea", 3), "key")
    with pytest.raises(KeyReused, match="fresh key"):
        house.send(shop.Restock("tea", 4), "key")
    assert len(house.streams()["stock-tea"]) == 1


def test_what_the_decider_rejects_is_not_kept_so_that_it_may_succeed_later() -> None:
    house = House()
    with pytest.raises(Rejected, match="place it first"):
        house.send(shop.SettleOrder("o1", "sold"), "key")
    house.send(place())
    assert house.send(shop.SettleOrder("o1", "sold"), "key").last == 2


def test_after_a_conflict_it_decides_again_on_what_is_there_now() -> None:
    house = House()
    house.send(shop.Restock("tea", 3))
    core = house.commands.handle(Sending(shop.Reserve("tea", "o1", 3), "mine"))
    pending = until(core, "append")
    house.send(shop.Reserve("tea", "o2", 2))
    answered = go_on(core, pending)
    assert answered.last == 3
    assert [event.type for event in house.streams()["stock-tea"]] == ["Restocked", "Reserved", "ReserveRefused"]


def test_a_duplicate_that_meets_its_own_first_try_gets_its_answer() -> None:
    house = House()
    slow = house.commands.handle(Sending(shop.Restock("tea", 3), "key"))
    pending = until(slow, "append")
    quick = house.send(shop.Restock("tea", 3), "key")
    answered = go_on(slow, pending)
    assert (answered.first, answered.last) == (quick.first, quick.last)
    assert len(house.streams()["stock-tea"]) == 1


def test_conflicts_are_retried_a_bounded_number_of_times() -> None:
    house = House()
    core = house.commands.handle(Sending(shop.Restock("tea", 3), "key"))
    appends = 0
    request = until(core, "append")
    with pytest.raises(Conflict):
        while True:
            appends += 1
            request = core.throw(Conflict("stock-tea", 0, 1))
            while request.name != "append":
                request = core.send(request.perform())
    assert appends == CONFLICTS


def test_a_lost_answer_is_recovered_with_the_same_key() -> None:
    house = House()
    core = house.commands.handle(Sending(shop.Restock("tea", 3), "key"))
    until(core, "append").perform()
    answered = answer(core, Unavailable("cut", in_doubt=True))
    assert (answered.first, answered.last, answered.replayed) == (0, 1, True)
    assert len(house.streams()["stock-tea"]) == 1


def test_a_command_without_a_key_survives_a_lost_answer_as_well() -> None:
    house = House()
    core = house.commands.handle(Sending(shop.Restock("tea", 3)))
    until(core, "append").perform()
    assert answer(core, Unavailable("cut", in_doubt=True)).last == 1
    assert len(house.streams()["stock-tea"]) == 1


def test_a_store_that_stays_away_is_unavailable_after_the_deadline_and_not_before() -> None:
    house = House()
    house.commands.deadline_s = 3.0
    began = house.clock.seconds
    core = house.commands.handle(Sending(shop.Restock("tea", 3)))
    request = next(core)
    tries = 0
    with pytest.raises(Unavailable, match="away"):
        while True:
            if request.name == "sleep":
                request = core.send(request.perform())
            else:
                tries += 1
                request = core.throw(Unavailable("away"))
    assert 1.0 <= house.clock.seconds - began <= 3.0
    assert 4 <= tries <= 10


def test_many_commands_are_one_durable_write_and_each_fails_alone() -> None:
    house = House()
    house.send(shop.Restock("tea", 3), "used")
    commands = [shop.Restock("rum", 1), shop.SettleOrder("nobody", "sold"), shop.Restock("tea", 9), place("o9")]
    keys = ["a", "b", "used", "d"]
    core = house.commands.handle_all([Sending(command, key) for command, key in zip(commands, keys, strict=True)])
    pending = until(core, "append_all")
    assert [append.stream for append in pending.args[0] if isinstance(append, Append)] == ["stock-rum", "order-o9"]
    rum, nobody, tea, order = go_on(core, pending)
    assert (rum.last, order.last) == (1, 1)
    assert isinstance(nobody, Rejected)
    assert isinstance(tea, KeyReused)


def test_a_snapshot_spares_the_reading_and_changes_nothing() -> None:
    house = House()
    for n in range(10):
        house.send(Write("n1", f"text {n}", n))
    kept = next(iter(house.snapshots._kept["note-n1"].values()))
    assert kept.version == 9
    core = house.commands.handle(Sending(Write("n1", "next", 1), "key"))
    loading = until(core, "load")
    assert loading.args == ("note-n1", "key", 9)
    assert go_on(core, loading).last == 11


def test_a_snapshot_that_cannot_be_kept_costs_nothing_but_time() -> None:
    house = House()
    house.send(Write("n1", "one", 1))
    house.send(Write("n1", "two", 1))
    core = house.commands.handle(Sending(Write("n1", "three", 1)))
    until(core, "keep")
    assert answer(core, Unavailable("away")).last == 3
    assert house.send(Write("n1", "after", 1)).last == 4
