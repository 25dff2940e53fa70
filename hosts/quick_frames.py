"""uvicorn's WebSocket with a short way for text frames: one change may go out to thousands of sockets, and each pays for every step.

uvicorn builds a frame through the `websockets` library, with room for masks, extensions and fragments that a server's text frame never has;
that is a third of what such a frame costs (docs/benchmarks.md, gateway-fanout-*). Here an open, unpaused socket without extensions gets its
head and bytes written at once; everything else goes uvicorn's way. Nothing of the library's state is passed by: it keeps none for a whole
text frame, and uvicorn flushes whatever it writes before it returns.

RFC 6455, 5.2: FIN and opcode 1, then the length in 7, 7+16 or 7+64 bits.
"""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import OPEN

UNREAD_BYTES_MAX = 1024 * 1024
LINGER_S = 5.0  # for a close frame and what goes before it


def text_frame(data: bytes) -> bytes:
    """One whole text frame of a server."""
    size = len(data)
    if size < 126:
        return b"\x81%c" % size + data
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2) + data
    return b"\x81\x7f" + size.to_bytes(8) + data


class QuickFrames(WebSocketsSansIOProtocol):
    """For `uvicorn.Config(ws=…)`."""

    async def send(self, message: Any) -> None:
        """An ASGI event."""
        text = message.get("text")
        if (
            text is not None
            and self.writable.is_set()
            and self.conn.state is OPEN
            and self.handshake_complete
            and not (self.close_sent or self.disconnected or self.conn.extensions or self.initial_response)
        ):
            self.transport.write(text_frame(text.encode()))
        else:
            await super().send(message)

    def handle_ping(self) -> None:
        """Answer, unless the client sends pings and does not read the answers: uvicorn would keep them all."""
        if self.transport.get_write_buffer_size() > UNREAD_BYTES_MAX:
            self.transport.abort()
        else:
            super().handle_ping()

    def on_task_complete(self, task: Any) -> None:
        """Whoever never reads again is cut off: a polite close waits for ever, and such sockets are counted by nobody any more."""
        super().on_task_complete(task)
        self.loop.call_later(LINGER_S, self.transport.abort)
