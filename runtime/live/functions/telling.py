"""One round of changes told to everybody who follows them: topics, index, cohorts, sends.

A change costs work for those it can concern. A cohort is matched and rendered once; then only an operation's id and, while it is ahead
of what was pushed, its cursor differ. Who is being caught up is marked; who does not read is caught up later, and delays nobody.
"""

import asyncio
import logging
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from runtime.errors import LimitExceeded, Unavailable
from runtime.live.errors import told as told_error
from runtime.live.follow.following import Taken
from runtime.live.follow.matching import told
from runtime.live.follow.positions import Place, Positions, decode
from runtime.live.follow.topics import Topic, topics_of_change
from runtime.live.functions.companies import Company
from runtime.live.functions.stored import pass_of
from runtime.live.functions.subscribing import CATCHUP, LIVE, Subscribing, fits
from runtime.live.plans import Entry, Update
from runtime.live.wire import frames
from runtime.live.wire.protocol import Operation as State
from runtime.ports.sockets import Follower, Gone, Operation

LOG = logging.getLogger("trimaran.gateway")
PAGE = 1_000  # followers a read
SIDE_BY_SIDE = 32
PLACES = 10_000  # positions kept decoded
AGAIN_S = 1.0

type News = tuple[Entry, int, int]  # a row's newest state, and the shard and number of the change that left it
type Rendered = dict[tuple[str, tuple[str, ...]], tuple[Update, bytes]]


class Round(Struct, frozen=True):
    """What one round tells, and from where to where it goes."""

    positions: Positions
    before: Place
    group: str


class Telling:
    """Tells one round after the other."""

    def __init__(self, subscribing: Subscribing) -> None:
        self._subscribing = subscribing
        self._connections, self._sockets, self._rows = subscribing.connections, subscribing.sockets, subscribing.rows
        self._io, self._now = subscribing.io, subscribing.now
        self._places: dict[str, Place] = {}
        self._sending = asyncio.Semaphore(SIDE_BY_SIDE)
        self.figures = {"sends": 0, "renders": 0, "held": 0, "lagging": 0, "gone": 0}

    async def tell(self, turn: Round, taken: Sequence[Taken]) -> None:
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
        rendered: Rendered = {}

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
        rendered: Rendered,
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
            if company is None or await self.hold(company, turn.positions.generation, _newest(news), current):
                return
            current = await self._subscribing.current(row)

    async def hold(self, company: Company, generation: int, numbers: Mapping[int, int], row: Operation) -> bool:
        """Mark that there is more to catch up with; False when somebody was first."""
        dirty = Positions(generation)
        if row.dirty:
            held = decode(row.dirty)
            if held.generation > generation:
                return True
            if held.generation == generation:
                dirty = Positions(held.generation, held.numbers)
        for shard, number in numbers.items():
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
        rendered: Rendered,
    ) -> None:
        place = self.place(row.position)
        if company is None or place.generation != turn.positions.generation:
            await self.catch_up_later(row, row.position)
            return
        entries = tuple(entry for entry, shard, number in news.values() if number > place.numbers.get(shard, 0))
        if not entries:
            return
        cursor = company.cursors.write(ahead(turn.positions, place))
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
            await self.catch_up_later(row, company.cursors.write(ahead(before, place)), lagging=True)

    def place(self, position: str) -> Place:
        place = self._places.get(position)
        if place is None:
            if len(self._places) >= PLACES:
                self._places.clear()
            place = self._places[position] = decode(position)
        return place

    async def catch_up_later(self, row: Operation, position: str, *, lagging: bool = False) -> None:
        current: Operation | None = row
        while current is not None and current.gate == LIVE:
            since = (current.lagging_since or self._now()) if lagging else 0.0
            due = self._now() + (AGAIN_S if lagging else 0.0)
            held = replace(current, gate=CATCHUP, position=position, due=due, lagging_since=since)
            if await self._io(self._connections.put_operation, held) is not None:
                return
            current = await self._subscribing.current(row)


async def _all(work: Sequence[Coroutine[Any, Any, None]]) -> None:
    """All of them to their end, then the first fault: what is told again must not meet what is still being told."""
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


def _news(company: Company, taken: Sequence[Taken]) -> dict[str, News]:
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


def _newest(news: dict[str, News]) -> dict[int, int]:
    """Per shard, the last change that is news."""
    numbers: dict[int, int] = {}
    for _, shard, number in news.values():
        numbers[shard] = max(number, numbers.get(shard, 0))
    return numbers


def ahead(positions: Positions, place: Place) -> Positions:
    """The further of both, shard by shard: an operation that was caught up lately may be ahead of what was pushed."""
    if all(positions.numbers.get(shard, 0) >= number for shard, number in place.numbers.items()):
        return positions
    ahead = Positions(positions.generation, positions.numbers)
    for shard, number in place.numbers.items():
        ahead.advance(shard, number)
    return ahead
