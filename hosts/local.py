"""Everything in one process: command functions, relay, projectors, saga dispatchers.

    commands ─▶ store ─▶ relay ─▶ bus ─▶ projector per group ─▶ rows ─▶ signals
                                     └─▶ projector per saga ─▶ outbox ─▶ dispatcher ─▶ commands

`trimaran dev` and `trimaran demo` are this with a face. On the in-process bus all hops take turns on one thread (hosts.turns); on a
real bus, where a poll waits for the network, each has its own. A thread that ends in an error stops the process, which says why.

After a rebuild was swapped in, the generation that is live now is folded, and the one that it replaced as well until it is fenced.
"""

import fcntl
import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from hosts.admin.watching import Watching
from hosts.providers import Events, open_bus, open_events, open_rows, sqlite_path, without_password
from hosts.settings import Settings
from hosts.telemetry import telemetry, told_to
from hosts.turns import Turn, Turns
from providers.memory.bus import MemoryBus
from runtime.domain import App
from runtime.errors import Fenced, Misconfigured, Unavailable
from runtime.flow.command import Commands
from runtime.flow.dispatch import Dispatcher
from runtime.flow.project import Projector, consumer_group, open_generation
from runtime.flow.reading import Reading
from runtime.flow.relay import Relaying
from runtime.flow.sink import Sink
from runtime.flow.sync import Sync
from runtime.flow.world import WORLD
from runtime.ports import Bus, Phase, ReadStore, Signals
from runtime.steps import Steps, run

JOIN_S = 30.0
AGAIN_S = 0.2
LOOK_S = 0.5  # for a generation that took over


