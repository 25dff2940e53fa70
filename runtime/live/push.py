"""Changed rows to everybody who follows them, where nobody holds a socket or a subscriber in memory.

    signals ─▶ each shard in order, holes read from the log ─▶ topics ─▶ index ─▶ cohorts: matched and rendered once ─▶ sends
                                                                           └─▶ an operation that is being caught up is marked dirty

How far each shard was pushed is stored, so that the next process goes on there. A change counts as pushed when everybody who was live
was sent it, or was marked: whoever could not be sent it is caught up from its own position later, and nobody waits for it.
"""

import asyncio
import logging
import threading
from collections.abc import Sequence
from typing import Any

from runtime.errors import Fenced, Stopped, Unavailable
from runtime.live.following import Following
from runtime.live.positions import Positions
from runtime.live.subscribing import LIVE, Subscribing
from runtime.live.telling import Round, Telling, ahead
from runtime.ports import Generation, Signal, Signals
from runtime.steps import run

LOG = logging.getLogger("trimaran.gateway")
POLL_S = 1.0
TAKEN, TAKEN_BYTES = 500, 48 * 1024  # changes of one round: what they make should fit into a message
PAGE = 1_000  # of changes, followers, operations a read


class Pusher:
    """Pushes all groups of an app. `push` for a function that is handed signals, `run` for a process that listens."""

    def __init__(self, subscribing: Subscribing) -> None:
        self._subscribing, self._app = subscribing, subscribing.app
        self._connections, self._sockets, self._rows = subscribing.connections, subscribing.sockets, subscribing.rows
        self._io, self._now = subscribing.io, subscribing.now
        self._groups = {table.part: group for group in self._app.groups.values() if not group.saga for table in group.tables}
        self._generations: dict[str, Generation] = {}
        self._following: dict[str, Following] = {}
        self._fresh: set[str] = set()
        self._telling = Telling(subscribing)
        self._turns = {group.name: asyncio.Lock() for group in self._groups.values()}
        self._changes = self._resets = 0

    @property
    def figures(self) -> dict[str, int]:
        """What was done so far."""
        return {"changes": self._changes, "resets": self._resets, **self._telling.figures}

    # being driven
    async def push(self, signals: Sequence[Signal]) -> None:
        """Push what was signalled, and what was not before it."""
        by_group: dict[str, list[Signal]] = {}
        for signal in signals:
            group = self._groups.get(signal.part)
            if group is not None:
                by_group.setdefault(group.name, []).append(signal)
        for name, heard in by_group.items():
            async with self._turns[name]:
                await self._steadily(name, heard)

    async def look(self) -> None:
        """What no signal told: a tail whose signals were lost, a generation that was swapped. Once a second or so."""
        for name in self._turns:
            async with self._turns[name]:
                self._generations.pop(name, None)
                await self._steadily(name, None)

    async def run(self, signals: Signals, stop: threading.Event, poll_s: float = POLL_S) -> None:
        """Until `stop`: hear signals, push them, look."""
        looked = 0.0
        loop = asyncio.get_running_loop()
        with signals.listen() as listener:
            while not stop.is_set():
                heard = await asyncio.to_thread(listener.take, PAGE, poll_s)
                try:
                    if heard:
                        await self.push(heard)
                    if loop.time() - looked >= poll_s:
                        looked = loop.time()
                        await self.look()
                except (Unavailable, Stopped) as error:
                    LOG.warning("changes are pushed later: %s", error)
                    await asyncio.sleep(poll_s)

    async def _steadily(self, name: str, heard: Sequence[Signal] | None) -> None:
        try:
            following = await self._current(name)
            if following is None:
                return  # nobody ever followed this generation, so nobody misses anything
            if heard is None:
                heads = {shard: last for shard, (_, last) in (await self._history(name, following.generation)).items()}
                following.learn(heads)
                await self._turn(name, following)
                if following.reached(heads):
                    following.settle(heads)
                    self._fresh.discard(name)
            else:
                following.hear(signal for signal in heard if signal.generation == following.generation)
                await self._turn(name, following)
        except Fenced:
            self._generations.pop(name, None)
            self._following.pop(name, None)
        except BaseException:  # what was taken and not pushed is taken again
            self._following.pop(name, None)
            raise

    async def _history(self, name: str, generation: int) -> dict[int, tuple[int, int]]:
        return await self._io(self._rows.history, name, generation)

    async def _current(self, name: str) -> Following | None:
        """Where pushing goes on: in memory, unless another process has pushed meanwhile."""
        generation = self._generations.get(name)
        if generation is None:
            generation = self._generations[name] = await self._io(run, self._subscribing.reading.generation(self._app.groups[name]))
        pushed = await self._io(self._connections.pushed, name, generation.number)
        known = self._following.get(name)
        if known is not None and known.generation != generation.number:
            await self._catch_all_up(name, known.positions)
            known = None
        if pushed is None:
            self._following.pop(name, None)
            return None
        if known is None or not known.reached(pushed):
            known = Following(self._readers(name), generation.number, pushed)
            self._following[name] = known
            self._fresh.add(name)
        return known

    def _readers(self, name: str) -> dict[str, Any]:
        return {table.part: self._subscribing.catching_up.reader(table.part) for table in self._app.groups[name].tables}

    # one group, in order
    async def _turn(self, name: str, following: Following) -> None:
        while True:
            if not await self._fill(name, following):
                await self._begin_again(name, following.positions)
                return
            if not following.waits:
                return
            before = following.positions.place()
            taken = following.take(TAKEN, TAKEN_BYTES)
            self._changes += len(taken)
            await self._telling.tell(Round(following.positions, before, name, name in self._fresh), taken)
            numbers = following.positions.numbers
            moved = {shard: number for shard, number in numbers.items() if number != before.numbers.get(shard, 0)}
            await self._io(self._connections.advance, name, following.generation, moved)

    async def _fill(self, name: str, following: Following) -> bool:
        """Whether every hole could be read from the log."""
        for shard, after, count in following.gaps():
            page = await self._io(self._rows.changes, name, following.generation, shard, after, min(count, PAGE))
            if not page or page[0].number != after + 1:
                return False
            following.hear(page)
        return True

    async def _begin_again(self, name: str, positions: Positions) -> None:
        """The log was trimmed before it was pushed: everybody is caught up from what they were told, and pushing goes on at its end."""
        heads = {shard: last for shard, (_, last) in (await self._history(name, positions.generation)).items()}
        await self._catch_all_up(name, positions)
        await self._io(self._connections.advance, name, positions.generation, heads)
        self._following.pop(name, None)

    async def _catch_all_up(self, name: str, told: Positions) -> None:
        """Everybody in the group who was told up to there is caught up by the next sweep."""
        self._resets += 1
        after = ""
        while True:
            rows, after = await self._io(self._connections.everyone, after, PAGE)
            for row in rows:
                group = self._groups.get(row.topics[0].partition("/")[0]) if row.topics else None
                if group is None or group.name != name or row.gate != LIVE:
                    continue
                place, company = self._telling.place(row.position), await self._subscribing.company(row.cohort)
                if company is not None and place.generation == told.generation:
                    await self._telling.catch_up_later(row, company.cursors.write(ahead(told, place)))
                elif place.generation <= told.generation:
                    await self._telling.catch_up_later(row, row.position)
            if not after:
                return
