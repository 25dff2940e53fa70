"""The load on a gateway: `python -m bench.gateway_load` holds thousands of clients and counts what they get.

It is the same process against every server, and decodes no frame that it only counts.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

import uvloop

from bench.gateway_attacks import Attacks
from bench.gateway_child import Answer, raise_open_files, say, take
from bench.gateway_probe import Probe
from bench.gateway_socket import Socket, connect

AT_ONCE = 100  # sockets being opened
PATIENCE_S = 50.0
OPEN_S = 180.0


class Group:
    """Many sockets that follow something, and how many `next` they got together."""

    def __init__(self) -> None:
        self.sockets: list[Socket] = []
        self.frames, self.last = 0, b""
        self._target, self._reached = 0, asyncio.Event()

    async def open(self, port: int, query: str, variables: Iterable[dict[str, Any]], first: int) -> None:
        """Open, greet and subscribe them all; each waits for `first` frames (its snapshot)."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(each: dict[str, Any]) -> None:
            async with gate:
                socket = await connect(port)
                self.sockets.append(socket)
                acked = asyncio.get_running_loop().create_future()
                socket.on_text = acked.set_result
                socket.send(type="connection_init")
                await acked
                socket.on_text = self.count
                id = str(len(self.sockets)).rjust(36, "0")  # as long as the UUIDs of the npm client
                socket.send(id=id, type="subscribe", payload={"query": query, "variables": each})

        before = self.frames
        given = list(variables)
        async with asyncio.timeout(OPEN_S):
            await asyncio.gather(*(one(each) for each in given))
            await self.reach(before + first * len(given))

    def count(self, data: bytes) -> None:
        """One frame more."""
        self.frames += 1
        self.last = data
        if self.frames == self._target:
            self._reached.set()

    async def reach(self, frames: int) -> None:
        """Wait until so many came, all in all."""
        if self.frames < frames:
            self._target = frames
            self._reached.clear()
            try:
                await asyncio.wait_for(self._reached.wait(), PATIENCE_S)
            except TimeoutError:
                raise TimeoutError(f"{self.frames:,} of {frames:,} frames came, the last {self.last!r}") from None
        if self.frames > frames:
            raise RuntimeError(f"{self.frames:,} frames came where {frames:,} were due, the last {self.last!r}")


class Load:
    """What may be ordered."""

    def __init__(self) -> None:
        self._groups: dict[str, Group] = {}

    async def open(self, group: str, port: int, query: str, variables: list[dict[str, Any]], first: int) -> Answer:
        """Open a socket per variables, each subscribed."""
        made = self._groups[group] = Group()
        await made.open(port, query, variables, first)
        return {"frames": made.frames, "last": made.last.decode()}

    async def reach(self, group: str, frames: int) -> Answer:
        """Wait until the group got so many `next`, all in all."""
        await self._groups[group].reach(frames)
        return {"last": self._groups[group].last.decode()}


async def main() -> None:
    """Take orders."""
    load, probe, attacks = Load(), Probe(), Attacks()
    say({})
    await take(
        {
            "open": load.open,
            "reach": load.reach,
            "round_trips": probe.round_trips,
            "pings": probe.pings,
            "latencies": probe.latencies,
            "big": attacks.big,
            "big_body": attacks.big_body,
            "bombs": attacks.bombs,
            "crowd": attacks.crowd,
            "operations": attacks.operations,
        }
    )


if __name__ == "__main__":
    raise_open_files()
    uvloop.run(main())
