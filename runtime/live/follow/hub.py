"""The hub of a server: one event loop, one listener to the signals, and every subscription of the process.

    signals ─▶ a thread ─▶ the loop: feeds (one a group) ─▶ cohorts ─▶ outlets
    reads   ◀─ a few threads ◀─ the feeds' cores

A subscription is a plan with somebody who renders its updates and somebody who takes them (an outlet). It is told a snapshot, or what
it missed since its cursor, and then every change of a row that is, or was, in its view: nothing missing, nothing twice, nothing older
than what it was told before. Signals may be lost; the change log is the truth.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from runtime.domain.app import App
from runtime.errors import Malformed, TrimaranError
from runtime.flow.world import WORLD, World, backoff
from runtime.live.follow.bells import Bell
from runtime.live.follow.cohorts import Outlet, Render, Seat
from runtime.live.follow.feed import Feed
from runtime.live.limits import Limits
from runtime.live.plans import Plan
from runtime.ports import Listener, ReadStore, Signal, Signals
from runtime.steps import Steps, run

__all__ = ["Hub", "Outlet", "Subscription"]

LOG = logging.getLogger("trimaran.gateway")

LIMITS = Limits()
TAKE, TAKE_S = 1_000, 0.2  # signals at a time, and how long the listener waits before it looks whether to stop
THREADS = 8  # that read the store
ENTER_S = 10.0  # for the listener to be there before we start without it
AGAIN_S = 1.0


class Subscription:
    """One subscriber. Both methods are called on the hub's loop."""

    __slots__ = ("_feed", "_seat")

    def __init__(self, feed: Feed, seat: Seat) -> None:
        self._feed, self._seat = feed, seat

    def cancel(self) -> None:
        """Nothing more is pushed; again does nothing."""
        self._feed.leave(self._seat)

    def drained(self) -> None:
        """The outlet, which was not ready, is ready again."""
        self._feed.drained(self._seat)


