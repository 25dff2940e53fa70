"""Blue and green: nothing that clients read changes until the swap, nothing they saw is older after it, and a saga decides once."""

import pytest

from apps import shop
from runtime.errors import Rejected, Unavailable
from runtime.flow import rebuild as rebuilding
from runtime.flow.project import consumer_group
from runtime.ports import Phase
from runtime.steps import Request, run
from tests.flow.house import House, answer, crash, go_on, until
from tests.simulation.domain import Write, medicine
from tests.simulation.world import START


def filled(notes: int = 6) -> House:
    house = House()
    for n in range(notes):
        house.send(Write(f"n{n % 3}", "plain", n))
        house.send(shop.Restock("tea", n + 1))
    house.fold()
    return house


def placed(house: House, order: str = "o1", amount: int = 5_00) -> None:
    house.send(shop.PlaceOrder(order, "ann", "tea", 1, amount, START))


def test_green_is_filled_beside_live_and_takes_its_place() -> None:
    house = filled()
    rebuild = house.rebuild()
    green = run(rebuild.start())
    assert run(rebuild.fill(green)) == 12
    assert house.live().number == 1
    run(rebuild.swap())
    assert (house.live().number, house.shown()) == (2, house.wanted())
    assert [one.phase for one in house.rows.generations("rows")] == [Phase.BLUE, Phase.LIVE]


def test_what_comes_during_the_fill_comes_by_the_bus_or_with_the_swap() -> None:
    house = filled()
    rebuild = house.rebuild()
    green = run(rebuild.start())
    house.send(shop.Restock("tea", 100))
    house.fold()
    run(rebuild.fill(green))
    house.send(Write("new", "plain", 1))
    house.fold()
    run(rebuild.swap())
    assert house.shown() == house.wanted()


def test_a_start_that_was_made_before_is_found_again() -> None:
    house = filled()
    assert run(house.rebuild().start()) == run(house.rebuild().start())


def test_the_offsets_of_green_begin_at_now() -> None:
    house = filled()
    green = run(house.rebuild().start())
    assert sum(house.bus.lag(consumer_group(house.app, green)).values()) == 0


def test_slices_may_be_filled_apart_and_twice() -> None:
    house = filled()
    rebuild = house.rebuild()
    green = run(rebuild.start())
    assert run(rebuild.fill(green, "", "note-n2")) + run(rebuild.fill(green, "note-n1", "")) == 12
    assert run(rebuild.fill(green)) == 0
    run(rebuild.swap())
    assert house.shown() == house.wanted()


@pytest.mark.parametrize("workers", [1, 2, 3, 9])
def test_so_many_workers_fill_slices_that_are_disjoint_and_together_everything(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuilding, "PAGE", 3)
    house = filled(12)
    rebuild = house.rebuild()
    green = run(rebuild.start())
    slices = run(rebuild.slices(workers))
    assert 1 <= len(slices) <= workers
    assert len(slices) > 1 or workers == 1
    assert sum(run(rebuild.fill(green, *one, place, len(slices))) for place, one in enumerate(slices)) == 24
    run(rebuild.swap())
    assert house.shown() == house.wanted()


def test_two_workers_never_begin_a_page_with_the_same_shards() -> None:
    house = House()
    for n in range(40):
        house.send(Write(f"n{n:02}", "plain", n))
    house.fold()
    rebuild = house.rebuild()
    green = run(rebuild.start())
    locked: dict[int, list[set[int]]] = {0: [], 1: []}
    for worker, place in enumerate(run(rebuild.slices(2))):
        core = rebuild.fill(green, *place, worker, 2)
        request: Request | None = next(core)
        while request is not None:
            if request.name == "lock":
                locked[worker].append(set(request.args[0]))
            try:
                request = core.send(request.perform())
            except StopIteration:
                request = None
    assert {worker: [{shard % 2 for shard in shards} for shards in each] for worker, each in locked.items()} == {
        0: [{0}, {1}],
        1: [{1}, {0}],
    }


