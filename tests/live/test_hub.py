"""The hub on its loop: pictures, changes, slow outlets, swaps and lost signals, over the memory providers."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

import pytest
from msgspec.structs import replace

from apps.shop import app
from providers.memory.rows import MemoryReadStore
from providers.memory.signals import MemorySignals
from runtime.domain.filters import Compare, Filter
from runtime.errors import Malformed, Unavailable
from runtime.live.follow.hub import Hub
from runtime.live.limits import Limits
from runtime.live.plans import Update
from runtime.ports import Phase
from tests.live.viewer import Viewer, plan, render
from tests.live.writer import Writer

ADA = Compare("customer", "eq", "ada")
POLL_S = 0.05


class Bench:
    """A hub over memory, somebody who writes, and viewers."""

    def __init__(self, limits: Limits = Limits(), rows: MemoryReadStore | None = None) -> None:  # noqa: B008  frozen
        self.rows, self.signals = rows or MemoryReadStore(), MemorySignals(capacity=100_000)
        self.writer = Writer(self.rows, self.signals)
        self.hub = Hub(app, self.rows, self.signals, limits=limits, poll_s=POLL_S)

    def view(self, where: Filter | None = None, *, key: str = "", after: str = "") -> Viewer:
        viewer = Viewer()
        asked = plan(key=key, after=after) if where is None else plan(where, key=key, after=after)
        viewer.subscription = self.hub.subscribe(asked, render, viewer)  # type: ignore[attr-defined]
        return viewer

    async def shown(self, *viewers: Viewer) -> None:
        """Their pictures are complete."""
        await until(lambda: all(viewer.updates and viewer.updates[-1].complete for viewer in viewers))


async def until(true: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not become true in time"
        await asyncio.sleep(0.002)


@asynccontextmanager
async def bench(limits: Limits = Limits(), rows: MemoryReadStore | None = None) -> AsyncIterator[Bench]:  # noqa: B008  frozen
    made = Bench(limits, rows)
    await made.hub.start()
    try:
        yield made
    finally:
        await made.hub.stop()


def on_loop(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """A test that is a coroutine."""

    def run() -> None:
        asyncio.run(test())  # type: ignore[arg-type]

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@on_loop
async def test_a_subscription_begins_with_a_snapshot_and_goes_on_with_what_changes() -> None:
    async with bench() as b:
        b.writer.put(("o1", "ada", 100, "placed"), ("o2", "bob", 5, "placed"))
        viewer = b.view(ADA)
        await b.shown(viewer)
        first = viewer.updates[0]
        assert (first.snapshot, first.reset, first.complete, len(first.entries)) == (True, True, True, 1)
        b.writer.put(("o1", "ada", 100, "sold"), ("o3", "ada", 7, "placed"), ("o2", "bob", 5, "sold"))
        await until(lambda: viewer.rows.get("o1", {}).get("stage") == "sold" and "o3" in viewer.rows)
        assert {key: row["amount"] for key, row in viewer.rows.items()} == {"o1": 100, "o3": 7}
        assert not viewer.updates[-1].snapshot
        assert viewer.wrong == []


@on_loop
async def test_a_row_that_leaves_the_filter_and_one_that_is_deleted_are_told_as_removed() -> None:
    async with bench() as b:
        b.writer.put(("o1", "ada", 1, "placed"), ("o2", "ada", 1, "placed"))
        viewer = b.view(ADA)
        await b.shown(viewer)
        b.writer.put(("o1", "bob", 1, "placed"))
        b.writer.put(gone=["o2"])
        await until(lambda: not viewer.rows)
        assert viewer.revisions == {"o1": (1, 2), "o2": (1, 2)}
        assert viewer.wrong == []


@on_loop
async def test_one_row_is_told_whether_it_is_there_or_not() -> None:
    async with bench() as b:
        b.writer.put(("o1", "ada", 1, "placed"))
        there, absent, hidden = b.view(key="o1"), b.view(key="o2"), b.view(Compare("customer", "eq", "bob"), key="o1")
        await b.shown(there, absent, hidden)
        assert there.rows["o1"]["amount"] == 1
        for viewer, key in ((absent, "o2"), (hidden, "o1")):
            (entry,) = viewer.updates[0].entries
            assert (entry.key, entry.revision, entry.row) == (key, 0, None)
        b.writer.put(("o2", "ada", 2, "placed"))
        await until(lambda: absent.rows)
        b.writer.put(("o1", "bob", 1, "placed"))
        await until(lambda: hidden.rows)
        b.writer.put(gone=["o1"])
        await until(lambda: not there.rows and not hidden.rows)


@on_loop
async def test_everybody_of_a_cohort_gets_the_same_bytes_rendered_once() -> None:
    async with bench() as b:
        viewers = [b.view(ADA) for _ in range(50)]
        await b.shown(*viewers)
        before = b.hub.figures()["renders"]
        b.writer.put(("o1", "ada", 1, "placed"))
        await until(lambda: all(viewer.rows for viewer in viewers))
        figures = b.hub.figures()
        assert figures["renders"] == before + 1
        assert (figures["cohorts"], figures["subscriptions"], figures["catching"]) == (1, 50, 0)


@on_loop
async def test_a_cursor_brings_only_what_was_missed() -> None:
    async with bench() as b:
        b.writer.put(("o1", "ada", 1, "placed"), ("o2", "ada", 1, "placed"), ("o3", "ada", 1, "placed"))
        viewer = b.view(ADA)
        await b.shown(viewer)
        viewer.subscription.cancel()  # type: ignore[attr-defined]
        b.writer.put(("o1", "ada", 1, "sold"))
        b.writer.put(("o1", "ada", 1, "timed out"), ("o2", "bob", 1, "placed"))
        b.writer.put(("o4", "ada", 1, "placed"))
        b.writer.put(gone=["o4"])
        again = b.view(ADA, after=viewer.cursor)
        await b.shown(again)
        (update,) = again.updates
        assert (update.snapshot, update.reset) == (False, False)
        assert {entry.key: entry.row and entry.row["stage"] for entry in update.entries} == {"o1": "timed out", "o2": None}
        viewer.fold(update)
        assert set(viewer.rows) == {"o1", "o3"}
        assert viewer.wrong == []
        resting = b.view(ADA, after=viewer.cursor)
        await b.shown(resting)
        assert resting.updates == [Update((), viewer.cursor)]


@on_loop
async def test_a_cursor_older_than_the_history_gets_an_explicit_reset() -> None:
    async with bench() as b:
        b.writer.put(("o1", "ada", 1, "placed"), shards=[3])
        viewer = b.view(ADA)
        await b.shown(viewer)
        viewer.subscription.cancel()  # type: ignore[attr-defined]
        for amount in range(2, 9):
            b.writer.put(("o1", "ada", amount, "placed"), shards=[3])
        b.rows.trim_changes("rows", 1, 2)
        again = b.view(ADA, after=viewer.cursor)
        await b.shown(again)
        assert (again.updates[0].snapshot, again.updates[0].reset) == (True, True)
        assert again.rows["o1"]["amount"] == 8


@on_loop
async def test_a_cursor_of_another_subscription_or_garbage_is_refused() -> None:
    async with bench() as b:
        viewer = b.view(ADA)
        await b.shown(viewer)
        foreign, garbage = b.view(after=viewer.cursor), b.view(ADA, after="garbage")
        await until(lambda: foreign.errors and garbage.errors)
        assert {one.errors[0]["extensions"]["code"] for one in (foreign, garbage)} == {"BAD_INPUT"}
        assert all(one.errors[0]["message"].startswith("cursor: ") for one in (foreign, garbage))
        assert b.hub.figures()["subscriptions"] == 1


@on_loop
async def test_after_a_token_the_picture_is_not_older_and_says_so_when_it_is() -> None:
    async with bench(Limits(wait_s=0.2)) as b:
        b.writer.put(("o1", "ada", 1, "placed"), streams={"order-o1": 1})
        waiting = b.view(ADA, after="order-o1@2")
        late = b.view(ADA, after="order-o1@9")
        await asyncio.sleep(0.05)
        assert not waiting.updates
        b.writer.put(("o1", "ada", 2, "placed"), streams={"order-o1": 2})
        await b.shown(waiting, late)
        assert (waiting.rows["o1"]["amount"], waiting.updates[0].stale) == (2, False)
        assert (late.rows["o1"]["amount"], late.updates[0].stale, late.updates[0].parked) == (2, True, False)


@on_loop
async def test_a_picture_comes_in_pages_and_only_the_last_is_a_place_to_come_back_to() -> None:
    async with bench() as b:
        b.writer.put(*((f"o{n:04}", "ada", n, "placed") for n in range(1_234)))
        viewer = b.view(ADA)
        await b.shown(viewer)
        assert all(len(update.entries) <= 500 for update in viewer.updates)
        assert [bool(update.cursor) for update in viewer.updates] == [False, False, True]
        assert [update.reset for update in viewer.updates] == [True, False, False]
        assert len(viewer.rows) == 1_234


@on_loop
async def test_too_many_rows_are_refused_with_the_limit_and_the_way_out() -> None:
    async with bench(Limits(snapshot_rows=100)) as b:
        b.writer.put(*((f"o{n}", "ada", n, "placed") for n in range(101)))
        viewer = b.view(ADA)
        await until(lambda: viewer.errors)
        assert viewer.errors[0]["extensions"]["code"] == "LIMIT_EXCEEDED"
        assert "100" in viewer.errors[0]["message"]
        assert "narrow `where`" in viewer.errors[0]["message"]


@on_loop
async def test_a_slow_outlet_keeps_the_newest_of_each_row_and_nobody_else_waits() -> None:
    async with bench(Limits(outbox_rows=3)) as b:
        slow, quick = b.view(ADA), b.view(ADA)
        await b.shown(slow, quick)
        slow.open = False
        for amount in range(1, 200):
            b.writer.put(("o1", "ada", amount, "placed"))
            b.writer.put(("o2", "ada", amount, "placed"))
        await until(lambda: quick.rows.get("o2", {}).get("amount") == 199)
        assert b.hub.figures()["slow"] == 1
        told = len(slow.updates)
        slow.open = True
        slow.subscription.drained()  # type: ignore[attr-defined]
        assert len(slow.updates) == told + 1
        assert slow.rows == quick.rows
        assert slow.cursor == quick.cursor
        b.writer.put(("o1", "ada", 0, "sold"))
        await until(lambda: slow.rows["o1"]["stage"] == "sold")
        assert slow.wrong == []


@on_loop
async def test_an_outlet_that_is_too_far_behind_overflows_alone_and_resumes_with_its_cursor() -> None:
    async with bench(Limits(outbox_rows=3)) as b:
        slow, quick = b.view(ADA), b.view(ADA)
        await b.shown(slow, quick)
        slow.open = False
        for n in range(5):
            b.writer.put((f"o{n}", "ada", n, "placed"))
        await until(lambda: slow.overflowed and len(quick.rows) == 5)
        figures = b.hub.figures()
        assert (figures["subscriptions"], figures["overflows"]) == (1, 1)
        again = b.view(ADA, after=slow.cursor)
        await b.shown(again)
        assert again.rows == quick.rows
        assert not again.updates[0].snapshot


@on_loop
async def test_a_lost_signal_is_found_by_the_next_one_and_a_lost_last_one_by_looking() -> None:
    async with bench() as b:
        viewer = b.view(ADA)
        await b.shown(viewer)
        b.writer.lose = True
        b.writer.put(("o1", "ada", 1, "placed"), shards=[4])
        b.writer.put(("o2", "ada", 1, "placed"), shards=[4])
        b.writer.lose = False
        b.writer.put(("o3", "ada", 1, "placed"), shards=[4])
        await until(lambda: len(viewer.rows) == 3)
        b.writer.lose = True
        b.writer.put(("o4", "ada", 1, "placed"))
        await until(lambda: len(viewer.rows) == 4)
        assert viewer.wrong == []
        assert b.hub.figures()["filled"] >= 3


@on_loop
async def test_a_swap_shows_the_new_generation_with_a_reset_and_leases_what_it_reads() -> None:
    async with bench() as b:
        b.writer.put(("o1", "ada", 1, "placed"))
        viewer = b.view(ADA)
        await b.shown(viewer)
        assert b.rows.leases("rows", 1) == 1
        green = b.writer.fill_green()
        b.writer.put(("o1", "ada", 2, "placed"))
        b.writer.swap(green)
        b.writer.put(("o1", "ada", 3, "placed"))
        await until(lambda: viewer.rows.get("o1", {}).get("amount") == 3)
        assert viewer.revisions["o1"][0] == 2
        assert any(update.reset for update in viewer.updates[1:])
        assert viewer.wrong == []
        await until(lambda: not b.rows.leases("rows", 1))
        assert b.rows.leases("rows", 2) == 1
        cursor = viewer.cursor
        viewer.subscription.cancel()  # type: ignore[attr-defined]
        await until(lambda: not b.rows.leases("rows", 2))
        again = b.view(ADA, after=cursor)
        await b.shown(again)
        assert not again.updates[0].snapshot


class Moody(MemoryReadStore):
    """A store that is away for a while."""

    away = False

    def history(self, group: str, generation: int) -> dict[int, tuple[int, int]]:
        if self.away:
            raise Unavailable("away")
        return super().history(group, generation)

    def changes(self, *args: Any) -> Any:
        if self.away:
            raise Unavailable("away")
        return super().changes(*args)


@on_loop
async def test_subscriptions_stay_while_the_rows_are_unavailable() -> None:
    rows = Moody()
    async with bench(rows=rows) as b:
        viewer = b.view(ADA)
        await b.shown(viewer)
        rows.away = True
        late = b.view(ADA)
        b.writer.lose = True
        b.writer.put(("o1", "ada", 1, "placed"))
        await asyncio.sleep(0.3)
        assert not viewer.rows
        assert not late.updates
        rows.away = False
        await until(lambda: viewer.rows and late.rows)
        assert viewer.errors == late.errors == []
        assert viewer.wrong == late.wrong == []


@on_loop
async def test_a_rendering_that_fails_ends_its_own_cohort_masked_and_no_other() -> None:
    def broken(update: Update) -> bytes:
        if update.snapshot:
            return render(update)
        raise ZeroDivisionError("secret")

    async with bench() as b:
        good, bad = b.view(ADA), Viewer()
        b.hub.subscribe(replace(plan(ADA), cohort="another"), broken, bad)
        await b.shown(good, bad)
        b.writer.put(("o1", "ada", 1, "placed"))
        await until(lambda: bad.errors and good.rows)
        assert bad.errors[0]["extensions"]["code"] == "INTERNAL"
        assert "secret" not in str(bad.errors)
        assert good.errors == []


@on_loop
async def test_an_outlet_may_leave_while_it_is_pushed_to() -> None:
    class Leaver(Viewer):
        def push(self, payload: bytes) -> None:
            super().push(payload)
            if len(self.updates) == 2:
                self.subscription.cancel()  # type: ignore[attr-defined]

    async with bench() as b:
        viewers = [Leaver() for _ in range(3)]
        for viewer in viewers:
            viewer.subscription = b.hub.subscribe(plan(ADA), render, viewer)  # type: ignore[attr-defined]
        await b.shown(*viewers)
        b.writer.put(("o1", "ada", 1, "placed"))
        await until(lambda: b.hub.figures()["subscriptions"] == 0)
        assert all(len(viewer.updates) == 2 for viewer in viewers)
        assert b.hub.figures()["cohorts"] == 0


@on_loop
async def test_a_group_without_rows_is_told_as_stopped_and_works_once_there_are_some() -> None:
    rows, signals = MemoryReadStore(), MemorySignals()
    hub = Hub(app, rows, signals, poll_s=POLL_S)
    await hub.start()
    try:
        early = Viewer()
        hub.subscribe(plan(ADA), render, early)
        await until(lambda: early.errors)
        assert early.errors[0]["extensions"]["code"] == "STOPPED"
        rows.create(app.groups["rows"], Phase.LIVE, 1)
        viewer = Viewer()
        hub.subscribe(plan(ADA), render, viewer)
        await until(lambda: viewer.updates)
    finally:
        await hub.stop()


def test_a_part_that_cannot_be_followed_is_refused() -> None:
    hub = Hub(app, MemoryReadStore(), MemorySignals())
    with pytest.raises(Malformed):
        hub.subscribe(replace(plan(ADA), part="selling", group="selling"), render, Viewer())


@on_loop
async def test_an_idle_subscription_gets_a_fresh_cursor_so_that_it_can_come_back_after_the_history_was_trimmed() -> None:
    with patch("runtime.live.follow.feed.FRESH_EVERY_S", 0.1):
        async with bench() as b:
            b.writer.put(("o1", "ada", 1, "placed"), shards=[3])
            idle, one = b.view(ADA), b.view(key="o1")
            await b.shown(idle, one)
            first = idle.cursor
            for amount in range(9):
                b.writer.put(("o2", "bob", amount, "placed"), shards=[3])
            await until(lambda: idle.cursor != first)
            assert idle.updates[-1].entries == ()
            assert len(one.updates) == 1  # an update without the row would say that it is gone
            await asyncio.sleep(0.2)
            assert idle.updates[-1].cursor == idle.cursor
            b.rows.trim_changes("rows", 1, 0)
            again = b.view(ADA, after=idle.cursor)
            await b.shown(again)
            assert not again.updates[0].snapshot


@on_loop
async def test_a_hole_that_was_trimmed_before_it_was_read_begins_everything_again() -> None:
    async with bench() as b:
        viewer = b.view(ADA)
        await b.shown(viewer)
        b.writer.lose = True
        with patch.object(MemoryReadStore, "history", side_effect=Unavailable("away")):  # nobody looks
            for n in range(5):
                b.writer.put((f"o{n}", "ada", n, "placed"), shards=[2])
            b.rows.trim_changes("rows", 1, 0)
            b.writer.lose = False
            b.writer.put(("o9", "ada", 9, "placed"), shards=[2])
            await asyncio.sleep(0.1)
        await until(lambda: len(viewer.rows) == 6)
        assert viewer.updates[-1].reset or viewer.updates[-2].reset
        assert viewer.wrong == []


@on_loop
async def test_code_that_is_older_than_the_rows_goes_on_showing_the_generation_that_it_reads() -> None:
    with patch("runtime.live.follow.feed.BLUE_EVERY_S", 0.1):
        async with bench() as b:
            b.writer.put(("o1", "ada", 1, "placed"))
            viewer = b.view(ADA)
            await b.shown(viewer)
            newer = b.rows.create(replace(app.groups["rows"], schema="of newer code"), Phase.GREEN, 1)
            b.writer.swap(newer)
            b.writer.generation = b.rows.generations("rows")[0]  # blue, which is folded on silently
            b.writer.put(("o1", "ada", 2, "placed"))
            await until(lambda: viewer.rows["o1"]["amount"] == 2)
            assert viewer.revisions["o1"][0] == 1
            assert b.rows.leases("rows", 1) == 1
            assert viewer.wrong == []


class Slow(MemoryReadStore):
    """While a picture is read, others write."""

    writes: Callable[[], None] | None = None

    def query(self, *args: Any) -> Any:
        if self.writes is not None:
            self.writes()
        return super().query(*args)


@on_loop
async def test_more_changes_than_a_gate_holds_while_a_picture_is_taken_end_in_another_picture_or_in_overflow() -> None:
    rows = Slow()
    async with bench(Limits(snapshot_rows=3), rows=rows) as b:
        watcher = b.view(Compare("customer", "eq", "nobody"))
        await b.shown(watcher)
        rounds_left = 1

        def storm() -> None:
            nonlocal rounds_left
            if rounds_left > 0:
                rounds_left -= 1
                for n in range(9):
                    b.writer.put((f"o{n}", "ada", 1, "placed"))
                b.writer.put(gone=[f"o{n}" for n in range(9)])
                time.sleep(0.1)  # the gate hears it before the picture is there

        rows.writes = storm
        patient = b.view(ADA)
        await b.shown(patient)
        assert patient.rows == {}
        rounds_left = 1_000
        impatient = b.view(Compare("stage", "eq", "placed"))
        await until(lambda: impatient.overflowed, 30)
        rounds_left = 0
        assert watcher.errors == patient.errors == []


@on_loop
async def test_a_storm_of_subscribers_who_want_the_same_shares_few_pictures() -> None:
    async with bench() as b:
        b.writer.put(*((f"o{n}", "ada", n, "placed") for n in range(500)))
        viewers = [b.view(ADA) for _ in range(300)]
        await b.shown(*viewers)
        assert all(len(viewer.rows) == 500 for viewer in viewers)
        assert b.hub.figures()["snapshots"] < 30