class Local:
    """An app on opened ports. `start` and `stop` once each; `failure` is what stopped it by itself."""

    def __init__(self, app: App, events: Events, rows: ReadStore, bus: Bus, signals: Signals) -> None:
        self.app, self.events, self.rows, self.bus, self.signals = app, events, rows, bus, signals
        self.watching = Watching()
        self.telemetry = told_to(telemetry(), self.watching)
        self.commands = Commands(app, events.store, events.snapshots, telemetry=self.telemetry)
        self.reading = Reading(app, rows)
        self.relaying = Relaying(app, events.relay, bus, telemetry=self.telemetry)
        self.projectors: dict[str, Projector] = {}  # of the newest generations
        self._replaced: dict[str, list[Projector]] = {group: [] for group in app.groups}
        self._look_at = dict.fromkeys(app.groups, 0.0)
        self.dispatchers = {
            group.name: Dispatcher(app, group.name, rows, self.commands, telemetry=self.telemetry)
            for group in app.groups.values()
            if group.saga
        }
        self.stop_event = threading.Event()
        self.failure: Exception | None = None
        self.turns: Turns | None = None
        self.ending: list[Callable[[], None]] = []  # what others began on these ports and want ended before they close
        self._feeding = [group.name for group in app.groups.values()]
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Make the groups' generations (here, so that `Stopped` reaches the caller), then the threads."""
        for group in self._feeding:
            self.projectors[group] = self._projector(group)
        if isinstance(self.bus, MemoryBus):
            self.turns = self._in_turn()
            self._thread("turns", self._take_turns)
            return
        self._thread("relay", self.relaying.loop)
        for group in self._feeding:
            self._thread(f"projector {group}", partial(self._project, group))
        for saga, dispatcher in self.dispatchers.items():
            self._thread(f"dispatcher {saga}", dispatcher.loop)

    def _in_turn(self) -> Turns:
        projectors = [Turn(partial(self._project_once, group), partial(self._rewind, group)) for group in self._feeding]
        return Turns([Turn(self.relaying.once), *projectors, *(Turn(dispatcher.once) for dispatcher in self.dispatchers.values())])

    def _rewind(self, group: str) -> None:
        for projector in (self.projectors[group], *self._replaced[group]):
            projector.consumer.rewind()

    def _project_once(self, group: str) -> Steps[int]:
        """A round of the live generation, and of those that it replaced and that are not fenced yet."""
        self._look(group)
        done = 0
        for projector in (self.projectors[group], *self._replaced[group]):
            try:
                done += yield from projector.once(0.0)
            except Fenced:
                done += 1
                projector.close()
                if projector is self.projectors[group]:
                    self.projectors[group] = self._projector(group)
                else:
                    self._replaced[group].remove(projector)
        return done

    def _look(self, group: str) -> bool:
        """Whether another generation that this code can fold took over: it is begun with, beside the one that it replaced."""
        if time.monotonic() < self._look_at[group]:
            return False
        self._look_at[group] = time.monotonic() + LOOK_S
        mine = self.projectors[group]
        live = next((one for one in self.rows.generations(group) if one.phase is Phase.LIVE), mine.generation)
        same = (live.schema, live.epoch) == (mine.generation.schema, mine.generation.epoch)
        if live.number <= mine.generation.number or not same:
            return False
        self._replaced[group].append(mine)
        self.projectors[group] = self._projector(group)
        return True

    def _take_turns(self, stop: threading.Event) -> None:
        assert self.turns is not None
        try:
            self.turns.loop(stop, self.events.relay.wait)
        finally:
            for projector in (*self.projectors.values(), *(one for replaced in self._replaced.values() for one in replaced)):
                projector.close()

    def _thread(self, name: str, loop: Callable[[threading.Event], None]) -> threading.Thread:
        def body() -> None:
            try:
                loop(self.stop_event)
            except Exception as error:  # noqa: BLE001  handed to whoever waits, and everything stops
                self.failure = self.failure or error
                self.stop_event.set()

        thread = threading.Thread(target=body, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _projector(self, group: str) -> Projector:
        generation = run(open_generation(self.app, group, self.events.store, self.rows))
        holder = f"{os.uname().nodename}-{os.getpid()}-{WORLD.token()[:8]}"  # in a container every start has the same process number
        return Projector(
            self.app, generation, self.events.store, self.rows, self.bus, self.signals, holder=holder, telemetry=self.telemetry
        )

    def _project(self, group: str, stop: threading.Event) -> None:
        """Project the live generation, each one on a thread of its own; when a rebuild fenced it, the next one."""
        mine = self._fold(group)
        while not stop.wait(AGAIN_S):
            try:
                if self._look(group):
                    mine = self._fold(group)
                elif not mine.is_alive():
                    self.projectors[group] = self._projector(group)
                    mine = self._fold(group)
            except Unavailable:
                continue  # the projectors know, and wait

    def _fold(self, group: str) -> threading.Thread:
        return self._thread(f"projector {group} {self.projectors[group].generation.number}", self.projectors[group].loop)

    def stop(self) -> None:
        """Drain the batches in hand and end the threads."""
        self.stop_event.set()
        while self.ending:
            self.ending.pop()()
        until = time.monotonic() + JOIN_S
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def lag(self) -> dict[str, int]:
        """Per group, how many messages it has not folded yet."""
        return {
            group: sum(self.bus.lag(consumer_group(self.app, projector.generation)).values())
            for group, projector in self.projectors.items()
        }

    def follow(self, saga: str) -> Callable[[str, int], bool]:
        """Whether a saga has seen a stream up to a version."""

        def seen(stream: str, version: int) -> bool:
            number = self.projectors[saga].generation.number
            try:
                return self.rows.watermarks_of(saga, number, [stream]).get(stream, 0) >= version
            except Fenced:  # dropped just now: its successor is asked next time
                return False

        return seen

    def settle(self, waiting: threading.Event, progress: Callable[[], None] = lambda: None) -> bool:
        """Wait until everything stored is published, projected and dispatched; False if `waiting` or the process was stopped.

        A lost message is found by comparing the store with the watermarks, once the bus has nothing more to bring.
        """
        while not waiting.is_set() and not self.stop_event.is_set():
            progress()
            if self.events.relay.backlog() or any(self.lag().values()) or self._due():
                waiting.wait(0.02)
            elif not self._sync():
                return True
        return False

    def _due(self) -> bool:
        clock = self.rows.clock()
        return any(self.rows.due(saga, clock, 1) for saga in self.dispatchers)

    def _sync(self) -> int:
        """What the bus did not bring to some group; as a guest, so that the projectors go on."""
        found = 0
        for group, projector in self.projectors.items():
            generation = projector.generation
            sink = Sink(
                self.app,
                group,
                generation.number,
                self.events.store,
                self.rows,
                self.signals,
                epoch=generation.epoch,
                guest=True,
            )
            try:
                found += run(Sync(sink).run())
            except Fenced:  # dropped just now: look at its successor
                found += 1
        return found


def open_local(settings: Settings, app: App, stack: ExitStack, *, fresh: bool = False, chaos: int | None = None) -> Local:
    """Open all ports; the stack closes them. A second process on one memory:// bus is refused.

    `fresh` first removes what an earlier run left in SQLite files. `chaos` seeds a bad in-process bus.
    """
    if fresh:
        _check_fresh(settings)
    if settings.bus.startswith("memory:"):
        for option, url in (("events", settings.events), ("rows", settings.rows)):
            if url.startswith("sqlite:"):
                _claim(url, option, stack)
                if fresh:
                    _remove(sqlite_path(url, option))
    events = open_events(settings.events, app)
    stack.callback(events.store.close)
    rows = open_rows(settings.rows, app)
    stack.callback(rows.close)
    bus, signals = open_bus(settings.bus, app, chaos)
    stack.callback(bus.close)
    stack.callback(signals.close)
    local = Local(app, events, rows, bus, signals)
    stack.callback(local.stop)
    return local


def _check_fresh(settings: Settings) -> None:
    for option, url in (("events", settings.events), ("rows", settings.rows), ("bus", settings.bus)):
        if not url.startswith(("sqlite:", "memory:")):
            raise Misconfigured(f"--fresh removes SQLite files only, and --{option} is {without_password(url)}: empty that one yourself")


def _remove(path: str) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(path + suffix).unlink(missing_ok=True)


def _claim(url: str, option: str, stack: ExitStack) -> None:
    """Hold a lock file beside the database for as long as this process lives."""
    path = Path(sqlite_path(url, option) + ".lock")
    file = stack.enter_context(path.open("a+"))
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        raise Misconfigured(
            f"another process ({file.read().strip() or 'unknown'}) already runs on {url} with --bus memory://: "
            "stop it, or use --bus kafka://… for several processes"
        ) from None
    file.truncate(0)
    file.write(f"pid {os.getpid()}")
    file.flush()
