"""Changed rows to everybody who follows them, where nobody holds a socket or a subscriber in memory.

    signals ─▶ each shard in order, holes read from the log ─▶ topics ─▶ index ─▶ cohorts: matched and rendered once ─▶ sends
                                                                           └─▶ an operation that is being caught up is marked dirty

How far each shard was pushed is stored, so that the next process goes on there. A change counts as pushed when everybody who was live
was sent it, or was marked: whoever could not be sent it is caught up from its own position later, and nobody waits for it.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Coroutine, Iterable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from runtime.errors import Fenced, LimitExceeded, Stopped, Unavailable
from runtime.live import frames
from runtime.live.errors import told as told_error
from runtime.live.following import Following, Taken
from runtime.live.matching import told
from runtime.live.plans import Entry, Update
from runtime.live.positions import Place, Positions, decode
from runtime.live.protocol import Operation as State
from runtime.live.stored import pass_of
from runtime.live.subscribing import CATCHUP, LIVE, Company, Subscribing, fits
from runtime.live.topics import Topic, topics_of_change
from runtime.ports import Generation, Signal, Signals
from runtime.ports.sockets import Follower, Gone, Operation
from runtime.steps import run

LOG = logging.getLogger("trimaran.gateway")
POLL_S = 1.0
TAKEN, TAKEN_BYTES = 500, 48 * 1024  # changes of one round: what they make should fit into a message
PAGE = 1_000  # of changes, followers, operations a read
SIDE_BY_SIDE = 32
PLACES = 10_000  # positions kept decoded
AGAIN_S = 1.0

type News = tuple[Entry, int, int]  # a row's newest state, and the shard and number of the change that left it


class Round(Struct, frozen=True):
    """What one round tells, and from where to where it goes."""

    positions: Positions
    before: Place
    group: str


class Pusher:
    """Pushes all groups of an app. `push` for a function that is handed signals, `run` for a process that listens."""

    def __init__(self, subscribing: Subscribing) -> None:
        self._subscribing, self._app = subscribing, subscribing.app
        self._connections, self._sockets, self._rows = subscribing.connections, subscribing.sockets, subscribing.rows
        self._io, self._now = subscribing.io, subscribing.now
        self._groups = {table.part: group for group in self._app.groups.values() if not group.saga for table in group.tables}
        self._generations: dict[str, Generation] = {}
        self._following: dict[str, Following] = {}
        self._places: dict[str, Place] = {}
        self._turns = {group.name: asyncio.Lock() for group in self._groups.values()}
        self._sending = asyncio.Semaphore(SIDE_BY_SIDE)
        self.figures = {"changes": 0, "sends": 0, "renders": 0, "held": 0, "lagging": 0, "gone": 0, "resets": 0}

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
            await self._catch_all_up(name, generation.number)
            known = None
        if pushed is None:
            self._following.pop(name, None)
            return None
        if known is None or not known.reached(pushed):
            known = Following(self._readers(name), generation.number, pushed)
            self._following[name] = known
        return known

    def _readers(self, name: str) -> dict[str, Any]:
        return {table.part: self._subscribing.catching_up.reader(table.part) for table in self._app.groups[name].tables}

    # one group, in order
    async def _turn(self, name: str, following: Following) -> None:
        while True:
            if not await self._fill(name, following):
                await self._begin_again(name, following.generation)
                return
            if not following.waits:
                return
            before = following.positions.place()
            taken = following.take(TAKEN, TAKEN_BYTES)
            self.figures["changes"] += len(taken)
            await self._tell(Round(following.positions, before, name), taken)
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

    async def _begin_again(self, name: str, generation: int) -> None:
        """The log was trimmed before it was pushed: everybody is caught up, and pushing goes on at its end."""
        heads = {shard: last for shard, (_, last) in (await self._history(name, generation)).items()}
        await self._catch_all_up(name, generation + 1)
        await self._io(self._connections.advance, name, generation, heads)
        self._following.pop(name, None)

    async def _catch_all_up(self, name: str, generation: int) -> None:
        """Everybody in the group who stands in an earlier generation is caught up by the next sweep."""
        self.figures["resets"] += 1
        after = ""
        while True:
            rows, after = await self._io(self._connections.everyone, after, PAGE)
            for row in rows:
                group = self._groups.get(row.topics[0].partition("/")[0]) if row.topics else None
                if group is not None and group.name == name and row.gate == LIVE and self._place(row.position).generation < generation:
                    await self._catch_up_later(row, row.position)
            if not after:
                return

    async def _catch_up_later(self, row: Operation, position: str, *, lagging: bool = False) -> None:
        current: Operation | None = row
        while current is not None and current.gate == LIVE:
            since = (current.lagging_since or self._now()) if lagging else 0.0
            due = self._now() + (AGAIN_S if lagging else 0.0)
            held = replace(current, gate=CATCHUP, position=position, due=due, lagging_since=since)
            if await self._io(self._connections.put_operation, held) is not None:
                return
            current = await self._subscribing.current(row)

    # one round
    async def _tell(self, turn: Round, taken: Sequence[Taken]) -> None:
        changes = await self._by_topic(taken)
        found = await asyncio.gather(*(self._followers(topic) for topic in changes))
        members: dict[str, dict[tuple[str, str], Follower]] = {}
        heard: dict[str, set[int]] = {}
        for topic, followers in zip(changes, found, strict=True):
            for follower in followers:
                members.setdefault(follower.cohort, {})[follower.connection, follower.instance] = follower
                heard.setdefault(follower.cohort, set()).update(changes[topic])
        work = []
        for cohort, followers_of_it in members.items():
            company = await self._subscribing.company(cohort)
            news = None if company is None else _news(company, [taken[position] for position in sorted(heard[cohort])])
            if news is None or news:
                work.append(self._tell_cohort(turn, company, news or {}, list(followers_of_it.values())))
        await _all(work)

    async def _by_topic(self, taken: Sequence[Taken]) -> dict[Topic, list[int]]:
        """The topics that somebody may follow, with the changes under each."""
        noted: dict[str, frozenset[str]] = {}
        for moved, _ in taken:
            if moved.part not in noted:
                noted[moved.part] = await self._io(self._connections.noted, moved.part)
        changes: dict[Topic, list[int]] = {}
        for position, (moved, _) in enumerate(taken):
            for topic in topics_of_change(moved, noted[moved.part]):
                changes.setdefault(topic, []).append(position)
        return changes

    async def _followers(self, topic: Topic) -> list[Follower]:
        found: list[Follower] = []
        after = ""
        async with self._sending:
            while True:
                page, after = await self._io(self._connections.followers, topic, after, PAGE)
                found += page
                if not after:
                    return found

    async def _tell_cohort(self, turn: Round, company: Company | None, news: dict[str, News], followers: Sequence[Follower]) -> None:
        rows = await self._io(self._connections.operations_of, [(each.connection, each.operation) for each in followers])
        rendered: dict[tuple[str, tuple[str, ...]], tuple[Update, bytes]] = {}

        async def one(follower: Follower) -> None:
            row = rows.get((follower.connection, follower.operation))
            if row is None or row.instance != follower.instance:
                await self._io(self._connections.unfollow, [follower])  # left by a function that died
                return
            async with self._sending:
                await self._harmlessly(self._one(turn, company, news, row, rendered), row)

        await _all([one(each) for each in followers])

    async def _harmlessly(self, doing: Awaitable[None], row: Operation) -> None:
        """One that fails never fails others. A store that is out of reach does: then the round is told again."""
        try:
            await doing
        except Gone:
            self.figures["gone"] += 1
            await self._subscribing.quietly(self._subscribing.leave(row.connection))
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001  the client is told that it failed, the logs are told why
            await self._subscribing.quietly(self._subscribing.fail(row, [told_error(error, "")]))

    async def _one(
        self,
        turn: Round,
        company: Company | None,
        news: dict[str, News],
        row: Operation,
        rendered: dict[tuple[str, tuple[str, ...]], tuple[Update, bytes]],
    ) -> None:
        """Tell one operation, or mark it."""
        current: Operation | None = row
        while current is not None and current.state == State.LIVE:
            why = self._subscribing.ended(pass_of(current))
            if why is not None:
                await self._subscribing.hang_up(current.connection, why)
                return
            if current.gate == LIVE:
                await self._send(turn, company, news, current, rendered)
                return
            if company is None or await self._hold(turn, company, news, current):
                return
            current = await self._subscribing.current(row)

    async def _hold(self, turn: Round, company: Company, news: dict[str, News], row: Operation) -> bool:
        """Mark that there is more to catch up with; False when somebody was first."""
        dirty = Positions(turn.positions.generation)
        if row.dirty:
            held = decode(row.dirty)
            if held.generation > dirty.generation:
                return True
            if held.generation == dirty.generation:
                dirty = Positions(held.generation, held.numbers)
        for _, shard, number in news.values():
            dirty.advance(shard, number)
        text = company.cursors.write(dirty)
        if text == row.dirty:
            return True
        self.figures["held"] += 1
        return await self._io(self._connections.put_operation, replace(row, dirty=text)) is not None

    async def _send(
        self,
        turn: Round,
        company: Company | None,
        news: dict[str, News],
        row: Operation,
        rendered: dict[tuple[str, tuple[str, ...]], tuple[Update, bytes]],
    ) -> None:
        place = self._place(row.position)
        if company is None or place.generation != turn.positions.generation:
            await self._catch_up_later(row, row.position)
            return
        entries = tuple(entry for entry, shard, number in news.values() if number > place.numbers.get(shard, 0))
        if not entries:
            return
        cursor = company.cursors.write(_ahead(turn.positions, place))
        key = (cursor, tuple(entry.key for entry in entries))
        known = rendered.get(key)
        if known is None:
            update = Update(entries, cursor)
            known = rendered[key] = update, self._subscribing.engine.render(company.prepared, update)
            self.figures["renders"] += 1
        update, payload = known
        text = frames.next_frame(row.id, payload)
        try:
            if fits(text, self._subscribing.limits):
                await self._io(self._sockets.send, row.connection, text)
            else:
                await self._subscribing.tell(row, company, update)
            self.figures["sends"] += 1
        except (Unavailable, LimitExceeded) as error:
            LOG.info("an operation lags behind: %s", error)
            self.figures["lagging"] += 1
            before = Positions(turn.before.generation, turn.before.numbers)
            await self._catch_up_later(row, company.cursors.write(_ahead(before, place)), lagging=True)

    def _place(self, position: str) -> Place:
        place = self._places.get(position)
        if place is None:
            if len(self._places) >= PLACES:
                self._places.clear()
            place = self._places[position] = decode(position)
        return place


async def _all(work: Sequence[Coroutine[Any, Any, None]]) -> None:
    """All of them to their end, then the first fault: what is told again must not meet what is still being told."""
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


def _news(company: Company, taken: Iterable[Taken]) -> dict[str, News]:
    """What changes mean to a cohort, the newest state of each row; in the order in which they came."""
    plan, news = company.plan, dict[str, News]()
    for moved, earlier in taken:
        if moved.part != plan.part or moved.tenant != plan.tenant or (plan.key and moved.key != plan.key):
            continue
        found = told(company.passes, moved, earlier)
        if found is not None:
            newest, shown = found
            news.pop(moved.key, None)
            news[moved.key] = newest.entry(shown), newest.shard, newest.number
    return news


def _ahead(positions: Positions, place: Place) -> Positions:
    """The further of both, shard by shard: an operation that was caught up lately may be ahead of what was pushed."""
    if all(positions.numbers.get(shard, 0) >= number for shard, number in place.numbers.items()):
        return positions
    ahead = Positions(positions.generation, positions.numbers)
    for shard, number in place.numbers.items():
        ahead.advance(shard, number)
    return ahead
