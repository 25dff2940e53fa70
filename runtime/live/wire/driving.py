"""One client's WebSocket on a server: what the connection decides becomes frames, tasks and timers.

An operation never runs in the loop that reads (a ping would wait behind a slow query): it is a task, or, for a plan, an outlet of the hub.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from runtime.domain.api import Identity
from runtime.errors import LimitExceeded
from runtime.live.callers.identity import Session, Verifier, token_of, verified
from runtime.live.errors import Refused, Unauthenticated, told
from runtime.live.limits import Limits
from runtime.live.plans import Plan
from runtime.live.requests import CALLER_TOKEN, Request
from runtime.live.wire import frames
from runtime.live.wire.connection import Begin, Close, Connection, Effect, Release, Running, Send, Verify
from runtime.live.wire.outbox import Outbox, Sending
from runtime.live.wire.protocol import CROWDED, SUBPROTOCOL, Event, Happening, Operation, Phase
from runtime.live.wire.resuming import cursors_of
from runtime.live.wire.traces import trace_of

if TYPE_CHECKING:  # met by their methods only
    from runtime.live.answers.engine import Engine
    from runtime.live.callers.quotas import Lease, Quotas
    from runtime.live.follow.hub import Hub, Subscription

LOG = logging.getLogger("trimaran.gateway")
CLOSE_S = 5.0  # for a close frame to leave
TURN_MESSAGES = 32  # read at once from one client, before others have their turn
PACE_S = 0.05


class Shared(Struct, frozen=True):
    """What all connections of a gateway work with."""

    engine: "Engine"
    hub: "Hub"
    verifier: Verifier
    limits: Limits
    quotas: "Quotas"


class Held:
    """What an operation holds until it is over. For the hub it is the operation's outlet."""

    __slots__ = ("driving", "lease", "once", "running", "subscription", "task")

    def __init__(self, driving: "Driving", running: Running) -> None:
        self.driving, self.running = driving, running
        self.once = True  # one answer, and it is over; until it was read nobody knows better
        self.task: asyncio.Task[None] | None = None
        self.subscription: Subscription | None = None
        self.lease: Lease | None = None

    def ready(self) -> bool:
        """Whether the socket takes frames."""
        return self.driving.outbox.ready()

    def push(self, payload: bytes) -> None:
        """A `next` of this operation; the only code that runs for every subscriber of a change."""
        running = self.running
        if running.state is Operation.LIVE:
            self.driving.outbox.put(f"{running.head}{payload.decode()}}}")

    def fail(self, errors: list[dict[str, Any]]) -> None:
        """The operation ends with errors."""
        self.driving.soon(partial(self.driving.tell, self.running, Event.FAILED, errors))

    def overflow(self) -> None:
        """The client is too slow for what it asked for."""
        self.driving.soon(partial(self.driving.happen, Happening.SLOW))

    def free(self) -> None:
        """Give back what is held; the task that is just ending itself goes on."""
        if self.subscription is not None:
            self.subscription.cancel()
        if self.task is not None and self.task is not asyncio.current_task():
            # Two turns later: what the resolvers have just begun must have started, or Python complains about it when it is thrown away.
            self.driving.soon(partial(self.driving.soon, self.task.cancel))
        if self.lease is not None:
            self.lease.close()


