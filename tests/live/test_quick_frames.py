"""The short way for text frames writes what the library writes, and nothing else changes: order, back-pressure, closing."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Frame, Opcode

from hosts.quick_frames import QuickFrames, text_frame
from hosts.serving import Serving

SIZES = (0, 1, 125, 126, 127, 65_535, 65_536, 200_000)


@pytest.mark.parametrize("size", SIZES)
def test_a_frame_has_the_bytes_that_the_library_makes_of_it(size: int) -> None:
    assert text_frame(b"x" * size) == Frame(Opcode.TEXT, b"x" * size).serialize(mask=False, extensions=[])


@contextlib.asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[int]:
    async def with_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        for kind in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{kind}.complete"})

    serving = Serving(cast(Any, with_lifespan), "127.0.0.1", 0, message_bytes=2**20, keep_alive_s=30)
    serving.start()
    try:
        yield serving.port
    finally:
        await asyncio.to_thread(serving.stop)


async def accepted(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})


def test_the_server_uses_it() -> None:
    serving = Serving(cast(Any, None), "127.0.0.1", 0, message_bytes=1, keep_alive_s=1)
    assert serving._server.config.ws is QuickFrames
    serving._socket.close()


def test_texts_of_all_sizes_and_other_events_arrive_in_order() -> None:
    texts = ["x" * size for size in SIZES] + ["Grüße, 日本語, 🚤", '{"a":1}']

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accepted(receive, send)
        for text in texts:
            await send({"type": "websocket.send", "text": text})
            await send({"type": "websocket.send", "bytes": text.encode()})
        await send({"type": "websocket.close", "code": 4403, "reason": "Forbidden"})

    async def run() -> None:
        async with served(app) as port, connect(f"ws://127.0.0.1:{port}", max_size=None) as client:
            for text in texts:
                assert await client.recv() == text
                assert await client.recv() == text.encode()
            with pytest.raises(ConnectionClosedError) as closed:
                await client.recv()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4403, "Forbidden")

    asyncio.run(run())


def test_a_socket_that_is_not_read_suspends_the_sender_and_loses_nothing() -> None:
    sent: list[int] = []
    total, size = 400, 60_000

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accepted(receive, send)
        for number in range(total):
            await send({"type": "websocket.send", "text": f"{number:<{size}}"})
            sent.append(number)
        await receive()

    async def run() -> None:
        async with served(app) as port:
            raw = socket.socket()
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            raw.connect(("127.0.0.1", port))
            async with connect(f"ws://127.0.0.1:{port}", sock=raw, max_queue=1, compression=None) as client:
                before = -1
                while before != len(sent):  # until it is stuck
                    before = len(sent)
                    await asyncio.sleep(0.2)
                assert len(sent) < total
                for number in range(total):
                    assert str(await client.recv()).strip() == str(number)

    asyncio.run(run())


def test_a_sender_learns_that_the_client_is_gone() -> None:
    outcome: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accepted(receive, send)
        try:
            for _ in range(1_000):
                await send({"type": "websocket.send", "text": "x"})
                await asyncio.sleep(0.01)
        except Exception as error:  # noqa: BLE001  that it is raised is what is tested
            outcome.append(type(error).__name__)

    async def run() -> None:
        async with served(app) as port:
            client: ClientConnection
            async with connect(f"ws://127.0.0.1:{port}") as client:
                await client.recv()
                client.transport.abort()
            for _ in range(500):
                if outcome:
                    break
                await asyncio.sleep(0.01)
        assert outcome == ["ClientDisconnected"]

    asyncio.run(run())
