"""What one well-behaved client waits for: a query's round trip, and from a mutation to the subscriber that it concerns."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from bench.gateway_child import Answer
from bench.gateway_socket import Socket, connect

PATIENCE_S = 20.0


class Client:
    """One acknowledged connection; answers are found by operation id."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self._waiting: dict[str, Callable[[dict[str, Any]], None]] = {}
        self._acked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ponged = asyncio.Event()
        self._number = 0
        socket.on_text = self._take

    @classmethod
    async def greeted(cls, port: int, address: str = "", token: str = "") -> "Client":
        """Connected and acknowledged."""
        client = cls(await connect(port, address))
        client.socket.send(type="connection_init", payload={"token": token} if token else {})
        async with asyncio.timeout(PATIENCE_S):
            await client._acked
        return client

    def _take(self, data: bytes) -> None:
        message = json.loads(data)
        match message["type"]:
            case "connection_ack":
                self._acked.set_result(None)
            case "pong":
                self._ponged.set()
            case "ping":
                self.socket.send(type="pong")
            case "next" | "error" | "complete":
                if (waiting := self._waiting.get(message["id"])) is not None:
                    waiting(message)
            case _:
                pass

    def subscribe(self, query: str, variables: dict[str, Any], on_message: Callable[[dict[str, Any]], None]) -> str:
        """Start an operation; its messages go to `on_message`."""
        self._number += 1
        id = f"operation-{self._number}"
        self._waiting[id] = on_message
        self.socket.send(id=id, type="subscribe", payload={"query": query, "variables": variables})
        return id

    async def ping(self) -> None:
        """There and back."""
        self._ponged.clear()
        self.socket.send(type="ping")
        async with asyncio.timeout(PATIENCE_S):
            await self._ponged.wait()

    async def ask(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """The first message of a query, mutation or refused operation."""
        first: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        id = self.subscribe(query, variables, lambda message: None if first.done() else first.set_result(message))
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await first
        finally:
            del self._waiting[id]


class Probe:
    """What may be ordered of the load process."""

    def __init__(self) -> None:
        self._clients: dict[int, Client] = {}

    async def _client(self, port: int, address: str, token: str) -> Client:
        if port not in self._clients:
            self._clients[port] = await Client.greeted(port, address, token)
        return self._clients[port]

    async def round_trips(
        self, port: int, query: str, variables: dict[str, Any], for_s: float, pause_s: float, address: str = "", token: str = ""
    ) -> Answer:
        """The milliseconds of one query after the other, for so long."""
        client = await self._client(port, address, token)
        taken, until = [], time.perf_counter() + for_s
        while (start := time.perf_counter()) < until:
            answer = await client.ask(query, variables)
            taken.append((time.perf_counter() - start) * 1000)
            if answer["type"] != "next" or "errors" in answer["payload"]:
                raise RuntimeError(f"the healthy client was answered {answer}")
            await asyncio.sleep(pause_s)
        return {"ms": taken}

    async def pings(self, port: int, for_s: float, pause_s: float, address: str = "") -> Answer:
        """The milliseconds until each ping came back, one after the other, for so long: how long the event loop lets others wait."""
        client = await self._client(port, address, "")
        taken, until = [], time.perf_counter() + for_s
        while (start := time.perf_counter()) < until:
            await client.ping()
            taken.append((time.perf_counter() - start) * 1000)
            await asyncio.sleep(pause_s)
        return {"ms": taken}

    async def latencies(
        self, port: int, subscription: str, mutation: str, variables: list[dict[str, Any]], pause_s: float, token: str = ""
    ) -> Answer:
        """The milliseconds from sending each mutation on one socket until a subscriber on another has its `next`."""
        client = await self._client(port, "", token)
        other = await Client.greeted(port, "", token)
        heard: asyncio.Queue[float] = asyncio.Queue()
        failed: list[dict[str, Any]] = []

        def hear(message: dict[str, Any]) -> None:
            heard.put_nowait(time.perf_counter())
            if message["type"] != "next" or "errors" in message["payload"]:
                failed.append(message)

        other.subscribe(subscription, {}, hear)
        taken = []
        async with asyncio.timeout(PATIENCE_S + len(variables)):
            await heard.get()  # the snapshot
            for each in variables:
                start = time.perf_counter()
                answer = asyncio.ensure_future(client.ask(mutation, each))
                taken.append((await heard.get() - start) * 1000)
                if "errors" in (await answer)["payload"] or failed:
                    raise RuntimeError(f"the mutation was answered {answer.result()}, its subscriber {failed}")
                await asyncio.sleep(pause_s)
        other.socket.drop()
        return {"ms": taken}
