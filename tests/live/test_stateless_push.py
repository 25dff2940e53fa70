"""Pushes from functions while rows change in any shard, leave the filter and come back, generations are swapped, history is trimmed, signals and pushers are lost."""

import asyncio
import json
import random
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from apps.shop import app
from hosts.dev_tokens import DevTokens
from providers.memory.rows import MemoryReadStore
from providers.memory.signals import MemorySignals
from providers.memory.sockets import MemoryConnections, MemorySockets, Weather, calm
from runtime.domain.filters import Compare, Query
from runtime.flow.reading import Reading
from runtime.live.answers.engine import Engine
from runtime.live.functions.push import Pusher
from runtime.live.functions.stateless import Stateless
from runtime.live.functions.subscribing import inline
from runtime.live.functions.sweeping import Sweeping
from runtime.live.wire.protocol import SUBPROTOCOL
from runtime.ports.sockets import Frame, Opening
from tests.gateways.bed import threads
from tests.live.functions import Clock
from tests.live.writer import TICKETS, Writer

LIVE = (
    "subscription($w: TicketFilter, $after: String) { ticketRows(where: $w, after: $after) { snapshot reset complete cursor "
    "changed { key revision { generation n } row { order customer amount stage } } removed { key revision { generation n } } } }"
)
ADA = {"customer": {"eq": "ada"}}


