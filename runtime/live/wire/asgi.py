"""The gateway on a server: one ASGI app that speaks `graphql-transport-ws` and GraphQL over HTTP on one path.

    WebSocket ─▶ origin · subprotocol · seat ─▶ driving ─▶ connection ─▶ operations ─▶ engine · hub
    HTTP ──────▶ origin · size · token ───────▶ one answer

It has no routes and no pages: a host mounts it, directly, since every frame would pay for a framework in between.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from runtime.errors import LimitExceeded
from runtime.live.callers.identity import Verifier
from runtime.live.callers.origins import address_of, allows, headers_of
from runtime.live.limits import Limits
from runtime.live.wire.driving import Driving, Shared
from runtime.live.wire.http import Http
from runtime.live.wire.outbox import Message, Sending, Sends
from runtime.live.wire.protocol import SUBPROTOCOL, SUBPROTOCOL_UNACCEPTABLE, Happening

if TYPE_CHECKING:
    from runtime.live.answers.engine import Engine
    from runtime.live.callers.quotas import Quotas
    from runtime.live.follow.hub import Hub

LOG = logging.getLogger("trimaran.gateway")
DEFAULTS = Limits()
LOOK_S = 1.0  # at least this often every connection's token is looked at
DRAIN_AT_ONCE = 100  # sockets closed per turn of the loop
FINISH_S = 15.0  # for queries and mutations in hand when the process ends; a command answers within 10 s, its function within 15
FINISHED_S = 0.05  # between looks whether they have

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]


class Gateway:
    """`origins`: None = pages of the same host only, ("*",) = any. `production` masks what helps attackers only (see `engine`)."""

    def __init__(
        self,
        engine: "Engine",
        hub: "Hub",
        verifier: Verifier,
        *,
        limits: Limits = DEFAULTS,
        origins: tuple[str, ...] | None = None,
        production: bool = False,
        quotas: "Quotas",
    ) -> None:
        self._shared = Shared(engine, hub, verifier, limits, quotas)
        self._origins, self.production = origins, production
        self._http = Http(self._shared, origins)
        self._sockets: set[Driving] = set()
        self._looking: asyncio.Task[None] | None = None
        self._draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Sends) -> None:
        """One WebSocket from handshake to close, or one HTTP request."""
        if scope["type"] == "http":
            await self._http.answer(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._socket(scope, receive, send)

    async def drain(self) -> None:
        """Close every socket with 1001, so that clients come back to another process; new ones are refused.

        A query or mutation in hand is answered first, for at most `FINISH_S`; a subscription is taken up again elsewhere.
        """
        self._draining = True
        loop = asyncio.get_running_loop()
        until = loop.time() + FINISH_S
        while await self._leave(in_hand=loop.time() >= until):
            await asyncio.sleep(FINISHED_S)
        if self._looking is not None:
            self._looking.cancel()
        await asyncio.sleep(0)

    async def _leave(self, *, in_hand: bool) -> bool:
        """Close the sockets that nobody waits for an answer on (`in_hand`: all); whether there are others left."""
        left = False
        for number, driving in enumerate(list(self._sockets), 1):
            if driving.answering() and not in_hand:
                left = True
            else:
                driving.happen(Happening.DRAIN)
            if number % DRAIN_AT_ONCE == 0:
                await asyncio.sleep(0)
        return left

    def figures(self) -> dict[str, int]:
        """What is going on, for people who watch."""
        return {
            "connections": len(self._sockets),
            "operations": sum(len(driving.connection.operations) for driving in self._sockets),
            "congested": sum(not driving.outbox.ready() for driving in self._sockets),
        }

    async def _socket(self, scope: Scope, receive: Receive, send: Sends) -> None:
        if (await receive())["type"] != "websocket.connect":
            return
        if not allows(self._origins, headers_of(scope["headers"])):
            await send({"type": "websocket.close", "code": 1008})  # before the handshake: HTTP 403
            return
        with suppress(OSError):  # gone before it was accepted
            if SUBPROTOCOL in scope.get("subprotocols", ()):
                await self._drive(scope, receive, send)
                return
            await send({"type": "websocket.accept"})
            why = SUBPROTOCOL_UNACCEPTABLE
            await send({"type": "websocket.close", "code": why.code, "reason": why.reason})

    async def _drive(self, scope: Scope, receive: Receive, send: Sends) -> None:
        try:
            if self._draining:
                raise LimitExceeded("the number of connections", 1, 0, "this process is shutting down, connect again")
            driving = Driving(self._shared, address_of(scope), receive, cast("Sending", send))
        except LimitExceeded as error:
            await _unavailable(scope, send, str(error))
            return
        self._sockets.add(driving)
        self._look()
        try:
            await driving.run()
        finally:
            self._sockets.discard(driving)

    def _look(self) -> None:
        """Keep one task that looks after all connections, as long as there are any."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look_after())

    async def _look_after(self) -> None:
        limits = self._shared.limits
        every_s = min(LOOK_S, limits.revocation_poll_s, limits.keep_alive_s / 2)
        while self._sockets:
            await asyncio.sleep(every_s)
            now = asyncio.get_running_loop().time()
            for number, driving in enumerate(list(self._sockets), 1):
                try:
                    driving.look(now)
                except Exception:
                    LOG.exception("a connection could not be looked after")
                    driving.happen(Happening.FAILED)
                if number % DRAIN_AT_ONCE == 0:
                    await asyncio.sleep(0)


async def _unavailable(scope: Scope, send: Sends, why: str) -> None:
    """Refuse a handshake with 503 where the server can, else with 403; clients try again later."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1013})
        return
    await send({"type": "websocket.http.response.start", "status": 503, "headers": [(b"retry-after", b"5")]})
    await send({"type": "websocket.http.response.body", "body": why.encode()})
