"""The stateless driver's own work: what a message costs where each is a function's call, without the store and the sockets behind it.

Everything runs in this process on stores in memory; each call of a store or socket is timed by its thread's CPU clock and taken off. What is
left is parsing, the protocol, GraphQL, matching, rendering and the JSON of all that.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

from bench.gateway_domain import HOT, ONE, QUERY, app
from bench.gateway_server import Rows
from providers.memory.sockets import MemoryConnections, MemorySockets
from runtime.flow.reading import Reading
from runtime.live.answers.engine import Engine
from runtime.live.callers.identity import Anonymous
from runtime.live.functions.push import Pusher
from runtime.live.functions.stateless import Stateless
from runtime.ports.sockets import Frame, Opening


class Timed[P]:
    """A port; `seconds` is the CPU that its calls took."""

    def __init__(self, port: P) -> None:
        self._port, self.seconds = port, 0.0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not callable(found):
            return found

        def call(*args: Any, **options: Any) -> Any:
            start = time.thread_time()
            try:
                return found(*args, **options)
            finally:
                self.seconds += time.thread_time() - start

        setattr(self, name, call)  # the next call finds it here
        return call


class Driver:
    """A gateway of functions with `clients` connections, each following an account of its own."""

    def __init__(self, clients: int) -> None:
        self._rows = Rows()
        self._store, self._connections, self._sockets = Timed(self._rows.rows), Timed(MemoryConnections()), Timed(MemorySockets())
        store, connections, sockets = (cast(Any, port) for port in (self._store, self._connections, self._sockets))
        engine = Engine(app, Reading(app, store), None)
        self._stateless = Stateless(app, engine, store, connections, sockets, Anonymous())
        self._pusher = Pusher(self._stateless.subscribing)
        self._ids = [f"connection-{number}" for number in range(clients)]
        self._rows.publish([HOT])

    async def costs_ms(self) -> dict[str, float]:
        """Per kind of message the milliseconds of CPU for one, once all clients have sent it."""
        costs = {
            "connect": await self._mean(self._connect),
            "connection_init": await self._mean(lambda id: self._say(id, type="connection_init")),
            "ping": await self._mean(lambda id: self._say(id, type="ping")),
            "query": await self._mean(lambda id: self._ask(id, "q", QUERY, HOT)),
            "subscribe": await self._mean(lambda id: self._ask(id, "s", ONE, id)),
            "push": await self._pushed(),
            "complete": await self._mean(lambda id: self._say(id, id="s", type="complete")),
        }
        await self._mean(lambda id: self._stateless.disconnect(id, time.time()))
        return costs

    async def _mean(self, call: Callable[[str], Awaitable[object]]) -> float:
        before = self._spent()
        for id in self._ids:
            await call(id)
        return (self._spent() - before) / len(self._ids) * 1000

    async def _pushed(self) -> float:
        """Each client's account changes; a message each."""
        with self._rows.signals.listen() as listener:
            self._rows.publish(self._ids)
            signals = listener.take(len(self._ids), 1.0)
        for id in self._ids:
            self._frames(id)
        before = self._spent()
        await self._pusher.push(signals)
        spent = self._spent() - before
        for id in self._ids:
            (frame,) = self._frames(id)
            assert frame["type"] == "next", frame
        return spent / len(self._ids) * 1000

    def _spent(self) -> float:
        return time.process_time() - sum(port.seconds for port in (self._store, self._connections, self._sockets))

    async def _connect(self, id: str) -> None:
        opened = await self._stateless.connect(Opening(id, ("graphql-transport-ws",)))
        assert opened.status == 200, opened
        self._sockets.open(id)

    async def _say(self, connection: str, **message: Any) -> None:
        await self._stateless.message(Frame(connection, json.dumps(message), time.time()))

    async def _ask(self, id: str, operation: str, query: str, account: str) -> None:
        await self._say(id, id=operation, type="subscribe", payload={"query": query, "variables": {"account": account}})
        frames = self._frames(id)
        if [frame["type"] for frame in frames if frame.get("id") == operation][:1] != ["next"]:
            raise RuntimeError(f"{query!r} was answered {frames}")

    def _frames(self, id: str) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self._sockets.take(id)]


def measured(clients: int, times: int) -> dict[str, float]:
    """Each kind's cost in milliseconds, the least disturbed of several times, once everything is warm."""
    driver = Driver(clients)

    async def again() -> list[dict[str, float]]:
        await driver.costs_ms()
        return [await driver.costs_ms() for _ in range(times)]

    costs = asyncio.run(again())
    return {kind: min(cost[kind] for cost in costs) for kind in costs[0]}
