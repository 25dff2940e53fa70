"""A `graphql-transport-ws` client that is as cheap as one can be in Python: it takes frames off the socket itself.

A load client that is slower than the server would measure itself.
"""

import asyncio
import json
import struct
from collections.abc import Callable
from typing import Any, cast

GREETING = (
    "GET /graphql HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dHJpbWFyYW4gYmVuY2ghIQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)
CLOSE, PING, PONG = 8, 9, 10


def frame(data: bytes, opcode: int = 1) -> bytes:
    """A client's frame; masked with zeros, which leaves the bytes as they are."""
    size = len(data)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
    elif size < 65536:
        head = struct.pack("!BBH", 0x80 | opcode, 0xFE, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0xFF, size)
    return head + bytes(4) + data


class Socket(asyncio.Protocol):
    """One client. `on_text` gets its frames; the counting ones count instead."""

    def __init__(self, port: int) -> None:
        self._port, self._rest, self._greeted = port, b"", False
        self.transport: asyncio.Transport | None = None
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closed: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        self.on_text: Callable[[bytes], None] = lambda _: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none of asyncio's
        self.transport.write(GREETING.format(port=self._port).encode())

    def connection_lost(self, error: Exception | None) -> None:
        self._over(1006, str(error or ""))

    def send(self, **message: Any) -> None:
        """One message of the protocol."""
        self.write(frame(json.dumps(message).encode()))

    def write(self, data: bytes) -> None:
        """Bytes as they are."""
        assert self.transport is not None
        self.transport.write(data)

    def drop(self) -> None:
        """Be gone without a word."""
        assert self.transport is not None
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        if not self._greeted:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._rest = head
                return
            self._greet(head)
        self._rest = self._frames(data)

    def _greet(self, head: bytes) -> None:
        self._greeted = True
        if b" 101 " in head.partition(b"\r\n")[0]:
            self.opened.set_result(None)
        else:
            self._over(1006, head.partition(b"\r\n")[0].decode())

    def _frames(self, data: bytes) -> bytes:
        """Take the whole frames off; what is left of the next one."""
        at, end = 0, len(data)
        while end - at >= 2:
            size, start = data[at + 1], at + 2
            if size == 126:
                size, start = int.from_bytes(data[at + 2 : at + 4]), at + 4
            elif size == 127:
                size, start = int.from_bytes(data[at + 2 : at + 10]), at + 10
            if end < start + size:
                break
            opcode = data[at] & 15
            if opcode == 1:
                self.on_text(data[start : start + size])
            else:
                self._control(opcode, data[start : start + size])
            at = start + size
        return data[at:]

    def _control(self, opcode: int, data: bytes) -> None:
        if opcode == PING:
            self.write(frame(data, PONG))
        elif opcode == CLOSE:
            self._over(int.from_bytes(data[:2]) if data else 1005, data[2:].decode(errors="replace"))
            self.drop()

    def _over(self, code: int, reason: str) -> None:
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(reason or "closed while it was opened"))
            self.opened.exception()  # some waits for `closed` only
        if not self.closed.done():
            self.closed.set_result((code, reason))


async def connect(port: int, address: str = "") -> Socket:
    """A socket whose handshake is done, from one of the loopback addresses."""
    bound = (address, 0) if address else None
    _, socket = await asyncio.get_running_loop().create_connection(lambda: Socket(port), "127.0.0.1", port, local_addr=bound)
    await socket.opened
    return socket
