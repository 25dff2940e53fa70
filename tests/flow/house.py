"""A whole system in memory on one thread, for tests that walk through it request by request.

`until` drives a core up to a request and no further, which is where a test lets a process die, pauses it, or lets another one pass.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from providers.memory.bus import Chaos, MemoryBus, MemoryConsumer
from providers.memory.events import MemoryEventStore
from providers.memory.relay import MemoryRelay
from providers.memory.rows import MemoryReadStore, WouldBlock
from providers.memory.rows_transaction import MemoryTransaction
from providers.memory.signals import MemorySignals
from providers.memory.snapshots import MemorySnapshots
from runtime.domain import App, Command
from runtime.domain.filters import Query
from runtime.errors import TrimaranError, Unavailable
from runtime.flow.command import Commands
from runtime.flow.dispatch import Dispatcher
from runtime.flow.letters import Letters
from runtime.flow.project import Projector, consumer_group, open_generation
from runtime.flow.reading import Reading
from runtime.flow.rebuild import Rebuild
from runtime.flow.relay import Relaying
from runtime.flow.sink import Sink
from runtime.ports import Answer, Generation, Phase, Recorded
from runtime.steps import Request, Steps, run
from tests.simulation import domain
from tests.simulation.audit import Rows, model
from tests.simulation.world import Clock, VirtualWorld


class WalkingWorld(VirtualWorld):
    """Sleeping lets the clock go on at once."""

    def sleep(self, seconds: float) -> None:
        """No wait."""
        self._clock.seconds += seconds


class House:
    """Providers, and the cores over them."""

    def __init__(self, app: App = domain.app, *, seed: int = 0, partitions: int = 4, chaos: Chaos | None = None) -> None:
        self.app, self.clock, self.dice = app, Clock(), random.Random(seed)
        self.world = WalkingWorld(self.clock, self.dice)
        self.store, self.snapshots = MemoryEventStore(), MemorySnapshots()
        self.outbox = MemoryRelay(self.store, self.clock.monotonic)
        self.bus = MemoryBus(partitions, chaos=chaos, blocking=False)
        self.rows = MemoryReadStore(self.clock.now, blocking=False)
        self.signals = MemorySignals(blocking=False)
        self.commands = Commands(app, self.store, self.snapshots, self.world)
        domain.medicine.mended = False
        for group in app.groups:
            run(open_generation(app, group, self.store, self.rows))

    # cores
    def send(self, command: Command, key: str = "") -> Answer:
        """Carry out a command."""
        return self.commands.send(command, key)

    def relay(self) -> int:
        """Publish all that is unpublished."""
        relaying = Relaying(self.app, self.outbox, self.bus, self.world)
        while run(relaying.once()):
            pass
        return relaying.published

    def live(self, group: str = "rows") -> Generation:
        """The live generation."""
        return next(one for one in self.rows.generations(group) if one.phase is Phase.LIVE)

    def projector(self, group: str = "rows", generation: Generation | None = None, **more: Any) -> Projector:
        """A new member of a generation's consumer group."""
        return Projector(self.app, generation or self.live(group), self.store, self.rows, self.bus, self.signals, world=self.world, **more)

    def sink(self, group: str = "rows", *, guest: bool = False) -> Sink:
        """A sink on the live generation."""
        live = self.live(group)
        return Sink(self.app, group, live.number, self.store, self.rows, self.signals, epoch=live.epoch, guest=guest, world=self.world)

    def letters(self) -> Letters:
        """The dead letters of the rows."""
        return Letters(self.sink(guest=True))

    def rebuild(self, group: str = "rows") -> Rebuild:
        """An operator's rebuild."""
        return Rebuild(self.app, group, self.store, self.rows, self.bus, self.signals, self.world)

    def reading(self) -> Reading:
        """A gateway's reads."""
        return Reading(self.app, self.rows, self.world)

    def dispatcher(self, saga: str = "selling") -> Dispatcher:
        """A saga's dispatcher."""
        return Dispatcher(self.app, saga, self.rows, self.commands, self.world)

    def flow(self, *projectors: Projector, rounds: int = 500) -> None:
        """Relay, project and dispatch until nothing moves any more."""
        dispatcher = self.dispatcher() if "selling" in self.app.groups else None
        quiet = 0
        for _ in range(rounds):
            moved = self.relay()
            moved += sum(run(projector.once(0.0)) for projector in projectors)
            moved += run(dispatcher.once()) if dispatcher else 0
            lag = sum(sum(self.bus.lag(consumer_group(self.app, projector.generation)).values()) for projector in projectors)
            quiet = 0 if moved or lag else quiet + 1
            if quiet == 2:
                return
        raise AssertionError(f"it still moves after {rounds} rounds")

    def fold(self, *groups: str) -> None:
        """Everything flows through projectors that then go home."""
        projectors = [self.projector(group) for group in groups or ("rows",)]
        self.flow(*projectors)
        for projector in projectors:
            projector.close()

    # what is there
    def streams(self) -> dict[str, list[Recorded]]:
        """The store."""
        return {head.stream: self.store.read(head.stream, 0, 10_000) for head in self.store.heads("", 100_000)}

    def table(self, part: str, group: str = "rows") -> dict[str, tuple[Any, ...]]:
        """A part's live rows by key."""
        table = next(table for table in self.app.groups[group].tables if table.part == part)
        page = self.rows.query(self.live(group).number, table, Query(first=1_000, tenant=None))
        return {key: row.values for key, row in page.rows if row.values is not None}

    def shown(self) -> Rows:
        """Every live row of the group `rows`."""
        return {(table.part, key): row for table in self.app.groups["rows"].tables for key, row in self.table(table.part).items()}

    def wanted(self) -> Rows:
        """Every row that must be there, by the simulation's own model."""
        return model(self.streams())


