"""The projector: offsets after rows, sync for what the bus lost, clean shards for whoever comes next."""

import pytest

from apps import shop
from providers.memory.bus import Chaos
from runtime.errors import Fenced, Stopped, StoreRestored, Unavailable
from runtime.flow.project import Projector, consumer_group, open_generation
from runtime.flow.sync import Sync
from runtime.ports import Envelope, Phase, shard_of
from runtime.steps import run
from tests.flow.house import House, answer, crash, until
from tests.simulation.domain import Write


def stocked(house: House, events: int = 4) -> None:
    for n in range(events):
        house.send(shop.Restock("tea", n + 1))
        house.send(Write(f"n{n}", "plain", n))
    house.relay()


def round_of(projector: Projector) -> int:
    """One round, without waiting for deliveries."""
    return run(projector.once(0.0))


def test_the_offset_is_committed_after_the_rows_and_the_signals() -> None:
    house = House()
    stocked(house)
    projector = house.projector()
    core = projector.once(0.0)
    pending = until(core, "commit", 3)  # the shards, the rows, the offset
    assert pending.call.__self__ is projector.consumer  # type: ignore[attr-defined]
    assert house.shown() == house.wanted()
    assert sum(house.bus.lag(consumer_group(house.app, house.live())).values()) == 8
    assert answer(core, pending.perform()) == 8
    assert sum(house.bus.lag(consumer_group(house.app, house.live())).values()) == 0


def test_a_crash_between_rows_and_offset_folds_nothing_twice() -> None:
    house = House()
    stocked(house)
    dead = house.projector()
    core = dead.once(0.0)
    until(core, "commit", 3)
    crash(core, dead)
    projector = house.projector()
    assert round_of(projector) == 0
    assert house.shown() == house.wanted()
    assert sum(house.bus.lag(consumer_group(house.app, house.live())).values()) == 0


def test_after_an_error_the_same_deliveries_come_again() -> None:
    house = House()
    stocked(house)
    projector = house.projector()
    core = projector.once(0.0)
    until(core, "begin")
    with pytest.raises(Unavailable):
        answer(core, Unavailable("away"))
    projector.consumer.rewind()
    assert round_of(projector) == 8


def test_a_foreign_message_is_counted_and_passed_over() -> None:
    house = House()
    house.bus.publish([Envelope("stock-tea", b"hello")])
    stocked(house)
    projector = house.projector()
    assert round_of(projector) == 8
    assert projector.undecodable == 1
    assert house.shown() == house.wanted()


def test_a_lost_last_event_is_found_as_soon_as_the_bus_is_quiet() -> None:
    house = House(chaos=Chaos(0, drop=1.0))
    stocked(house)
    projector = house.projector()
    assert round_of(projector) == 8
    assert house.shown() == house.wanted()


def test_a_lost_last_event_of_a_running_projector_is_found_on_the_timer() -> None:
    house = House()
    stocked(house)
    projector = house.projector(sync_every_s=60.0)
    house.flow(projector)
    house.send(shop.Restock("tea", 9))
    house.store.unpublished.clear()  # the relay never tells
    assert round_of(projector) == 0
    house.clock.seconds += 61
    assert round_of(projector) == 1
    assert house.shown() == house.wanted()


def test_a_log_trimmed_below_the_offset_is_made_good_from_the_store_at_once() -> None:
    house = House(partitions=1)
    stocked(house)
    projector = house.projector()
    house.bus.trim(0, 6)
    assert round_of(projector) == 8
    assert house.shown() == house.wanted()


def test_sync_resends_signals_of_shards_that_no_batch_touches_any_more() -> None:
    house = House()
    stocked(house)
    dead = house.projector()
    core = dead.once(0.0)
    until(core, "send")
    crash(core, dead)
    with house.signals.listen() as listener:
        projector = house.projector()
        while round_of(projector):
            pass
        house.clock.seconds += 61
        round_of(projector)
        assert {(signal.part, signal.key) for signal in listener.take(1_000, 0)} == set(house.shown())
        house.clock.seconds += 61
        round_of(projector)
        assert listener.take(1_000, 0) == []


def test_sync_stops_the_group_when_a_head_is_behind_its_watermark() -> None:
    house = House()
    stocked(house)
    projector = house.projector()
    house.flow(projector)
    house.store._streams["stock-tea"].pop()
    with pytest.raises(StoreRestored, match=r"'stock-tea' is at 3, its watermark at 4.*rebuild start --group rows"):
        run(Sync(house.sink()).run())


def test_sync_stops_the_group_when_the_store_has_a_new_epoch() -> None:
    house = House()
    stocked(house)
    house.store.raise_epoch()
    with pytest.raises(StoreRestored, match="its epoch is 2, the rows were folded from 1"):
        run(Sync(house.sink()).run())
    with pytest.raises(Stopped, match="rebuild start"):
        run(open_generation(house.app, "rows", house.store, house.rows))


def test_a_saga_without_rows_over_a_store_with_events_waits_for_an_operators_word() -> None:
    house = House()
    stocked(house)
    fresh = House(house.app)
    del fresh.rows._state.filled["selling", 1]
    fresh.store = house.store
    with pytest.raises(Stopped, match="--silent"):
        run(open_generation(fresh.app, "selling", fresh.store, fresh.rows))
    assert run(open_generation(fresh.app, "selling", fresh.store, fresh.rows, resend=True)).phase is Phase.LIVE


def test_a_projector_that_ends_leaves_its_shards_clean_and_its_group() -> None:
    house = House()
    stocked(house)
    projector = house.projector()
    house.flow(projector)
    holders = {state.holder for state in house.rows._state.find("rows", 1).shards.values()}
    assert holders == {projector.sink.holder + "~0"} or holders == {projector.sink.holder}
    projector.close()
    assert {state.holder for state in house.rows._state.find("rows", 1).shards.values()} == {""}
    assert not house.bus._groups[consumer_group(house.app, house.live())].members


def test_a_projector_that_loses_partitions_leaves_their_shards_clean() -> None:
    house = House(partitions=2)
    for n in range(20):
        house.send(Write(f"page {n}", "plain", n))
    projector = house.projector()
    house.flow(projector)
    shards = house.rows._state.find("rows", 1).shards
    assert {shard % 2 for shard, state in shards.items() if state.holder} == {0, 1}
    house.projector()
    round_of(projector)
    assert {shard % 2 for shard, state in shards.items() if state.holder} == projector.consumer.assigned()


def test_two_living_members_that_meet_on_a_shard_are_not_deaths() -> None:
    house = House(partitions=1)
    stocked(house)
    sinks = [house.sink(), house.sink()]
    for n in range(20):
        house.send(shop.Restock("tea", 1))
        run(sinks[n % 2].apply({"stock-tea": house.streams()["stock-tea"]}))
    assert all(not sink._dirty for sink in sinks)
    assert house.rows._state.find("rows", 1).letters == {}
    assert house.table("shelf")["tea"][2] == 24


def test_a_generation_dropped_under_a_projector_ends_it_and_leaves_no_transaction() -> None:
    house = House()
    stocked(house)
    projector = house.projector()
    house.flow(projector)
    tx = house.rows.begin("rows", 1)
    tx.lock([shard_of("stock-tea")])
    tx.set_phase(1, Phase.FENCED)
    tx.commit()
    house.rows.drop("rows", 1)
    house.send(shop.Restock("tea", 1))
    house.relay()
    with pytest.raises(Fenced):
        while True:
            round_of(projector)
    projector.close()
    assert not house.rows._locks._owners
