"""The stateless driver on rows and sockets in memory: what its own tests call directly, without a service in between.

with functions.running() as place:
    place.do(steps(place))            # an async function, on a fresh loop
"""

import asyncio
import itertools
import json
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from hosts.dev_tokens import DevTokens
from hosts.gateway import sender_of
from hosts.local import Local, open_local
from hosts.settings import Settings
from providers.memory.sockets import MemoryConnections, MemorySockets, Weather, calm
from runtime.domain import App
from runtime.flow.reading import Reading
from runtime.live.answers.engine import Engine
from runtime.live.callers.identity import Verifier
from runtime.live.functions.push import Pusher
from runtime.live.functions.stateless import Stateless
from runtime.live.functions.subscribing import inline
from runtime.live.functions.sweeping import Sweeping
from runtime.live.limits import Limits
from runtime.live.wire.protocol import SUBPROTOCOL
from runtime.ports.sockets import Connections, Frame, Opened, Opening, Reply, Sockets
from tests.gateways.bed import threads
from tests.live.protocol import probe

MEMORY = "memory://"
PATIENCE_S = 20.0
FOLLOW = "subscription($c: String!, $after: String) { total(counter: $c, after: $after) { row { counter value } snapshot reset cursor } }"
FOLLOW_ALL = (
    "subscription($w: TotalFilter, $after: String) { totalRows(where: $w, after: $after) "
    "{ snapshot reset complete cursor changed { key revision { generation n } row { counter value } } removed { key } } }"
)

type Message = dict[str, Any]


class Clock:
    """Unix time that a test may move."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


class Place:
    """One gateway of functions."""

    def __init__(
        self, local: Local, tokens: DevTokens, stateless: Stateless, connections: Connections, sockets: MemorySockets, clock: Clock
    ):
        self.local, self.tokens, self.stateless, self.clock = local, tokens, stateless, clock
        self.connections, self.sockets = connections, sockets
        self.pusher, self.sweeping = Pusher(stateless.subscribing), Sweeping(stateless.subscribing)
        self._ids = itertools.count(1)

    def do[T](self, doing: Coroutine[Any, Any, T]) -> T:
        """Run it to its end."""
        return asyncio.run(doing)

    async def open(self, *offered: str, origin: str = "", host: str = "gateway.example") -> tuple[str, Opened]:
        """A handshake; the socket is open if it was let in."""
        id = f"connection-{next(self._ids)}"
        opened = await self.stateless.connect(Opening(id, offered or (SUBPROTOCOL,), origin, host))
        if opened.status == 200:
            self.sockets.open(id)
        return id, opened

    async def greet(self, payload: Message | None = None) -> str:
        """A connection that was acknowledged."""
        id, _ = await self.open()
        await self.say(id, {"type": "connection_init", "payload": payload})
        assert self.heard(id) == [{"type": "connection_ack"}]
        return id

    async def say(self, id: str, message: Message | str | bytes, at: float | None = None) -> Reply:
        """A client's message, as the function gets it."""
        data = json.dumps(message) if isinstance(message, dict) else message
        return await self.stateless.message(Frame(id, data, self.clock() if at is None else at))

    async def ask(self, id: str, operation: str, query: str, at: float | None = None, **variables: Any) -> None:
        """`subscribe`."""
        await self.say(id, {"type": "subscribe", "id": operation, "payload": {"query": query, "variables": variables}}, at)

    async def complete(self, id: str, operation: str, at: float | None = None) -> None:
        """`complete`."""
        await self.say(id, {"type": "complete", "id": operation}, at)

    def heard(self, id: str) -> list[Message]:
        """What the client has been sent since it was last asked."""
        return [json.loads(text) for text in self.sockets.take(id)]

    def bump(self, counter: str, times: int = 1) -> None:
        """Change a counter, and wait until its row and its signals are there."""
        for _ in range(times):
            self.local.commands.send(probe.Bump(counter, 1), "", "")
        assert self.local.settle(threading.Event()), self.local.failure

    async def pushed(self) -> None:
        """Push everything that is in the log."""
        await self.pusher.look()

    def rows(self) -> dict[str, int]:
        """How many rows are left."""
        return self.connections.count()


@contextmanager
def running(
    app: App = probe.plain,
    *,
    limits: Limits = Limits(),  # noqa: B008  frozen
    verifier: Verifier | None = None,
    seed: int = 0,
    store_s: float = 0.0,
    connections: Connections | None = None,
    sockets: Callable[[MemorySockets], Sockets] = lambda sockets: sockets,
    **how: Any,
) -> Iterator[Place]:
    """`store_s` > 0: every row and every frame takes up to so long, on threads, seeded."""
    with ExitStack() as stack:
        tokens = DevTokens(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        local = open_local(Settings(app.name, MEMORY, MEMORY, MEMORY), app, stack)
        engine = Engine(app, Reading(app, local.rows), sender_of(local.commands), limits=limits)
        stack.callback(engine.close)
        weather = Weather(seed, store_s) if store_s else calm
        kept, reached, clock = connections or MemoryConnections(weather), MemorySockets(weather), Clock()
        io = threads(stack.enter_context(ThreadPoolExecutor(64))) if store_s else inline
        local.start()
        stateless = Stateless(
            app,
            engine,
            local.rows,
            kept,
            sockets(reached),
            verifier or tokens.verifier(),
            limits=limits,
            io=io,
            now=clock,
            **{"reorder_s": 0.2} | how,
        )
        yield Place(local, tokens, stateless, kept, reached, clock)
