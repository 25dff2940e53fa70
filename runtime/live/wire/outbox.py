"""Frames to one socket, in order: sent at once as long as the socket takes them, kept up to a bound while it does not.

A task per frame would cost more than the frame. So a send is driven here by hand: nearly always it is done after its first step; if it
waits for the socket instead, the connection is congested, and a task takes the rest over.
"""

import asyncio
import types
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, MutableMapping
from typing import Any

from runtime.live.wire.messages import Violation

type Message = MutableMapping[str, Any]
type Sends = Callable[[Message], Awaitable[None]]  # what ASGI promises …
type Sending = Callable[[Message], Coroutine[Any, Any, None]]  # … and what every server gives: only a coroutine can be driven by hand


class Outbox:
    """`drained` is called when a congested socket takes frames again, `overflowed` when too much waits, `lost` when it is gone.

    None of them is called from within `put`, so that whoever sends to many sockets never meets its own list changing.
    """

    def __init__(
        self, send: Sending, bytes_max: int, *, drained: Callable[[], None], overflowed: Callable[[], None], lost: Callable[[], None]
    ) -> None:
        self._send, self._bytes_max = send, bytes_max
        self._drained, self._overflowed, self._lost = drained, overflowed, lost
        self._loop = asyncio.get_running_loop()
        self._kept: deque[Message] = deque()
        self._bytes = 0
        self._rest: asyncio.Task[None] | None = None  # of a send that waits for the socket
        self._open = True

    def ready(self) -> bool:
        """Whether a frame would go out at once."""
        return self._rest is None

    def put(self, text: str) -> None:
        """Send a frame, or keep it."""
        if not self._open:
            return
        message = {"type": "websocket.send", "text": text}
        if self._rest is None:
            self._start(message)
            return
        self._kept.append(message)
        self._bytes += len(text)
        if self._bytes > self._bytes_max:
            self._end()
            self._loop.call_soon(self._overflowed)

    async def room(self) -> None:
        """Wait until the socket takes frames: for senders that can wait."""
        while self._rest is not None:
            await asyncio.wait((self._rest,))

    def close(self, why: Violation) -> None:
        """Close the socket, after the frame that it is taking just now; what is kept is dropped."""
        self._end()
        message = {"type": "websocket.close", "code": why.code, "reason": why.reason}
        if self._rest is None:
            self._start(message)
        else:
            self._kept.append(message)

    def abandon(self) -> None:
        """Nobody reads any more."""
        self._end()
        if self._rest is not None:
            self._rest.cancel()

    def _end(self) -> None:
        self._open, self._bytes = False, 0
        self._kept.clear()

    def _start(self, message: Message) -> None:
        coroutine = self._send(message)
        step = coroutine.send  # fails loudly where a server's send is no coroutine
        try:
            waits_for = step(None)
        except StopIteration:
            return
        except Exception:  # noqa: BLE001  servers say in different ways that the client is gone
            self._end()
            self._loop.call_soon(self._lost)
        else:
            self._rest = self._loop.create_task(self._finish(coroutine, waits_for))

    async def _finish(self, coroutine: Coroutine[Any, Any, None], waits_for: Any) -> None:
        try:
            await _resume(coroutine, waits_for)
            while self._kept:
                message = self._kept.popleft()
                self._bytes -= len(message.get("text", ""))
                await self._send(message)
        except Exception:  # noqa: BLE001  as above
            self._end()
            self._loop.call_soon(self._lost)
        finally:
            self._rest = None
        if self._open:
            self._drained()


@types.coroutine
def _resume(coroutine: Coroutine[Any, Any, None], waits_for: Any) -> Generator[Any, Any]:
    """The rest of a coroutine whose first step gave out what it waits for."""
    yield waits_for
    yield from coroutine
