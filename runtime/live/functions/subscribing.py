"""A subscription behind a gateway that holds the socket for us: nothing of it stays in memory, so each of its steps is a write that counts only once.

    preparing ─▶ live, gate "catchup" ─▶ index ─▶ is the connection still there? ─▶ picture ─▶ gate "live"
                    ▲      └─ whoever pushes meanwhile marks it dirty ─▶ the log, once more ─┘
                    └──────────────── lagging: the client did not read; a generation was swapped

The operation's row says which topics it is under before the index does, so whoever ends it, complete or a dropped socket, knows what to take
away; and the one who is still writing the index looks at the connection again afterwards. So nothing is left behind, whoever comes first.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from msgspec.structs import replace

from runtime.domain.app import App
from runtime.errors import Rejected, Stopped, Unavailable
from runtime.flow.reading import Reading
from runtime.live.answers.documents import Prepared
from runtime.live.answers.engine import Engine
from runtime.live.callers.identity import Session, Verifier, number
from runtime.live.errors import refusal, told
from runtime.live.follow.catchup import CatchingUp, Caught, updates_of
from runtime.live.follow.positions import Place, Positions, decode
from runtime.live.follow.topics import column_of
from runtime.live.functions.companies import Companies, Company
from runtime.live.functions.stored import Cohort, cohort_bytes
from runtime.live.limits import Limits
from runtime.live.plans import Plan, Update
from runtime.live.wire import frames
from runtime.live.wire.messages import Violation
from runtime.live.wire.protocol import EXPIRED, REVOKED, SLOW, Phase
from runtime.live.wire.protocol import Operation as State
from runtime.ports import ReadStore
from runtime.ports.sockets import Connections, Follower, Gone, Operation, Sockets
from runtime.steps import Steps, run

LOG = logging.getLogger("trimaran.gateway")
CATCHUP, LIVE = "catchup", "live"
NEVER = 1e12  # a `due` that does not come
LEASE_S = 30.0  # for one function's work on one operation; then another takes over
AGAIN_S = 1.0
COHORT_S = 7 * 86_400.0  # kept in the table after the last subscribe
SEND_TRIES = 5
SEND_WAIT_S = 0.05
QUIET_S = 20.0
LAG_S = 60.0  # a client may not read for so long
GRACE_S = 5.0  # for a client to hang up by itself once it was told why
PASSES = 20  # of the log, for one catch-up, before others have their turn


class Io(Protocol):
    """How a blocking call is made: at once where a process serves one event at a time, on a thread where it serves many."""

    def __call__[**P, T](self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]: ...


async def inline[**P, T](call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """At once."""
    return call(*args, **kwargs)


class Subscribing:
    """Operations as rows: begun, caught up, told, ended."""

    def __init__(
        self,
        app: App,
        engine: Engine,
        rows: ReadStore,
        connections: Connections,
        sockets: Sockets,
        *,
        verifier: Verifier,
        limits: Limits,
        io: Io = inline,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.app, self.engine, self.connections, self.sockets = app, engine, connections, sockets
        self.limits, self.io, self.now, self.rows, self._verifier = limits, io, now, rows, verifier
        self.catching_up, self.reading = CatchingUp(app, rows, limits), Reading(app, rows)
        self._groups = {table.part: group for group in app.groups.values() for table in group.tables}
        self._begun: set[tuple[str, int]] = set()
        self.companies = Companies(app, engine)

    async def company(self, cohort: str) -> Company | None:
        """A cohort by its name; None for one that cannot be told anything any more."""
        known = self.companies.known(cohort)
        if known is not None:
            return known
        data = await self.io(self.connections.cohort, cohort)
        return None if data is None else self.companies.read(data)

    # a subscription begins
    async def follow(self, row: Operation, prepared: Prepared, plan: Plan, session: Session) -> None:
        """From a plan to a live operation, or to an ended one. Raises what catching up raises."""
        company = self.companies.made(Cohort(prepared.request, plan))
        started = replace(
            row,
            state=State.LIVE,
            cohort=plan.cohort,
            topics=company.topics,
            gate=CATCHUP,
            position=plan.after,
            due=self.now() + LEASE_S,
            expires_at=session.expires_at or 0.0,
            subject=session.identity.subject,
            token_id=session.token_id,
            key=session.key,
            issued_at=number(session.identity.claims.get("iat")) or 0.0,
        )
        await self.io(self._begin, plan, company)
        stored = await self.io(self.connections.put_operation, started)
        if stored is None:
            return  # completed, or the socket is gone
        await self.io(self.connections.follow, followers_of(stored))
        connection = await self.io(self.connections.connection, row.connection)
        if connection is None or connection.phase == Phase.CLOSED:
            await self.release(stored)
            return
        try:
            await self.catch_up(stored, company)
        finally:
            await asyncio.shield(self._tidy(stored))

    async def _tidy(self, row: Operation) -> None:
        """Whoever ended the operation may have done so before the index knew of it."""
        if await self.current(row) is None:
            await self.io(self.connections.unfollow, followers_of(row))

    def _begin(self, plan: Plan, company: Company) -> None:
        """What has to be there before anybody can be found in the index. Blocks."""
        columns = sorted({column for column in map(column_of, company.topics) if column})
        if columns:
            self.connections.note(plan.part, columns)
        self.connections.keep_cohort(plan.cohort, cohort_bytes(Cohort(company.prepared.request, company.plan)), self.now() + COHORT_S)
        group = self._groups[plan.part]
        generation = run(self.reading.generation(group)).number
        if (group.name, generation) not in self._begun:
            history = self.rows.history(group.name, generation)
            self._pushing_from(group.name, Place(generation, {shard: last for shard, (_, last) in history.items()}))

    def _pushing_from(self, group: str, place: Place) -> None:
        """Changes of this generation are pushed from here on, at the latest."""
        if (group, place.generation) not in self._begun:
            self.connections.begin(group, place.generation, place.numbers)
            self._begun.add((group, place.generation))

    # it is brought to now
    async def catch_up(self, row: Operation, company: Company) -> None:
        """Tell what an operation does not know yet until nothing is held back, then open its gate.

        Called by whoever has the row's lease (`due`). When it cannot go on now, the next sweep does, from what was told last.
        """
        place: Place | None = None
        try:
            for _ in range(PASSES):
                caught = await self.io(run, self._core(row, company.plan, place))
                if (place is None or caught.snapshot or caught.entries) and not await self._tell_caught(row, company, caught):
                    return
                place = Place(caught.generation, caught.numbers)
                await self.io(self._pushing_from, company.plan.group, place)
                if await self._open_gate(row, company, place):
                    return
            await self.postpone(row, company, place)
        except Unavailable as error:
            LOG.info("operation is caught up later: %s", error)
            await self.postpone(row, company, place)
        except asyncio.CancelledError:
            await asyncio.shield(self.postpone(row, company, place))
            raise

    def _core(self, row: Operation, plan: Plan, place: Place | None) -> Steps[Caught]:
        if place is None:
            return (yield from self.catching_up.start(replace(plan, after=row.position)))
        resumed = yield from self.catching_up.resume(plan, place)
        return resumed if resumed is not None else (yield from self.catching_up.snapshot(plan))

    async def _tell_caught(self, row: Operation, company: Company, caught: Caught) -> bool:
        """Whether the operation is still there to be told."""
        for update in updates_of(caught, company.plan, company.cursors, self.limits):
            if await self.current(row) is None:
                return False
            if not await self.tell(row, company, update):
                return False
        return True

    async def _open_gate(self, row: Operation, company: Company, place: Place) -> bool:
        """Whether nothing is held back beyond this place, or nobody is there any more."""
        while True:
            current = await self.current(row)
            if current is None:
                return True
            if not _reached(place, current.dirty):
                return False
            cursor = company.cursors.write(Positions(place.generation, place.numbers))
            opened = replace(current, gate=LIVE, position=cursor, dirty="", due=NEVER, lagging_since=0.0)
            if await self.io(self.connections.put_operation, opened) is not None:
                return True

    async def postpone(self, row: Operation, company: Company, place: Place | None) -> None:
        """Let the next sweep go on."""
        current = await self.current(row)
        while current is not None:
            position = current.position if place is None else company.cursors.write(Positions(place.generation, place.numbers))
            late = replace(current, position=position, due=self.now() + AGAIN_S, lagging_since=current.lagging_since or self.now())
            if await self.io(self.connections.put_operation, late) is not None:
                return
            current = await self.current(row)

    async def take_over(self, row: Operation) -> bool:
        """Go on with an operation whose lease has run out; whether it was ours to take."""
        if row.lagging_since and self.now() - row.lagging_since > LAG_S:
            await self.hang_up(row.connection, SLOW)
            return True
        taken = await self.io(self.connections.put_operation, replace(row, due=self.now() + LEASE_S))
        if taken is None:
            return False
        company = await self.company(row.cohort)
        if company is None:
            await self.fail(taken, [refusal("this subscription is not known any more: subscribe again", "UNAVAILABLE")])
            return True
        try:
            await self.catch_up(taken, company)
        except (Rejected, Stopped) as error:
            await self.fail(taken, [told(error, "")])
        return True

    # telling
    async def tell(self, row: Operation, company: Company, update: Update) -> bool:
        """Send an update, in pieces if one message cannot hold it; False when it cannot be told and the operation is over."""
        text = frames.next_frame(row.id, self.engine.render(company.prepared, update))
        if fits(text, self.limits):
            await self.send(row.connection, text)
            return True
        middle = len(update.entries) // 2
        if not middle:
            await self.fail(row, [too_big(len(text), self.limits)])
            return False
        first, second = update.entries[:middle], update.entries[middle:]
        if not await self.tell(row, company, replace(update, entries=first, cursor="", complete=False)):
            return False
        return await self.tell(row, company, replace(update, entries=second, reset=False))

    async def send(self, connection: str, text: str) -> None:
        """One frame; a service that is busy is asked again, a little later. Raises `Gone`, `Busy`, `Unavailable`."""
        for tries in range(1, SEND_TRIES + 1):
            try:
                await self.io(self.sockets.send, connection, text)
            except Unavailable:
                if tries == SEND_TRIES:
                    raise
                await asyncio.sleep(SEND_WAIT_S * 2.0**tries)
            else:
                return

    async def fail(self, row: Operation, errors: list[dict[str, Any]]) -> None:
        """An `error`, if it is still there to be told, and its end."""
        if await self.release(row):
            await self.send(row.connection, frames.error(row.id, errors))

    # ending
    def ended(self, session: Session) -> Violation | None:
        """Why a connection with this session may not go on, if so."""
        if session.expires_at is not None and self.now() >= session.expires_at:
            return EXPIRED
        return REVOKED if session.key and self._verifier.revoked(session) else None

    async def quietly(self, doing: Coroutine[Any, Any, Any]) -> None:
        """Do it in time; what fails is found by the next sweep."""
        try:
            async with asyncio.timeout(QUIET_S):
                await doing
        except Gone:
            return
        except Exception:
            LOG.exception("something was left half done; the next sweep goes on with it")

    async def current(self, row: Operation) -> Operation | None:
        """The row as it is now; None when this instance of the operation is over."""
        found = await self.io(self.connections.operation, row.connection, row.id)
        return found if found is not None and found.instance == row.instance else None

    async def release(self, row: Operation) -> bool:
        """The operation and its index rows go; whether we were the ones who ended it."""
        current: Operation | None = row
        while current is not None:
            await self.io(self.connections.unfollow, followers_of(current))
            if await self.io(self.connections.drop_operation, current):
                return True
            current = await self.current(row)
        return False

    async def leave(self, connection: str) -> None:
        """The socket is gone: so is all that is known of it. The connection first, so that whoever is still subscribing sees it."""
        await self.io(self.connections.drop_connection, connection)
        await self.release_all(connection)

    async def release_all(self, connection: str) -> None:
        """Every operation of a connection ends."""
        for row in await self.io(self.connections.operations, connection):
            await self.release(row)

    async def hang_up(self, connection: str, why: Violation) -> bool:
        """Tell a client why its connection ends, in a frame, since services cannot say it in a close; whether it was us who ended it.

        The socket stays open a little: a client that is closed with 1000 before it has read why comes back at once, for ever.
        """
        while True:
            row = await self.io(self.connections.connection, connection)
            if row is None or row.phase == Phase.CLOSED:
                return False
            closed = replace(row, phase=Phase.CLOSED, due=self.now() + GRACE_S, session=b"", resume=b"")
            if await self.io(self.connections.put_connection, closed) is not None:
                break
        await self.release_all(connection)
        try:
            await self.send(connection, frames.closing(why))
        except Gone:
            await self.leave(connection)
        return True


def followers_of(row: Operation) -> list[Follower]:
    """The index rows of an operation."""
    return [Follower(topic, row.connection, row.id, row.instance, row.cohort) for topic in row.topics]


def fits(text: str, limits: Limits) -> bool:
    """Whether a service takes this frame."""
    return len(text) * 4 <= limits.answer_bytes or len(text.encode()) <= limits.answer_bytes


def too_big(size: int, limits: Limits) -> dict[str, Any]:
    """What is told instead of an answer that does not fit."""
    return refusal(
        f"the answer is {size:,} bytes, one message holds {limits.answer_bytes:,}: ask for fewer rows (`first`, then `after`) or fields",
        "LIMIT_EXCEEDED",
    )


def instance() -> str:
    """A name that no other operation has."""
    return secrets.token_hex(8)


def _reached(place: Place, dirty: str) -> bool:
    if not dirty:
        return True
    held = decode(dirty)
    return held.generation < place.generation or (
        held.generation == place.generation and all(place.numbers.get(shard, 0) >= number for shard, number in held.numbers.items())
    )
