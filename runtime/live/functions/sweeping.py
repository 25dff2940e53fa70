"""What time does to connections that nobody holds in memory: no init came, a token ran out, a function died with its work half done.

Whatever is stored has a time at which it is to be looked at (`due`); a timer asks for what has come due, once a second or so. The row is
read again before anything is done, since the list of due rows is a hint.
"""

import asyncio

from msgspec.structs import replace

from runtime.live.errors import refusal
from runtime.live.functions.stored import pass_of, session_of
from runtime.live.functions.subscribing import CATCHUP, NEVER, Subscribing
from runtime.live.wire import frames
from runtime.live.wire.messages import Violation
from runtime.live.wire.protocol import Happening, Phase, step
from runtime.live.wire.protocol import Operation as State
from runtime.ports.sockets import Connection, Gone, Operation

SILENCE_S = 480.0  # API Gateway closes what is silent for 600
SWEPT_AT_ONCE = 200
SIDE_BY_SIDE = 16


class Sweeping:
    """`sweep` looks at what has come due. Any number of processes may do it at the same time."""

    def __init__(self, subscribing: Subscribing, *, silence_s: float = SILENCE_S) -> None:
        self._subscribing, self._silence_s = subscribing, silence_s
        self._connections, self._sockets = subscribing.connections, subscribing.sockets
        self._io, self._now = subscribing.io, subscribing.now

    async def sweep(self) -> int:
        """Look at what has come due: no init in time, an expired token, work that was left half done. Returns how much there was."""
        due = await self._io(self._connections.due, self._now(), SWEPT_AT_ONCE)
        side_by_side = asyncio.Semaphore(SIDE_BY_SIDE)

        async def swept(row: Connection | Operation) -> None:
            async with side_by_side:
                await self._subscribing.quietly(self._swept(row) if isinstance(row, Connection) else self._swept_operation(row))

        await asyncio.gather(*(swept(row) for row in due))
        return len(due)

    async def _swept(self, hint: Connection) -> None:
        row = await self._io(self._connections.connection, hint.id)
        if row is None or row.due > self._now():
            return
        match Phase(row.phase):
            case Phase.CLOSED:
                await self._io(self._sockets.close, row.id)
                await self._subscribing.leave(row.id)
            case Phase.NEW:
                await self._hang_up(row, Happening.LATE)
            case Phase.INITIALISING:
                await self._hang_up(row, Happening.FAILED)
            case Phase.READY:
                await self._look_after(row)

    async def _hang_up(self, row: Connection, happening: Happening) -> None:
        act = step(Phase(row.phase), happening).act
        if isinstance(act, Violation):
            await self._subscribing.hang_up(row.id, act)

    async def _look_after(self, row: Connection) -> None:
        """Is the token still good, is anybody there? A socket that is gone says so when it is sent to."""
        session = session_of(row.session)
        if (why := self._subscribing.ended(session)) is not None:
            await self._subscribing.hang_up(row.id, why)
            return
        due = min(session.expires_at or NEVER, self._now() + self._silence_s)
        if await self._io(self._connections.put_connection, replace(row, due=due)) is None:
            return
        try:
            await self._io(self._sockets.send, row.id, frames.PING)
        except Gone:
            await self._subscribing.leave(row.id)

    async def _swept_operation(self, hint: Operation) -> None:
        row = await self._subscribing.current(hint)
        if row is None or row.due > self._now():
            return
        if await self._io(self._connections.connection, row.connection) is None:
            await self._subscribing.release(row)
            return
        match State(row.state):
            case State.TOMBSTONE:
                await self._io(self._connections.drop_operation, row)
            case State.PREPARING:
                await self._subscribing.fail(row, [refusal("no answer in time; it may have taken effect", "UNAVAILABLE", inDoubt=True)])
            case State.LIVE if row.gate == CATCHUP:
                await self._resumed(row)
            case State.LIVE | State.ABSENT:
                pass

    async def _resumed(self, row: Operation) -> None:
        if (why := self._subscribing.ended(pass_of(row))) is not None:
            await self._subscribing.hang_up(row.connection, why)
            return
        try:
            await self._subscribing.take_over(row)
        except Gone:
            await self._subscribing.leave(row.connection)