def test_a_swap_folds_the_remainder_whole_however_small_its_pages_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuilding, "PAGE", 2)
    house = filled(12)
    rebuild = house.rebuild()
    run(rebuild.start())
    run(rebuild.swap())  # nothing was filled: all of it is remainder
    assert house.shown() == house.wanted()
    assert house.rows.watermarks("rows", 2, "", 100) == house.rows.watermarks("rows", 1, "", 100)


def test_writes_between_catching_up_and_the_locks_are_folded_under_the_locks() -> None:
    house = filled()
    rebuild = house.rebuild()
    green = run(rebuild.start())
    run(rebuild.fill(green))
    core = rebuild.swap()
    pending = until(core, "begin")
    house.send(shop.Restock("tea", 50))
    house.fold()
    go_on(core, pending)
    assert house.shown() == house.wanted()


def test_too_much_remainder_under_the_locks_releases_them_and_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuilding, "REMAINDER", 1)
    house = filled()
    rebuild = house.rebuild()
    green = run(rebuild.start())
    run(rebuild.fill(green))
    core = rebuild.swap()
    pending = until(core, "begin")
    for quantity in (1, 2, 3):
        house.send(shop.Restock("tea", quantity))
    house.fold()
    go_on(core, pending)
    assert house.live().number == 2
    assert house.shown() == house.wanted()


def test_a_stream_parked_only_in_green_refuses_the_swap_and_live_stays() -> None:
    house = House()
    house.send(Write("bad", "poison", 1))
    medicine.mended = True
    house.fold()
    medicine.mended = False
    rebuild = house.rebuild()
    run(rebuild.fill(run(rebuild.start())))
    with pytest.raises(Rejected, match="green parked note-bad@1 for 'page'"):
        run(rebuild.swap())
    assert house.live().number == 1
    assert not house.rows._locks._owners


def test_a_stream_parked_in_both_does_not_refuse_it() -> None:
    house = House()
    house.send(Write("bad", "poison", 1))
    house.fold()
    rebuild = house.rebuild()
    run(rebuild.fill(run(rebuild.start())))
    run(rebuild.swap())
    assert [letter.stream for letter in house.rows.letters("rows", 2)] == ["note-bad"]


def test_an_abort_leaves_live_as_it_was() -> None:
    house = filled()
    before = house.shown()
    rebuild = house.rebuild()
    run(rebuild.fill(run(rebuild.start())))
    run(rebuild.abort())
    assert [one.number for one in house.rows.generations("rows")] == [1]
    assert house.shown() == before
    with pytest.raises(Rejected, match="no rebuild to abort"):
        run(rebuild.abort())


def test_blue_is_folded_on_until_nobody_leases_it_and_then_goes() -> None:
    house = filled()
    blue = house.projector()
    rebuild = house.rebuild()
    run(rebuild.fill(run(rebuild.start())))
    run(rebuild.swap())
    house.rows.lease("rows", 1, "gateway", 60)
    assert run(rebuild.finish()) == []
    house.send(shop.Restock("tea", 100))
    house.flow(blue, house.projector())
    assert house.rows.get("rows", 1, "shelf", "tea", "").row == house.rows.get("rows", 2, "shelf", "tea", "").row
    house.clock.seconds += 61
    assert run(rebuild.finish()) == [1]
    assert [one.number for one in house.rows.generations("rows")] == [2]


def test_a_rebuild_that_dies_anywhere_is_taken_up_again() -> None:
    points = 0
    while True:
        house = filled(2)
        core = whole(house)
        try:
            request = next(core)
            for _ in range(points):
                request = core.send(request.perform())
        except StopIteration:
            assert points > 30
            return
        crash(core)
        if (transaction := getattr(request.call, "__self__", None)) and hasattr(transaction, "kill"):
            for owner in set(house.rows._locks._owners.values()):
                house.rows.kill(owner)  # type: ignore[arg-type]
        if house.live().number == 1:
            run(whole(house))
        assert (house.live().number, house.shown()) == (2, house.wanted()), points
        points += 1


def whole(house: House):  # type: ignore[no-untyped-def]
    """A rebuild from its start to its swap."""
    rebuild = house.rebuild()
    green = yield from rebuild.start()
    yield from rebuild.fill(green)
    yield from rebuild.swap()