class Sea:
    """Functions over a read store that a test writes by itself."""

    def __init__(self, stack: ExitStack, seed: int, store_s: float) -> None:
        self.tokens = DevTokens(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        self.store, self.signals = MemoryReadStore(), MemorySignals(capacity=100_000)
        self.writer = Writer(self.store, self.signals)
        weather = Weather(seed, store_s) if store_s else calm
        self.connections, self.sockets, self.clock = MemoryConnections(weather), MemorySockets(weather), Clock()
        engine = Engine(app, Reading(app, self.store), None)
        stack.callback(engine.close)
        io = threads(stack.enter_context(ThreadPoolExecutor(32))) if store_s else inline
        verifier = self.tokens.verifier()
        self._token, self._count = self.tokens.sign("ada"), 0
        verifier.verify(self._token)  # its keys are read
        self.stateless = Stateless(app, engine, self.store, self.connections, self.sockets, verifier, io=io, now=self.clock)
        self.sweeping = Sweeping(self.stateless.subscribing)
        self.pusher = Pusher(self.stateless.subscribing)

    async def open(self) -> str:
        self._count += 1
        id = f"connection-{self._count}"
        await self.stateless.connect(Opening(id, (SUBPROTOCOL,)))
        self.sockets.open(id)
        await self.say(id, {"type": "connection_init", "payload": {"token": self._token}})
        assert self.sockets.take(id) == ['{"type":"connection_ack"}']
        return id

    async def say(self, id: str, message: dict[str, Any]) -> None:
        await self.stateless.message(Frame(id, json.dumps(message), self.clock()))

    async def follow(self, id: str, after: str = "") -> None:
        await self.say(id, {"type": "subscribe", "id": "1", "payload": {"query": LIVE, "variables": {"w": ADA, "after": after or None}}})

    def truth(self) -> dict[str, Any]:
        page = self.store.query(self.writer.generation.number, TICKETS, Query(Compare("customer", "eq", "ada"), first=1_000))
        names = [column.name for column in TICKETS.columns]
        return {key: dict(zip(names, row.values or (), strict=True)) for key, row in page.rows}


@contextmanager
def running(seed: int = 1, store_s: float = 0.0) -> Iterator[Sea]:
    with ExitStack() as stack:
        yield Sea(stack, seed, store_s)


class View:
    """What a client has seen, folded, with what it must never see."""

    def __init__(self) -> None:
        self.rows: dict[str, Any] = {}
        self.cursor, self.updates, self.resets = "", 0, 0
        self.wrong: list[str] = []
        self._seen: dict[str, tuple[int, int]] = {}

    def take(self, texts: list[str]) -> None:
        for message in map(json.loads, texts):
            assert message["type"] == "next", message
            update = message["payload"]["data"]["ticketRows"]
            self.updates += 1
            if update["reset"]:
                self.rows, self._seen, self.resets = {}, {}, self.resets + 1
            for change in update["changed"]:
                if self._newer(change):
                    self.rows[change["key"]] = change["row"]
            for change in update["removed"]:
                if change["key"] in self.rows and self._newer(change):  # taking away what is not shown is idle, not wrong
                    del self.rows[change["key"]]
            if update["complete"]:
                self.cursor = update["cursor"]

    def _newer(self, change: Any) -> bool:
        key, revision = change["key"], (change["revision"]["generation"], change["revision"]["n"])
        if revision <= self._seen.get(key, (0, 0)):
            self.wrong.append(f"{key} {revision} after {self._seen[key]}")
            return False
        self._seen[key] = revision
        return True


def test_a_row_that_leaves_the_filter_is_removed_and_one_that_was_never_in_it_is_not_told() -> None:
    async def steps(sea: Sea) -> None:
        view = View()
        sea.writer.put(("o1", "ada", 1, "placed"), ("o2", "bob", 1, "placed"))
        id = await sea.open()
        await sea.follow(id)
        view.take(sea.sockets.take(id))
        assert set(view.rows) == {"o1"}
        sea.writer.put(("o2", "bob", 2, "placed"))
        await sea.pusher.look()
        assert sea.sockets.take(id) == []
        sea.writer.put(("o1", "bob", 1, "placed"), ("o2", "ada", 2, "placed"), shards=[9])
        await sea.pusher.look()
        view.take(sea.sockets.take(id))
        assert set(view.rows) == {"o2"}
        sea.writer.put(gone=["o2"])
        await sea.pusher.look()
        view.take(sea.sockets.take(id))
        assert (view.rows, view.wrong, view.resets) == ({}, [], 1)

    with running() as sea:
        asyncio.run(steps(sea))


def test_a_swap_shows_the_new_generation_with_a_reset_to_everybody() -> None:
    async def steps(sea: Sea) -> None:
        sea.writer.put(("o1", "ada", 1, "placed"))
        views, ids = [View() for _ in range(3)], [await sea.open() for _ in range(3)]
        for id in ids:
            await sea.follow(id)
        await sea.pusher.look()
        green = sea.writer.fill_green()
        sea.writer.put(("o1", "ada", 2, "placed"))
        sea.writer.swap(green)
        sea.writer.put(("o1", "ada", 3, "placed"), ("o2", "ada", 1, "placed"))
        for _ in range(2):
            await sea.pusher.look()
            await sea.sweeping.sweep()
        sea.writer.put(("o3", "ada", 1, "placed"))
        await sea.pusher.look()
        for view, id in zip(views, ids, strict=True):
            view.take(sea.sockets.take(id))
            assert (view.rows, view.wrong, view.resets) == (sea.truth(), [], 2)

    with running() as sea:
        asyncio.run(steps(sea))


def test_history_that_was_trimmed_before_it_was_pushed_ends_in_a_reset_not_in_a_hole() -> None:
    async def steps(sea: Sea) -> None:
        view, id = View(), await sea.open()
        await sea.follow(id)
        sea.writer.put(("o1", "ada", 1, "placed"), shards=[3])
        for amount in range(2, 8):
            sea.writer.put(("o1", "ada", amount, "placed"), shards=[3])
        sea.store.trim_changes("rows", 1, 1)
        for _ in range(2):
            await sea.pusher.look()
            await sea.sweeping.sweep()
        view.take(sea.sockets.take(id))
        assert (view.rows, view.wrong, view.resets) == (sea.truth(), [], 2)
        sea.writer.put(("o1", "ada", 9, "placed"), shards=[3])
        await sea.pusher.look()
        view.take(sea.sockets.take(id))
        assert (view.rows, view.resets) == (sea.truth(), 2)

    with running() as sea:
        asyncio.run(steps(sea))


@pytest.mark.parametrize("seed", range(1, 9))
def test_whatever_happens_every_view_ends_as_the_rows_are_and_time_never_runs_backwards(seed: int) -> None:
    dice = random.Random(seed)

    async def viewer(sea: Sea, view: View, stop: asyncio.Event) -> None:
        while not stop.is_set():
            id = await sea.open()
            asking = asyncio.create_task(sea.follow(id, view.cursor))
            for _ in range(dice.randrange(5, 60)):
                view.take(sea.sockets.take(id))
                await asyncio.sleep(0.002)
            view.take(sea.sockets.take(id))
            sea.sockets.close(id)
            await sea.stateless.disconnect(id, 0.0)
            await asking

    async def writing(sea: Sea) -> None:
        green = None
        for number in range(400):
            keys = dice.sample([f"o{n}" for n in range(8)], dice.randrange(1, 4))
            tickets = [(key, dice.choice(("ada", "ada", "bob")), number, "placed") for key in keys[1:]]
            sea.writer.lose = dice.random() < 0.2
            sea.writer.put(*tickets, gone=keys[:1] if dice.random() < 0.2 else [], shards=[dice.randrange(6)])
            if number == 150:
                green = sea.writer.fill_green()
            if number == 200 and green is not None:
                sea.writer.swap(green)
            if number in (100, 300):
                sea.store.trim_changes("rows", sea.writer.generation.number, 3)
            if number % 60 == 30:
                sea.pusher = Pusher(sea.stateless.subscribing)  # another process goes on
            if dice.random() < 0.3:
                await asyncio.sleep(dice.uniform(0, 0.01))

    async def steps(sea: Sea) -> None:
        views, stop = [View() for _ in range(4)], asyncio.Event()
        viewers = [asyncio.create_task(viewer(sea, view, stop)) for view in views]

        async def pushing() -> None:
            with sea.signals.listen() as listener:
                while not stop.is_set():
                    await sea.pusher.push(listener.take(50, 0))
                    if dice.random() < 0.3:
                        await sea.pusher.look()
                    await sea.sweeping.sweep()
                    await asyncio.sleep(dice.uniform(0, 0.01))

        pusher = asyncio.create_task(pushing())
        await writing(sea)
        stop.set()
        await asyncio.gather(pusher, *viewers)
        for view in views:
            id = await sea.open()
            await sea.follow(id, view.cursor)
            view.take(sea.sockets.take(id))
            await sea.stateless.disconnect(id, 0.0)
            assert view.wrong == []
            assert view.rows == sea.truth()
            assert view.updates > 5
        assert sea.connections.count() == {"connections": 0, "operations": 0, "tombstones": 0, "followers": 0}

    with running(seed, 0.001) as sea:
        asyncio.run(steps(sea))
