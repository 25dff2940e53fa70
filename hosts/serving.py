"""An ASGI app behind a real socket, on a thread and an event loop of its own; port 0 takes any free one.

The socket is bound before the thread starts, so that a port in use is one clear line, and nothing else has begun.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp

from hosts.bounded_http import BoundedHttp
from hosts.listening import listening
from hosts.quick_frames import QuickFrames
from runtime.errors import Unavailable

START_S = 10.0
FINISH_S = 15.0  # for HTTP requests in hand, after the WebSockets had as long (runtime.live.wire.asgi.FINISH_S)
STOP_S = 32.0
ASKED_S = 0.5
TICK_S, TICKS = 0.1, 864_000  # uvicorn's own

type Drain = Callable[[], Awaitable[None]]
type Load = Callable[[], dict[str, int]]


class Serving:
    """`start` and `stop` once each; `url` is where it listens. `drain` closes open WebSockets before the end."""

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        *,
        message_bytes: int,
        keep_alive_s: float,
        drain: Drain | None = None,
        load: Load = lambda: {"sockets": 0, "operations": 0},
    ) -> None:
        self._load = load
        self._socket = listening(host, port)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
        self._server = _Server(
            drain,
            uvicorn.Config(
                cast(Any, app),  # the same protocol, said in other words
                loop="uvloop",
                http=BoundedHttp,
                ws=QuickFrames,
                ws_max_size=message_bytes,
                ws_per_message_deflate=False,
                ws_ping_interval=keep_alive_s,
                ws_ping_timeout=3 * keep_alive_s,  # after the gateway, whose 1001 lets a client that slept come back; 1011 does not
                timeout_keep_alive=30,
                timeout_graceful_shutdown=int(FINISH_S),
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="on",
            ),
        )
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, name="gateway", daemon=True)

    def start(self) -> None:
        """Answer from now on. Raises `Unavailable` when the app does not come up."""
        self._thread.start()
        waiting = threading.Event()
        for _ in range(int(START_S / 0.01)):
            if self._server.started:
                return
            if not self._thread.is_alive():
                break
            waiting.wait(0.01)
        raise Unavailable(f"the gateway on {self.url} did not come up: its log says why")

    def load(self) -> dict[str, int]:
        """How busy it is: `sockets` open, `operations` on them. Raises `TimeoutError` when the event loop does not say so."""
        return self.asked(self._load)

    def asked[T](self, question: Callable[[], T], within_s: float = ASKED_S) -> T:
        """The answer of the event loop, from another thread. Raises `TimeoutError` when it does not answer in time, or has ended."""
        answer: Future[T] = Future()

        def put() -> None:
            if answer.set_running_or_notify_cancel():
                answer.set_result(question())

        loop = self._server.loop
        try:
            if loop is None:
                raise TimeoutError
            loop.call_soon_threadsafe(put)
            return answer.result(within_s)
        except (TimeoutError, RuntimeError):  # closed
            answer.cancel()
            raise TimeoutError("the event loop does not answer") from None

    def stop(self) -> None:
        """Finish what is in hand, bounded."""
        if self._thread.is_alive():
            self._server.end()
            self._thread.join(STOP_S)
        self._socket.close()


class _Server(uvicorn.Server):
    """Closes WebSockets as the protocol wants it, before uvicorn closes what is left with 1012; and ends at once when there is nothing to wait for."""

    def __init__(self, drain: Drain | None, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._drain = drain
        self.loop: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()

    def end(self) -> None:
        """Shut down, told from another thread."""
        self.should_exit = True
        if self.loop is not None:
            with contextlib.suppress(RuntimeError):  # it ended meanwhile
                self.loop.call_soon_threadsafe(self._ended.set)

    async def main_loop(self) -> None:
        """As uvicorn's, which looks every tenth of a second whether it is to end; this one is told."""
        ticks = 0
        while not await self.on_tick(ticks):
            ticks = (ticks + 1) % TICKS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), TICK_S)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """On the loop that serves from now on."""
        self.loop = asyncio.get_running_loop()
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """No new connection, then the open ones go politely."""
        for server in self.servers:
            server.close()
        if self._drain is not None:
            await self._drain()
        await asyncio.sleep(0)  # who was let in just now is among them
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
            return
        for server in self.servers:
            await server.wait_closed()
        await self.lifespan.shutdown()