def test_a_rebuilt_saga_sends_nothing_that_was_sent_before() -> None:
    house = House()
    house.send(shop.Restock("tea", 3))
    placed(house)
    house.fold("selling")
    events = {stream: len(events) for stream, events in house.streams().items()}
    rebuild = house.rebuild("selling")
    run(rebuild.fill(run(rebuild.start())))
    run(rebuild.swap())
    house.fold("selling")
    assert {stream: len(events) for stream, events in house.streams().items()} == events
    assert house.rows.outputs("selling", 100) == []
    assert house.table("selling", "selling") == {}


def test_a_saga_is_rebuilt_in_causal_order_whatever_the_names_of_its_streams() -> None:
    house = House()
    house.send(shop.Restock("tea", 3))
    placed(house)
    projector = house.projector("selling")
    for _ in range(3):  # reserved and charged, not yet settled
        house.relay()
        run(projector.once(0.0))
        run(house.dispatcher().once())
    before = house.table("selling", "selling")
    assert before
    rebuild = house.rebuild("selling")
    run(rebuild.fill(run(rebuild.start())))
    run(rebuild.swap())
    assert house.table("selling", "selling") == before


def test_a_green_saga_is_never_ahead_of_live_and_goes_on_where_live_stopped() -> None:
    house = House()
    house.send(shop.Restock("tea", 3))
    placed(house)
    live = house.projector("selling")
    house.relay()
    run(live.once(0.0))
    run(house.dispatcher().once())  # reserved; live has not seen it
    rebuild = house.rebuild("selling")
    green = run(rebuild.start())
    waiting = house.projector("selling", green)
    run(rebuild.fill(green))
    house.relay()
    assert run(waiting.once(0.0)) == 0
    assert house.rows.watermarks_of("selling", 2, ["stock-tea"]) == house.rows.watermarks_of("selling", 1, ["stock-tea"])
    run(rebuild.swap())
    house.flow(waiting, live)
    assert [event.type for event in house.streams()["order-o1"]] == ["OrderPlaced", "OrderSettled"]
    assert [event.type for event in house.streams()["payment-o1"]] == ["Charged"]
    assert house.rows.outputs("selling", 100) == []


@pytest.mark.parametrize("silent", [True, False])
def test_a_saga_whose_rows_were_lost_sends_nothing_or_all_again_and_takes_effect_once(silent: bool) -> None:
    house = House()
    house.send(shop.Restock("tea", 3))
    placed(house)
    house.fold("selling")
    before = {stream: len(events) for stream, events in house.streams().items()}
    del house.rows._state.filled["selling", 1]
    rebuild = house.rebuild("selling")
    run(rebuild.fill(run(rebuild.start())))
    run(rebuild.swap(silent=silent))
    assert bool(house.rows.outputs("selling", 100)) is not silent
    house.fold("selling")
    assert {stream: len(events) for stream, events in house.streams().items()} == before
    assert house.rows.outputs("selling", 100) == []
    assert house.table("selling", "selling") == {}


def test_a_swap_in_doubt_is_found_done() -> None:
    house = filled()
    rebuild = house.rebuild()
    run(rebuild.fill(run(rebuild.start())))
    core = rebuild.swap()
    until(core, "commit").perform()
    with pytest.raises(Unavailable):
        answer(core, Unavailable("no answer", in_doubt=True))
    assert run(rebuild.status()).live == 2


def test_a_plan_counts_and_prices_what_there_is_to_read() -> None:
    estimate = run(filled().rebuild().plan(0.05, replicas=2))
    assert (estimate.streams, estimate.events, estimate.replicas) == (4, 12, 2)
    assert estimate.dollars == pytest.approx(12 / rebuilding.EVENTS_PER_S / 3600 * 0.05)


def test_the_status_shows_how_far_green_is() -> None:
    house = filled()
    rebuild = house.rebuild()
    green = run(rebuild.start())
    run(rebuild.fill(green, "", "note-n2"))
    progress = run(rebuild.status())
    assert (progress.live, progress.green, progress.streams, progress.streams_done) == (1, 2, 4, 2)
