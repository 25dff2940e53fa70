"""Changed rows to everybody who follows them, where nobody holds a socket or a subscriber in memory.

    signals ─▶ each shard in order, holes read from the log ─▶ topics ─▶ index ─▶ cohorts: matched and rendered once ─▶ sends
                                                                           └─▶ an operation that is being caught up is marked dirty

How far each shard was pushed is stored, so that the next process goes on there. A change counts as pushed when everybody who was live
was sent it, or was marked: whoever could not be sent it is caught up from its own position later, and nobody waits for it.
"""

import asyncio
import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from runtime.errors import Fenced, Stopped, Unavailable
from runtime.live.follow.following import Following
from runtime.live.follow.positions import Positions
from runtime.live.functions.subscribing import LIVE, Subscribing
from runtime.live.functions.telling import Round, Telling, ahead
from runtime.ports import Generation, Signal, Signals
from runtime.ports.sockets import Operation
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
                await self._swapped(name)
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

    async def _swapped(self, name: str) -> None:
        """A generation that is new to all pushers: whoever stands in an earlier one is caught up. A row of `pushed` says that it was done."""
        number = (await self._generation(name)).number
        mark = f"{name} swapped to"
        if ((await self._io(self._connections.pushed, mark, 0)) or {}).get(0, 0) < number:
            await self._catch_all_up(name, Positions(number), None)
            await self._io(self._connections.advance, mark, 0, {0: number})

    async def _generation(self, name: str) -> Generation:
        known = self._generations.get(name)
        if known is None:
            known = self._generations[name] = await self._io(run, self._subscribing.reading.generation(self._app.groups[name]))
        return known

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
        generation = await self._generation(name)
        pushed = await self._io(self._connections.pushed, name, generation.number)
        known = self._following.get(name)
        if known is not None and known.generation != generation.number:
            known = None
        if pushed is None:
            self._following.pop(name, None)
            return None
        if known is None or not known.reached(pushed):
            known = self._following[name] = await self._taken_over(name, generation.number, pushed)
        return known

    def _readers(self, name: str) -> dict[str, Any]:
        return {table.part: self._subscribing.catching_up.reader(table.part) for table in self._app.groups[name].tables}

    async def _taken_over(self, name: str, generation: int, pushed: Mapping[int, int]) -> Following:
        """What another process left. It may have pushed later changes of a row than some that are still to come, from another shard: then its last
        ones are read again, so that nothing older is told after them."""
        following = Following(self._readers(name), generation, pushed)
        history = await self._history(name, generation)
        following.learn({shard: last for shard, (_, last) in history.items()})
        revisions: dict[tuple[str, str], set[int]] = {}
        for shard, after, count in following.gaps():
            for change in await self._io(self._rows.changes, name, generation, shard, after, min(count, PAGE)):
                revisions.setdefault((change.part, change.key), set()).add(change.revision)
        for (part, key), pending in revisions.items():
            row = (await self._io(self._rows.get, name, generation, part, key, "")).row
            if row is not None and row.revision - min(pending) + 1 > len(pending):
                return await self._remembered(name, generation, pushed, history)
        return Following(self._readers(name), generation, pushed)

    async def _remembered(self, name: str, generation: int, pushed: Mapping[int, int], history: Mapping[int, tuple[int, int]]) -> Following:
        """With the last changes that were pushed in mind."""
        begins = {shard: max(history[shard][0] - 1, number - PAGE) for shard, number in pushed.items() if shard in history}
        following = Following(self._readers(name), generation, {shard: min(begins.get(shard, 0), pushed[shard]) for shard in pushed})
        for shard, begin in begins.items():
            if begin < pushed[shard]:
                following.hear(await self._io(self._rows.changes, name, generation, shard, begin, pushed[shard] - begin))
                while following.waits:
                    following.take(PAGE, 1 << 30)
        if not following.reached(pushed):  # trimmed meanwhile
            return Following(self._readers(name), generation, pushed)
        return following

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
            await self._telling.tell(Round(following.positions, before, name), taken)
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
        await self._catch_all_up(name, Positions(positions.generation, heads), positions)
        await self._io(self._connections.advance, name, positions.generation, heads)
        self._following.pop(name, None)

    async def _catch_all_up(self, name: str, now: Positions, told: Positions | None) -> None:
        """Everybody in the group who was told up to there, or (None) stands in an earlier generation, is caught up by the next sweep.

        Who is being caught up just now is marked: the gate opens no sooner than at `now`.
        """
        self._resets += 1
        after = ""
        while True:
            rows, after = await self._io(self._connections.everyone, after, PAGE)
            for row in rows:
                group = self._groups.get(row.topics[0].partition("/")[0]) if row.topics else None
                if group is not None and group.name == name:
                    await self._caught_up_again(row, now, told)
            if not after:
                return

    async def _caught_up_again(self, row: Operation, now: Positions, told: Positions | None) -> None:
        company, current = await self._subscribing.company(row.cohort), row
        while company is not None:
            if current.gate != LIVE:
                if await self._telling.hold(company, now.generation, now.numbers, current):
                    return
            else:
                place = self._telling.place(current.position)
                if told is not None and place.generation == told.generation:
                    await self._telling.catch_up_later(current, company.cursors.write(ahead(told, place)))
                elif place.generation < now.generation:
                    await self._telling.catch_up_later(current, current.position)
                return
            found = await self._subscribing.current(row)
            if found is None:
                return
            current = found