class Driving:
    """`run` is one WebSocket from its handshake to its end."""

    def __init__(self, shared: Shared, address: str, receive: Callable[[], Any], send: Sending) -> None:
        """Takes a place for a client at this address; raises `LimitExceeded`."""
        self.shared, self._receive, self._send = shared, receive, send
        self._seat = shared.quotas.connect(address, self._make_room)
        self.connection = Connection(shared.limits)
        self.outbox = Outbox(
            send,
            shared.limits.outbox_bytes,
            drained=self._drained,
            overflowed=partial(self.happen, Happening.SLOW),
            lost=partial(self.happen, Happening.GONE),
        )
        self.session = Session(Identity())
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        self._pinged = False
        self._token = ""
        self._resume: dict[str, str] = {}
        self._held: dict[Running, Held] = {}
        self._preparing = asyncio.Lock()  # documents of one client are parsed one per turn of the loop
        self._verifying: asyncio.Task[None] | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._reading = asyncio.current_task()
        self._given_up = False

    # reading
    async def run(self) -> None:
        """Until the socket is gone or closed."""
        try:
            await self._send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
            self._timers.append(self._loop.call_later(self.shared.limits.init_timeout_s, self.happen, Happening.LATE))
            await self._read()
        except asyncio.CancelledError:
            if not self._given_up:
                raise
        finally:
            self.happen(Happening.GONE)
            for timer in self._timers:
                timer.cancel()
            if self._verifying is not None:
                self._verifying.cancel()
            self.outbox.abandon()
            self._seat.close()

    async def _read(self) -> None:
        heard = 0
        while (event := await self._receive())["type"] == "websocket.receive":
            await self._pace()
            if self.connection.phase is Phase.CLOSED:
                continue  # the close frame is under way; the server says when it is over
            self._heard_at, self._pinged = self._loop.time(), False
            text = event.get("text")
            self.perform(self.connection.hear(event.get("bytes") or b"" if text is None else text))
            heard += 1
            if heard % TURN_MESSAGES == 0:
                await asyncio.sleep(0)

    async def _pace(self) -> None:
        """Read no faster than a client may send: it is slowed down, not punished."""
        while self.connection.phase is not Phase.CLOSED:
            try:
                self._seat.message()
            except LimitExceeded:
                await asyncio.sleep(PACE_S)
            else:
                return

    # what happens, and what is done about it
    def soon(self, call: Callable[[], object]) -> None:
        """After whoever is calling is done."""
        self._loop.call_soon(call)

    def happen(self, happening: Happening) -> None:
        """Something of ours happened."""
        self.perform(self.connection.happen(happening))

    def tell(self, running: Running, event: Event, payload: Any = None) -> None:
        """An operation got on."""
        self.perform(self.connection.tell(running, event, payload))

    def perform(self, effects: Sequence[Effect]) -> None:
        """Do what the connection decided."""
        for effect in effects:
            match effect:
                case Send(text):
                    self.outbox.put(text)
                case Release(running):
                    self._held.pop(running).free()
                case Begin(running, request):
                    self._begin(running, request)
                case Verify(payload):
                    self._verifying = self._loop.create_task(self._verify(payload))
                case Close(why):
                    self.outbox.close(why)
                    self._timers.append(self._loop.call_later(CLOSE_S, self._give_up))

    def _give_up(self) -> None:
        """The client neither reads nor hangs up."""
        self._given_up = True
        if self._reading is not None:
            self._reading.cancel()

    def _make_room(self) -> None:
        """Somebody newer needs the place, which is not counted any more: go, even if the token is being looked at."""
        self.happen(Happening.LATE)
        self.perform(self.connection.take(CROWDED))

    def _drained(self) -> None:
        for held in list(self._held.values()):
            if held.subscription is not None:
                held.subscription.drained()

    def answering(self) -> bool:
        """Whether the client waits for a single answer."""
        return self.connection.phase is Phase.READY and any(held.once for held in self._held.values())

    def look(self, now: float) -> None:
        """Once in a while: is the token still good, is anybody there?"""
        if self.connection.phase is not Phase.READY:
            return
        silent_s = now - self._heard_at
        if self.session.key and self.shared.verifier.revoked(self.session):
            self.happen(Happening.REVOKED)
        elif self.session.expires_at is not None and time.time() >= self.session.expires_at:
            self.happen(Happening.EXPIRED)  # in case that the wall clock moved
        elif self._pinged and self.connection.answers and silent_s > 2 * self.shared.limits.keep_alive_s:
            self.happen(Happening.SILENT)
        elif not self._pinged and silent_s > self.shared.limits.keep_alive_s:
            self._pinged = True
            self.outbox.put(frames.PING)

    # who it is
    async def _verify(self, payload: dict[str, Any] | None) -> None:
        try:
            token = token_of(payload)
            session = Session(Identity()) if token is None else await verified(self.shared.verifier, token)
            self._seat.acknowledged(session.identity)
        except Unauthenticated as error:
            LOG.info("connection refused: %s", error)
            self.happen(Happening.REFUSED)
        except LimitExceeded:
            self.perform(self.connection.take(CROWDED))
        except Exception:
            LOG.exception("a token could not be verified")
            self.happen(Happening.FAILED)
        else:
            self.session, self._token = session, token or ""
            self._resume = cursors_of(payload, self.shared.limits.operations_per_connection)
            if session.expires_at is not None:
                left_s = max(0.0, session.expires_at - time.time())
                self._timers.append(self._loop.call_later(left_s, self.happen, Happening.EXPIRED))
            self.happen(Happening.ACCEPTED)

    # operations
    def _begin(self, running: Running, request: Request) -> None:
        held = self._held[running] = Held(self, running)
        try:
            held.lease = self._seat.operation()
        except LimitExceeded as error:
            self.tell(running, Event.FAILED, [told(error, "")])
            return
        held.task = self._loop.create_task(self._operate(held, request))

    async def _operate(self, held: Held, request: Request) -> None:
        trace = trace_of((request.extensions or {}).get("traceparent"))
        CALLER_TOKEN.set(self._token)
        try:
            await self._carry_out(held, request, trace)
        except Refused as refused:
            self.tell(held.running, Event.FAILED, refused.errors)
        except Exception as error:  # noqa: BLE001  the client is told that it failed, the logs are told why
            self.tell(held.running, Event.FAILED, [told(error, trace)])

    async def _carry_out(self, held: Held, request: Request, trace: str) -> None:
        engine, running, identity = self.shared.engine, held.running, self.session.identity
        async with self._preparing:
            if running.state is Operation.ABSENT:
                return  # completed while others were prepared
            prepared = engine.prepare(request)
        if prepared.kind != "subscription":
            self.tell(running, Event.STARTED)
            response = await engine.execute(prepared, identity, trace)
            await self._result(running, response)
            self.tell(running, Event.ENDED)
            return
        held.once = False
        source = await engine.subscribe(prepared, identity, trace)
        self.tell(running, Event.STARTED)
        if isinstance(source, Plan):
            cursor = self._resume.pop(running.id, "")  # for the first operation of that id: another one is another question
            source = source if source.after else replace(source, after=cursor)
            held.subscription = self.shared.hub.subscribe(source, partial(engine.render, prepared), held)
            return
        await self._stream(running, source)

    async def _stream(self, running: Running, source: AsyncGenerator[dict[str, Any]]) -> None:
        count = 0
        async with aclosing(source):
            async for response in source:
                await self._result(running, response)
                if running.state is not Operation.LIVE:
                    return
                count += 1
                if count % TURN_MESSAGES == 0:
                    await asyncio.sleep(0)  # a source that never waits must not keep the loop
        self.tell(running, Event.ENDED)

    async def _result(self, running: Running, response: dict[str, Any]) -> None:
        await self.outbox.room()
        self.tell(running, Event.NEXT, frames.as_json(response))
