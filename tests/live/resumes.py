"""The seeded simulation of live rows: one gateway's feed over the memory read store, on one thread, in any order and through any fault.

    somebody writes ─▶ signals that are lost, doubled, late, out of order ─▶ the feed and its cores ─▶ clients that read slowly, go
    away in the middle of an update, and come back with the last cursor they have seen; generations are swapped, history is trimmed,
    the store is away, the gateway dies

At the end each client's rows are compared with the truth. What a client must never be told, its `Viewer` notices at once.
"""

import random
from collections.abc import Callable
from typing import Any

from apps.shop import app
from providers.memory.rows import MemoryReadStore
from providers.memory.signals import MemorySignals
from runtime.domain.filters import EVERYTHING, And, Compare, Filter, In, Not, Or, Query, matches
from runtime.errors import Unavailable
from runtime.live.follow.bells import Bell
from runtime.live.follow.cohorts import Seat
from runtime.live.follow.feed import Feed
from runtime.live.limits import Limits
from runtime.live.plans import Plan, Update
from runtime.ports import Generation, Signal
from runtime.steps import Request, Steps
from tests.live.viewer import Viewer, plan, render
from tests.live.writer import TICKETS, Writer
from tests.simulation.world import Clock, VirtualWorld

KEYS = [f"o{n}" for n in range(6)]
PEOPLE = ["ada", "bob", "eve"]
STAGES = ["placed", "sold", "timed out"]
SHARDS = [1, 2, 3]
ROUNDS, STEPS, CALM_STEPS = 2, 300, 3_000
OUTBOX = 2  # updates that a client's connection holds before it is not ready

PLANS: list[tuple[Filter, str]] = [
    (EVERYTHING, ""),
    (Compare("customer", "eq", "ada"), ""),
    (And((In("customer", ("ada", "bob")), Compare("amount", "lt", 5))), ""),
    (Or((Compare("stage", "eq", "sold"), Compare("order", "eq", "o1"))), ""),
    (Not(Compare("stage", "eq", "placed")), ""),
    (EVERYTHING, "o2"),
    (Compare("customer", "ne", "eve"), "o3"),
]


class Broken(AssertionError):
    """A client was told what it must not be told, or does not see what is there."""


class Client(Viewer):
    """A viewer behind a connection that holds updates until they are read, and loses them when it breaks."""

    def __init__(self, where: Filter, key: str) -> None:
        super().__init__()
        self.where, self.key = where, key
        self.seat: Seat | None = None
        self.held: list[bytes] = []
        self.broken = False

    def plan(self) -> Plan:
        """As the npm client sends it again: the same, with the last cursor."""
        return plan(self.where, key=self.key, after=self.cursor)

    def ready(self) -> bool:
        return len(self.held) < OUTBOX

    def push(self, payload: bytes) -> None:
        if self.broken:
            self.wrong.append("pushed to after it was told to go")
        self.held.append(payload)

    def fail(self, errors: list[dict[str, Any]]) -> None:
        self.wrong.append(f"failed: {errors}")

    def overflow(self) -> None:
        self.overflowed = self.broken = True

    def read(self) -> None:
        """One update reaches the application."""
        super().push(self.held.pop(0))


class Core:
    """A core and the request it waits for."""

    def __init__(self, steps: Steps[None], clock: Clock) -> None:
        self.steps, self._clock = steps, clock
        self.over = False
        self.wake: float | None = 0.0
        self.bell: tuple[Bell, int] | None = None
        self.request: Request | None = None
        self._go(None, None)

    def ready(self) -> bool:
        """Whether its request can be performed."""
        if self.over:
            return False
        if self.bell is not None and self.bell[0].rings > self.bell[1]:
            return True
        return self.wake is not None and self.wake <= self._clock.seconds

    def perform(self, away: Callable[[], bool]) -> None:
        """Its request, which the store may not answer."""
        assert self.request is not None
        request = self.request
        if self.bell is not None or request.name == "sleep":
            self._go(None, None)
            return
        try:
            if getattr(request.call, "__self__", None) is not None and away():
                raise Unavailable("away")
            reply = request.call(*request.args)
        except Exception as error:  # noqa: BLE001  handed to the core, which decides
            self._go(None, error)
        else:
            self._go(reply, None)

    def _go(self, reply: Any, error: Exception | None) -> None:
        try:
            self.request = self.steps.throw(error) if error is not None else self.steps.send(reply)
        except StopIteration:
            self.over = True
            return
        self.bell, self.wake = None, 0.0
        if isinstance(bell := getattr(self.request.call, "__self__", None), Bell):
            rings, timeout_s = self.request.args
            self.bell = bell, rings
            self.wake = None if timeout_s is None else self._clock.seconds + timeout_s
        elif self.request.name == "sleep":
            self.wake = self._clock.seconds + self.request.args[0]


