"""An ASGI app behind a real socket, on a thread and an event loop of its own; port 0 takes any free one.

The socket is bound before the thread starts, so that a port in use is one clear line, and nothing else has begun.
"""

import socket
import threading
from collections.abc import Awaitable, Callable
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp

from hosts.bounded_http import BoundedHttp
from hosts.quick_frames import QuickFrames
from runtime.errors import Misconfigured, Unavailable

START_S = 10.0
STOP_S = 10.0
BACKLOG = 2_048


type Drain = Callable[[], Awaitable[None]]


class Serving:
    """`start` and `stop` once each; `url` is where it listens. `drain` closes open WebSockets before the end."""

    def __init__(self, app: ASGIApp, host: str, port: int, *, message_bytes: int, keep_alive_s: float, drain: Drain | None = None) -> None:
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
                timeout_graceful_shutdown=int(STOP_S / 2),
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

    def stop(self) -> None:
        """Finish what is in hand, bounded."""
        if self._thread.is_alive():
            self._server.should_exit = True
            self._thread.join(STOP_S)
        self._socket.close()


class _Server(uvicorn.Server):
    """Closes WebSockets as the protocol wants it, before uvicorn closes what is left with 1012."""

    def __init__(self, drain: Drain | None, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._drain = drain

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """No new connection, then the open ones go politely."""
        for server in self.servers:
            server.close()
        if self._drain is not None:
            await self._drain()
        await super().shutdown(sockets)


def listening(host: str, port: int) -> socket.socket:
    """A bound socket; `Misconfigured` says what is wrong with the address and the way out."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        bound = socket.socket(family, socket.SOCK_STREAM)
    except (OSError, OverflowError) as error:
        raise Misconfigured(f"cannot listen on {host}:{port} ({_line(error)}): choose another with --port or --host") from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(BACKLOG)
    except PermissionError:
        bound.close()
        raise Misconfigured(f"port {port} on {host} needs rights that this user does not have: choose one above 1023 with --port") from None
    except (OSError, OverflowError) as error:
        bound.close()
        raise Misconfigured(f"cannot listen on {host}:{port} ({_line(error)}): choose another with --port or --host") from None
    bound.set_inheritable(False)
    return bound


def _line(error: Exception) -> str:
    return "in use" if getattr(error, "errno", 0) == 98 else getattr(error, "strerror", None) or str(error)