def until(core: Steps[Any], name: str, nth: int = 1) -> Request:
    """Drive a core until it asks for `name` for the nth time; that request is returned, not performed."""
    request = next(core)
    while True:
        nth -= request.name == name
        if not nth:
            return request
        try:
            reply = request.perform()
        except Exception as error:  # noqa: BLE001  handed to the core, which decides
            request = core.throw(error)
        else:
            request = core.send(reply)


def go_on(core: Steps[Any], request: Request) -> Any:
    """Perform a request and drive the core to its end."""
    try:
        while True:
            try:
                reply = request.perform()
            except Exception as error:  # noqa: BLE001  handed to the core, which decides
                request = core.throw(error)
            else:
                request = core.send(reply)
    except StopIteration as stop:
        return stop.value


def answer(core: Steps[Any], reply: Any) -> Any:
    """Answer the pending request oneself, then drive the core to its end."""
    try:
        request = core.throw(reply) if isinstance(reply, Exception) else core.send(reply)
    except StopIteration as stop:
        return stop.value
    return go_on(core, request)


def crash(core: Steps[Any], projector: Projector | None = None) -> None:
    """The process is gone; the broker notices."""
    core.close()
    if projector is not None and isinstance(projector.consumer, MemoryConsumer):
        projector.consumer.crash()


def arrivals(streams: Mapping[str, Sequence[Recorded]]) -> dict[str, list[Recorded]]:
    """What arrives when everything does."""
    return {stream: list(events) for stream, events in streams.items()}


class Stage:
    """Several endless lives on one thread: each step performs one request of one of them, picked by the dice."""

    def __init__(self, house: House, lives: Mapping[str, Callable[[], Steps[Any]]]) -> None:
        self._house, self._lives = house, dict(lives)
        self._cores: dict[str, Steps[Any]] = {}
        self._pending: dict[str, Request] = {}
        self.transactions: dict[str, list[MemoryTransaction]] = {name: [] for name in lives}
        self.steps = 0

    def step(self, name: str = "") -> str:
        """One request of this life, or of any; its name."""
        name = name or self._house.dice.choice(sorted(self._lives))
        self.steps += 1
        if name not in self._cores:
            self._cores[name] = self._lives[name]()
            self._pending[name] = next(self._cores[name])
        request = self._pending[name]
        try:
            reply: Any = request.perform()
        except WouldBlock:
            return ""
        except TrimaranError as error:
            reply = error
        if request.name == "begin":
            self.transactions[name].append(reply)
        self.answer(name, reply)
        return request.name

    def settle(self, most: int = 5_000) -> None:
        """Until the rows are the fold of the store, in so many requests."""
        for _ in range(most):
            self.step()
            if self.steps % 20 == 0 and self._house.shown() == self._house.wanted():
                return
        assert self._house.shown() == self._house.wanted()

    def pending(self, name: str) -> Request | None:
        """What this life asks for next."""
        return self._pending.get(name)

    def answer(self, name: str, reply: Any) -> None:
        """Answer a life's pending request."""
        core = self._cores[name]
        self._pending[name] = core.throw(reply) if isinstance(reply, Exception) else core.send(reply)

    def kill(self, name: str) -> None:
        """The life ends here; its transactions are rolled back, and it begins anew at its next step."""
        core = self._cores.pop(name, None)
        self._pending.pop(name, None)
        if core is not None:
            core.close()
        for transaction in self.transactions[name]:
            transaction.kill()
        self.transactions[name].clear()


def again(once: Callable[[], Steps[int]], back: Callable[[], Any] = lambda: None) -> Steps[None]:
    """A host's loop: once more, after an error as well."""
    while True:
        try:
            yield from once()
        except Unavailable:
            back()


def cast(house: House, *groups: str) -> dict[str, Callable[[], Steps[Any]]]:
    """The lives of a house: a relay, a dispatcher, and a projector for each group."""

    def relay() -> Steps[None]:
        return again(Relaying(house.app, house.outbox, house.bus, house.world).once)

    def dispatch() -> Steps[None]:
        return again(house.dispatcher().once)

    members: dict[str, Projector] = {}

    def project(group: str) -> Steps[None]:
        if group in members:
            members[group].consumer.close()
        projector = members[group] = house.projector(group)
        return again(lambda: projector.once(0.0), projector.consumer.rewind)

    lives: dict[str, Callable[[], Steps[Any]]] = {"relay": relay}
    if "selling" in groups:
        lives["dispatch"] = dispatch
    return lives | {f"project {group}": partial(project, group) for group in groups}
