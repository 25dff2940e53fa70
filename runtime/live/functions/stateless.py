"""`graphql-transport-ws` as functions behind a gateway that holds the sockets: each message is one call, any number at once, in any order.

The same two tables as on a server, but the states are rows: a step is read, looked up, and written on condition that nobody else made one
meanwhile; whoever loses looks again. Time is the time at which the service got a message. What follows from that:

* a `complete` that comes before its `subscribe` leaves a tombstone, which the `subscribe` finds;
* a second `subscribe` for an id waits a moment before it is a violation: the `complete` between the two may still be on its way;
* a service closes with 1000 only, and clients come back at once on 1000: so they are told why in a frame first, and hang up themselves;
* nothing is ever raised and everything ends in time, since a service tells a client of a function that failed in words that end it for good.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from msgspec.structs import replace

from runtime.domain.api import Identity
from runtime.domain.app import App
from runtime.errors import Misconfigured, Unavailable
from runtime.live.answers.engine import Engine
from runtime.live.callers.identity import Session, Verifier, token_of, verified
from runtime.live.callers.origins import allows
from runtime.live.errors import Refused, Unauthenticated, refusal, told
from runtime.live.functions.stored import Known, known_of, known_text, resume_bytes, resume_of, session_bytes, session_of
from runtime.live.functions.subscribing import NEVER, Io, Subscribing, fits, inline, instance, too_big
from runtime.live.functions.sweeping import SILENCE_S
from runtime.live.limits import Limits
from runtime.live.plans import Plan
from runtime.live.requests import Request
from runtime.live.wire import frames
from runtime.live.wire.messages import Complete, Init, Ping, Subscribe, Violation, parse
from runtime.live.wire.protocol import (
    INTERNAL,
    SUBPROTOCOL,
    SUBPROTOCOL_UNACCEPTABLE,
    Act,
    Do,
    Event,
    Happening,
    Phase,
    duplicate,
    step,
    step_operation,
)
from runtime.live.wire.protocol import Operation as State
from runtime.live.wire.traces import trace_of
from runtime.ports import ReadStore
from runtime.ports.sockets import Connection, Connections, Frame, Gone, Opened, Opening, Operation, Reply, Sockets

LOG = logging.getLogger("trimaran.gateway")
DEADLINE_S = 20.0  # for one message; API Gateway gives 29
REORDER_S = 0.5  # by how much messages of one client may overtake each other
TOMBSTONE_S = 60.0
FIRST_WAIT_S, MOST_WAIT_S = 0.02, 0.2
DEFAULTS = Limits()


class Stateless:
    """Answers a service's events (see the Calls port).

    `answers`: the service can carry one frame in the answer to a message, and keeps state for us. `ordered`: it hands over a client's messages
    one after the other. `detached`: operations go on after their message was answered, where a process outlives its events.
    """

    def __init__(
        self,
        app: App,
        engine: Engine,
        rows: ReadStore,
        connections: Connections,
        sockets: Sockets,
        verifier: Verifier,
        *,
        limits: Limits = DEFAULTS,
        origins: tuple[str, ...] | None = None,
        io: Io = inline,
        answers: bool = False,
        ordered: bool = False,
        detached: bool = False,
        deadline_s: float = DEADLINE_S,
        reorder_s: float = REORDER_S,
        silence_s: float = SILENCE_S,
        now: Callable[[], float] = time.time,
    ) -> None:
        if engine.generators:
            named = ", ".join(engine.generators)
            raise Misconfigured(
                f"subscription {named}: a function that comes and goes cannot run a generator; serve this app with the server gateway, "
                "or subscribe to rows of a projection"
            )
        self.subscribing = Subscribing(app, engine, rows, connections, sockets, verifier=verifier, limits=limits, io=io, now=now)
        self._engine, self._connections, self._sockets, self._verifier = engine, connections, sockets, verifier
        self._limits, self._origins, self._io, self._now = limits, origins, io, now
        self._answers, self._ordered, self._detached = answers, ordered, detached
        self._deadline_s, self._reorder_s, self._silence_s = deadline_s, reorder_s, silence_s
        self._running: set[asyncio.Task[Reply]] = set()

    # the service's events
    async def connect(self, opening: Opening) -> Opened:
        """Before the socket is open: nothing can be sent yet, but the handshake can be refused."""
        headers = {"origin": opening.origin, "host": opening.host} if opening.origin else {}
        if not allows(self._origins, headers):
            return Opened(403, reason="Origin not allowed")
        if SUBPROTOCOL not in opening.subprotocols:
            return Opened(400, reason=SUBPROTOCOL_UNACCEPTABLE.reason)
        now = self._now()
        try:
            row = Connection(opening.connection, Phase.NEW, now, now + self._limits.init_timeout_s)
            await self._io(self._connections.put_connection, row)
        except Unavailable as error:
            LOG.warning("a connection was refused: %s", error)
            return Opened(503, reason="try again in a moment")
        except Exception:
            LOG.exception("a connection was refused")
            return Opened(500, reason="Internal server error")
        return Opened(200, SUBPROTOCOL)

    async def message(self, frame: Frame) -> Reply:
        """A client said something."""
        return await self._guarded(frame.connection, self._message(frame))

    async def disconnect(self, connection: str, at: float) -> None:
        """The socket is closed."""
        await self.subscribing.quietly(self.subscribing.leave(connection))

    async def idle(self) -> None:
        """No detached operation is under way any more."""
        while self._running:
            await asyncio.wait(self._running)  # gather gives done ones back at once, before they leave the set: it would never let go

    async def _guarded(self, connection: str, doing: Coroutine[Any, Any, Reply]) -> Reply:
        """In time, and whatever happens."""
        try:
            async with asyncio.timeout(self._deadline_s):
                return await doing
        except Gone:
            await self.subscribing.quietly(self.subscribing.leave(connection))
        except Exception:
            LOG.exception("a message failed")
            await self.subscribing.quietly(self.subscribing.hang_up(connection, INTERNAL))
        return Reply()

    async def _detach(self, connection: str, doing: Coroutine[Any, Any, Reply]) -> Reply:
        """Do it now, or beside the answer to the service, which would let the client's next message wait for it."""
        if not self._detached:
            return await doing
        task = asyncio.get_running_loop().create_task(self._guarded(connection, self._alone(connection, doing)))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return Reply()

    async def _alone(self, connection: str, doing: Coroutine[Any, Any, Reply]) -> Reply:
        reply = await doing
        if reply.frame:
            await self.subscribing.send(connection, reply.frame)
        return reply

    # a message
    async def _message(self, frame: Frame) -> Reply:
        message = parse(frame.data, self._limits)
        while True:
            row = await self._row(frame)
            if row is None:  # swept, or never opened by us: come back
                await self._io(self._sockets.close, frame.connection)
                return Reply()
            kept = self._kept(frame, row)
            if row.phase == Phase.READY and (why := self.subscribing.ended(session_of(row.session))):
                return await self._violate(row.id, why)
            done = step(Phase(row.phase), message)
            match done.act:
                case Violation() as why:
                    return await self._violate(row.id, why)
                case Do.VERIFY:
                    assert isinstance(message, Init)
                    begun = await self._phase(row, Phase.INITIALISING, due=self._now() + self._deadline_s)
                    if begun is not None:
                        return await self._detach(row.id, self._verify(begun, message.payload))
                    frame = replace(frame, state="")  # somebody was first: look again
                case Do.PONG:
                    assert isinstance(message, Ping)
                    return await self._reply(row.id, frames.pong(message.payload), kept)
                case Do.OPERATE:
                    assert isinstance(message, Subscribe | Complete)
                    return await self._operate(row, message, frame.at, kept)
                case _:
                    return Reply(state=kept)

    async def _row(self, frame: Frame) -> Connection | None:
        """The connection, as the service knows it if it does: who is ready needs no look into the table."""
        if frame.state:
            known = known_of(frame.state)
            return Connection(frame.connection, known.phase, 0.0, 0.0, known.session, known.resume)
        return await self._io(self._connections.connection, frame.connection)

    def _kept(self, frame: Frame, row: Connection) -> str:
        """State for the service to keep, if it keeps any and does not have it yet."""
        if not self._answers or frame.state or row.phase != Phase.READY:
            return ""
        return known_text(Known(row.phase, row.session, row.resume))

    async def _phase(self, row: Connection, phase: Phase, **fields: Any) -> Connection | None:
        return await self._io(self._connections.put_connection, replace(row, phase=phase, **fields))

    async def _reply(self, connection: str, text: str, state: str = "") -> Reply:
        """One frame back, in the answer where the service carries it."""
        if self._answers:
            return Reply(text, state)
        await self.subscribing.send(connection, text)
        return Reply("", state)

    async def _violate(self, connection: str, why: Violation) -> Reply:
        """The connection is over; the client is told why in a frame and hangs up."""
        await self.subscribing.hang_up(connection, why)
        return Reply(state=known_text(Known(Phase.CLOSED)))

    # who it is
    async def _verify(self, row: Connection, payload: dict[str, Any] | None) -> Reply:
        try:
            token = token_of(payload)
            session = Session(Identity()) if token is None else await verified(self._verifier, token)
        except Unauthenticated as error:
            LOG.info("connection refused: %s", error)
            act = step(Phase.INITIALISING, Happening.REFUSED).act
            assert isinstance(act, Violation)
            return await self._violate(row.id, act)
        done = step(Phase.INITIALISING, Happening.ACCEPTED)
        known = Known(done.phase, session_bytes(session), resume_bytes(payload, self._limits.operations_per_connection))
        due = min(session.expires_at or NEVER, self._now() + self._silence_s)
        ready = await self._phase(row, done.phase, session=known.session, resume=known.resume, due=due)
        if ready is None:  # somebody closed it meanwhile
            return Reply()
        return await self._reply(row.id, frames.ack(), known_text(known))

    # operations
    async def _operate(self, row: Connection, message: Subscribe | Complete, at: float, kept: str) -> Reply:
        if isinstance(message, Complete):
            await self._complete(row.id, message.id, at)
            return Reply(state=kept)
        claimed = await self._claim(row, message.id, at)
        if isinstance(claimed, Violation):
            return await self._violate(row.id, claimed)
        if claimed is not None:
            await self._detach(row.id, self._carry_out(row, claimed, message.request))
        return Reply(state=kept)

    async def _claim(self, row: Connection, id: str, at: float) -> Operation | Violation | None:
        """The id becomes ours, or was completed before we came (None), or is taken."""
        until, wait = time.monotonic() + self._reorder_s, FIRST_WAIT_S
        while True:
            found = await self._io(self._connections.operation, row.id, id)
            state = State(found.state) if found is not None else State.ABSENT
            overtaken = state is State.TOMBSTONE and found is not None and found.at >= at
            turn = step_operation(state, Event.OVERTAKEN if overtaken else Event.SUBSCRIBE)
            if turn.act is Act.DUPLICATE:
                if self._ordered or time.monotonic() >= until:
                    return duplicate(id)
                await asyncio.sleep(wait)
                wait = min(MOST_WAIT_S, wait * 2)
                continue
            if overtaken:
                assert found is not None
                if await self._io(self._connections.drop_operation, found):
                    return None
                continue
            due = self._now() + self._deadline_s + TOMBSTONE_S
            claim = Operation(row.id, id, turn.state, at, due, instance(), stamp=found.stamp if found is not None else "")
            stored = await self._io(self._connections.put_operation, claim)
            if stored is not None:
                return stored

    async def _complete(self, connection: str, id: str, at: float) -> None:
        while True:
            found = await self._io(self._connections.operation, connection, id)
            state = State(found.state) if found is not None else State.ABSENT
            if found is not None and (found.at > at or (state is State.TOMBSTONE and found.at == at)):
                return  # it was meant for an earlier operation of this id
            turn = step_operation(state, Event.COMPLETE if self._ordered else Event.STRAY)
            if turn.act is Act.CANCEL:
                assert found is not None
                await self.subscribing.release(found)
                return
            if turn.state is State.ABSENT or (found is None and await self._crowded(connection, 2)):
                return
            tombstone = Operation(connection, id, turn.state, at, self._now() + TOMBSTONE_S, stamp=found.stamp if found is not None else "")
            if await self._io(self._connections.put_operation, tombstone) is not None:
                return

    async def _crowded(self, connection: str, times: int = 1) -> bool:
        """Whether a connection holds more than it may."""
        held = await self._io(self._connections.operations, connection)
        return len(held) > self._limits.operations_per_connection * times

    async def _carry_out(self, row: Connection, operation: Operation, request: Request) -> Reply:
        """Raises what sending raises; everything else becomes an `error`."""
        trace = trace_of((request.extensions or {}).get("traceparent"))
        try:
            if await self._crowded(row.id):
                limit = self._limits.operations_per_connection
                text = f"more than {limit} operations on this connection: complete some of them first"
                raise Refused([refusal(text, "LIMIT_EXCEEDED")])
            async with asyncio.timeout(self._deadline_s * 0.8):
                await self._run(row, operation, request, trace)
        except Gone:
            raise
        except Refused as refused:
            await self.subscribing.fail(operation, refused.errors)
        except TimeoutError:
            await self._late(operation)
        except Exception as error:  # noqa: BLE001  the client is told that it failed, the logs are told why
            await self.subscribing.fail(operation, [told(error, trace)])
        return Reply()

    async def _late(self, operation: Operation) -> None:
        """A live subscription goes on with the next sweep; anything else failed."""
        current = await self.subscribing.current(operation)
        if current is not None and current.state == State.PREPARING:
            text = f"no answer within {self._deadline_s * 0.8:.0f} s; it may have taken effect"
            await self.subscribing.fail(current, [refusal(text, "UNAVAILABLE", inDoubt=True)])

    async def _run(self, row: Connection, operation: Operation, request: Request, trace: str) -> None:
        session = session_of(row.session)
        prepared = self._engine.prepare(request)
        if prepared.kind != "subscription":
            response = await self._engine.execute(prepared, session.identity, trace)
            await self._result(operation, frames.next_frame(operation.id, frames.as_json(response)))
            return
        plan = await self._engine.subscribe(prepared, session.identity, trace)
        if not isinstance(plan, Plan):
            raise Misconfigured("a generator subscription on a stateless gateway")
        if not plan.after:
            plan = replace(plan, after=resume_of(row.resume, operation.id))
        await self.subscribing.follow(operation, prepared, plan, session)

    async def _result(self, operation: Operation, text: str) -> None:
        """`next` and `complete`, unless the client has completed it: whoever makes the row go has the last word."""
        if not fits(text, self._limits):
            await self.subscribing.fail(operation, [too_big(len(text), self._limits)])
            return
        if await self.subscribing.release(operation):
            await self.subscribing.send(operation.connection, text)
            await self.subscribing.send(operation.connection, frames.complete(operation.id))