class Simulation:
    """One seed."""

    def __init__(self, seed: int) -> None:
        self.seed, self.dice, self.clock = seed, random.Random(seed), Clock()
        self.rows = MemoryReadStore(self.clock.now, blocking=False)
        self.told = MemorySignals(1_000_000, blocking=False)
        self.writer = Writer(self.rows, self.told)
        self.listener = self.told.listen()
        self.listener.__enter__()
        self.flying: list[Signal] = []
        self.green: Generation | None = None
        self.clients = [Client(*self.dice.choice(PLANS)) for _ in range(self.dice.choice((2, 4, 8)))]
        self.away = self.lost = self.doubled = 0.0
        self.limits = Limits(outbox_rows=self.dice.choice((2, 1_000)), snapshot_rows=100)
        self.counts = {"drops": 0, "updates": 0, "resets": 0, "swaps": 0, "overflows": 0, "resumes": 0, "snapshots": 0, "filled": 0}
        self._open()

    def _open(self) -> None:
        """A gateway starts; the one before is dead, and so are its connections."""
        if hasattr(self, "feed"):
            self._tally()
        for client in self.clients:
            client.seat, client.held, client.broken = None, [], False
        self.cores: list[Core] = []
        self.calls: list[Callable[[], None]] = []
        cores, calls = self.cores, self.calls
        self.feed = Feed(
            app,
            app.groups["rows"],
            self.rows,
            limits=self.limits,
            world=VirtualWorld(self.clock, self.dice),
            poll_s=0.5,
            spawn=lambda steps: cores.append(Core(steps, self.clock)),
            later=calls.append,
            threads=False,
        )
        self.feed.pump_size = self.dice.choice((1, 3, 256))
        for core in (self.feed.keep(), self.feed.fill()):
            self.cores.append(Core(core, self.clock))

    def run(self) -> dict[str, int]:
        """Storms and calms in turn; what was counted."""
        for _ in range(ROUNDS):
            self.away, self.lost, self.doubled = (self.dice.choice((0.0, 0.05, 0.3)) for _ in range(3))
            for _ in range(STEPS):
                self._step()
                self._look()
            self.away = 0.0
            self._calm()
        self._tally()
        return self.counts

    def _tally(self) -> None:
        for name in ("resumes", "snapshots", "filled"):
            self.counts[name] += self.feed.figures[name]

    # a storm
    def _step(self) -> None:
        self.clock.seconds += 0.01
        roll = self.dice.random()
        if roll < 0.16:
            self._write()
        elif roll < 0.30:
            self._signal()
        elif roll < 0.40:
            self._client()
        elif roll < 0.405:
            self._disturb()
        else:
            self._core()

    def _write(self) -> None:
        tickets, gone = [], []
        for key in self.dice.sample(KEYS, self.dice.choice((1, 1, 2, 3))):
            if self.dice.random() < 0.15:
                gone.append(key)
            else:
                tickets.append((key, self.dice.choice(PEOPLE), self.dice.randrange(10), self.dice.choice(STAGES)))
        self.writer.put(*tickets, gone=gone, shards=self.dice.sample(SHARDS, self.dice.choice((1, 1, 2))))

    def _signal(self) -> None:
        for signal in self.listener.take(100, 0.0):
            if self.dice.random() >= self.lost:
                self.flying.append(signal)
            if self.dice.random() < self.doubled:
                self.flying.append(signal)
        if not self.flying:
            return
        if self.dice.random() < 0.2:  # one comes late, or early
            self.feed.hear([self.flying.pop(self.dice.randrange(len(self.flying)))])
        else:
            count = self.dice.randint(1, len(self.flying))
            batch, self.flying = self.flying[:count], self.flying[count:]
            self.feed.hear(batch)

    def _client(self) -> None:
        client = self.dice.choice(self.clients)
        if client.broken or (client.seat is not None and self.dice.random() < 0.25):
            self._drop(client)
        elif client.seat is None:
            self._subscribe(client)
        else:
            self._read(client)

    def _subscribe(self, client: Client) -> None:
        client.held, client.broken = [], False
        client.seat = self.feed.subscribe(client.plan(), render, client)

    def _drop(self, client: Client) -> None:
        """With it goes what the client has not read."""
        self.counts["drops"] += 1
        self.counts["overflows"] += client.broken
        if client.seat is not None:
            self.feed.leave(client.seat)
        client.seat, client.held, client.broken = None, [], False

    def _read(self, client: Client) -> None:
        while client.held:
            client.read()
        if client.seat is not None:
            self.feed.drained(client.seat)

    def _core(self) -> None:
        ready = [core for core in self.cores if core.ready()]
        if self.calls and (not ready or self.dice.random() < 0.4):
            self.calls.pop(0)()
        elif ready:
            self.dice.choice(ready).perform(lambda: self.dice.random() < self.away)
            self.cores[:] = [core for core in self.cores if not core.over]

    def _disturb(self) -> None:
        match self.dice.randrange(5):
            case 0:
                self._open()
            case 1:
                self.rows.trim_changes("rows", self.writer.generation.number, self.dice.choice((0, 1, 5)))
            case 2 if self.green is None:
                self.green = self.writer.fill_green()
            case 2 | 3 if self.green is not None:
                self.counts["swaps"] += 1
                self.writer.swap(self.green)
                self.green = None
            case _:
                for generation in self.rows.generations("rows")[:-1]:
                    if generation.phase == "blue" and self.dice.random() < 0.5:
                        tx = self.rows.begin("rows", generation.number)
                        tx.lock([0])
                        tx.set_phase(generation.number, type(generation.phase).FENCED)
                        tx.commit()
                        self.rows.drop("rows", generation.number)

    # a calm
    def _calm(self) -> None:
        """Nobody writes or leaves, what was lost stays lost; soon everybody must see what is there."""
        for _ in range(CALM_STEPS):
            self.clock.seconds += 0.01
            for client in self.clients:
                if client.broken:
                    self._drop(client)
                if client.seat is None:
                    self._subscribe(client)
                self._read(client)
            self._look()
            self._core()
            if not self.calls and not any(core.ready() for core in self.cores):
                if not self.feed.busy and all(client.updates and client.seat is not None for client in self.clients) and self._right():
                    return
                waking = [core.wake for core in self.cores if core.wake is not None]
                self.clock.seconds = max(self.clock.seconds, min(waking, default=0.0))
        raise self._fail(
            f"clients do not see what is there: {[self._difference(client) for client in self.clients if self._difference(client)]}"
        )

    def _right(self) -> bool:
        return not any(self._difference(client) for client in self.clients)

    def _difference(self, client: Client) -> str:
        wanted = self._truth(client)
        if client.rows == wanted and not client.wrong:
            return ""
        return f"{client.where} {client.key!r} shows {client.rows}, there is {wanted}"

    def _truth(self, client: Client) -> dict[str, dict[str, Any]]:
        page = self.rows.query(self.writer.generation.number, TICKETS, Query(first=1_000))
        names = [column.name for column in TICKETS.columns]
        rows = {key: dict(zip(names, row.values or (), strict=True)) for key, row in page.rows}
        return {key: row for key, row in rows.items() if matches(client.where, row) and client.key in ("", key)}

    def _look(self) -> None:
        for client in self.clients:
            if client.wrong:
                raise self._fail(f"{client.where} {client.key!r}: {client.wrong[0]}")
            for update in client.updates[:-1]:
                self._count(update)
            del client.updates[:-1]

    def _count(self, update: Update) -> None:
        self.counts["updates"] += 1
        self.counts["resets"] += update.reset

    def _fail(self, text: str) -> Broken:
        return Broken(f"seed {self.seed}: {text}")


def simulate(seed: int) -> dict[str, int]:
    """Play a seed; `Broken` tells what went wrong."""
    return Simulation(seed).run()