class Hub:
    """All subscriptions of one process. Everything but `start` and `stop` is called on the loop on which it was started."""

    def __init__(
        self, app: App, rows: ReadStore, signals: Signals, *, limits: Limits = LIMITS, poll_s: float = 1.0, world: World = WORLD
    ) -> None:
        self._app, self._rows, self._signals = app, rows, signals
        self._limits, self._poll_s, self._world = limits, poll_s, world
        self._groups = {table.part: group.name for group in app.groups.values() if not group.saga for table in group.tables}
        self._feeds: dict[str, Feed] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = threading.Event()
        self._entered = threading.Event()
        self._told = threading.Event()
        self._listening: Listener | None = None
        self._listener = threading.Thread(target=self._listen, name="gateway signals", daemon=True)
        self._threads = ThreadPoolExecutor(THREADS, "gateway reads")

    async def start(self) -> None:
        """Listen, and return when nothing is missed any more (or soon after: the change log is read as well)."""
        self._loop = asyncio.get_running_loop()
        self._listener.start()
        await asyncio.to_thread(self._entered.wait, ENTER_S)

    async def stop(self) -> None:
        """Subscribers hear no more; what is leased is given back."""
        self._stop.set()
        self._told.set()
        if (listener := self._listening) is not None:
            listener.wake()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._listener.is_alive():
            await asyncio.to_thread(self._listener.join)
        await asyncio.to_thread(self._give_back)
        self._threads.shutdown(wait=False)

    def _give_back(self) -> None:
        for feed in self._feeds.values():
            if feed.following is not None:
                try:
                    self._rows.lease(feed.group.name, feed.following.generation, feed.holder, 0.0)
                except TrimaranError:
                    continue  # it ends by itself

    def subscribe(self, plan: Plan, render: Render, outlet: Outlet) -> Subscription:
        """Follow a plan from now on; what is wrong with it is told to the outlet. `render` belongs to the plan's cohort."""
        if self._groups.get(plan.part) != plan.group:
            raise Malformed(f"app {self._app.name!r} has no part {plan.part!r} in group {plan.group!r} that can be followed")
        feed = self._feeds.get(plan.group) or self._open(plan.group)
        return Subscription(feed, feed.subscribe(plan, render, outlet))

    def figures(self) -> dict[str, int]:
        """What is there now, and what happened since the start."""
        cohorts = [cohort for feed in self._feeds.values() for cohort in feed.cohorts.values()]
        found = {
            "subscriptions": sum(len(cohort.seats) for cohort in cohorts),
            "cohorts": len(cohorts),
            "slow": sum(cohort.slow for cohort in cohorts),
            "catching": sum(len(cohort.seats) - cohort.live - cohort.slow for cohort in cohorts),
        }
        for name in ("pushes", "renders", "overflows"):
            found[name] = sum(feed.gone[name] for feed in self._feeds.values()) + sum(getattr(cohort, name) for cohort in cohorts)
        for feed in self._feeds.values():
            for name, value in feed.figures.items():
                found[name] = found.get(name, 0) + value
        return found

    def _open(self, group: str) -> Feed:
        assert self._loop is not None, "start the hub first"
        feed = self._feeds[group] = Feed(
            self._app,
            self._app.groups[group],
            self._rows,
            limits=self._limits,
            world=self._world,
            poll_s=self._poll_s,
            spawn=lambda steps: self._spawn(self._drive(steps)),
            later=self._later,
            threads=True,
        )
        self._spawn(self._again(feed.keep))
        self._spawn(self._again(feed.fill))
        return feed

    def _later(self, call: Callable[[], None]) -> None:
        assert self._loop is not None
        self._loop.call_soon(call)

    # the listener
    def _listen(self) -> None:
        """The thread: hand over what is heard, one batch at a time, so that the loop is never flooded. Listen again when that failed."""
        failures = 0
        while not self._stop.is_set():
            try:
                with self._signals.listen() as listener:
                    self._listening = listener
                    self._entered.set()
                    self._hand_over([], True)  # before this, anything may have been missed
                    failures = 0
                    while not self._stop.is_set():
                        batch = listener.take(TAKE, TAKE_S)
                        overrun = listener.overrun()
                        if batch or overrun:
                            self._hand_over(batch, overrun)
            except TrimaranError as error:
                failures += 1
                LOG.warning("signals: %s; the change log is polled meanwhile", error)
                self._stop.wait(backoff(failures, self._world))

    def _hand_over(self, batch: Sequence[Signal], overrun: bool) -> None:
        assert self._loop is not None
        self._told.clear()
        if self._stop.is_set():
            return
        try:
            self._loop.call_soon_threadsafe(self._heard, batch, overrun)
        except RuntimeError:  # the loop ended without a word
            self._stop.set()
            return
        self._told.wait()

    def _heard(self, batch: Sequence[Signal], overrun: bool) -> None:
        groups: dict[str, list[Signal]] = {}
        for signal in batch:
            group = self._groups.get(signal.part)
            if group is not None:
                groups.setdefault(group, []).append(signal)
        for group, signals in groups.items():
            feed = self._feeds.get(group)
            if feed is not None:
                feed.hear(signals)
        if overrun:
            for feed in self._feeds.values():
                feed.look.ring()
        self._when_told()

    def _when_told(self) -> None:
        if any(feed.busy for feed in self._feeds.values()):
            assert self._loop is not None
            self._loop.call_soon(self._when_told)
        else:
            self._told.set()

    # driving cores
    def _spawn(self, work: Any) -> None:
        assert self._loop is not None
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _again(self, core: Callable[[], Steps[None]]) -> None:
        """A core that never ends; one that fails is our bug, told in the log, and starts again."""
        while True:
            try:
                await self._drive(core())
            except Exception:
                LOG.exception("a core of the gateway failed")
            await asyncio.sleep(AGAIN_S)

    async def _drive(self, steps: Steps[None]) -> None:
        """Perform its requests: waits on the loop, everything else on a thread."""
        reply: Any = None
        failed: Exception | None = None
        while True:
            try:
                request = steps.send(reply) if failed is None else steps.throw(failed)
            except StopIteration:
                return
            reply = failed = None
            try:
                reply = await self._perform(request.call, request.args)
            except Exception as error:  # noqa: BLE001  handed to the core, which decides
                failed = error

    async def _perform(self, call: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        bell = getattr(call, "__self__", None)
        if isinstance(bell, Bell):
            return await _rung(bell, *args)
        if call == self._world.sleep:
            return await asyncio.sleep(*args)
        assert self._loop is not None
        if call is not run:
            return await self._loop.run_in_executor(self._threads, call, *args)
        reply: Any = None
        while True:  # a whole core on one thread, which does not sleep there
            over, reply = await self._loop.run_in_executor(self._threads, self._until_sleep, args[0])
            if over:
                return reply
            await asyncio.sleep(reply)

    def _until_sleep(self, steps: Steps[Any]) -> tuple[bool, Any]:
        reply: Any = None
        failed: Exception | None = None
        while True:
            try:
                request = steps.send(reply) if failed is None else steps.throw(failed)
            except StopIteration as stop:
                return True, stop.value
            if request.call == self._world.sleep:
                return False, request.args[0]
            reply = failed = None
            try:
                reply = request.call(*request.args)
            except Exception as error:  # noqa: BLE001  handed to the core, which decides
                failed = error


async def _rung(bell: Bell, rings: int, timeout_s: float | None) -> None:
    if bell.rings > rings:
        return
    rung: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake() -> None:
        if not rung.done():
            rung.set_result(None)

    bell.waiting.append(wake)
    try:
        await asyncio.wait_for(rung, timeout_s)
    except TimeoutError:
        if wake in bell.waiting:
            bell.waiting.remove(wake)
