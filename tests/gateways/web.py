"""A small HTTP/1.1 server on asyncio: the services' own APIs and the webhook that one of them calls."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from msgspec import Struct


class Asked(Struct, frozen=True):
    """One request; header names in lower case, `target` as it was sent."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class Told(Struct, frozen=True):
    """One response."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


type Answering = Callable[[Asked], Awaitable[Told]]


class Web:
    """Answers HTTP on a free loopback port; an async context manager."""

    def __init__(self, answer: Answering, port: int = 0) -> None:
        self._answer, self._port = answer, port
        self._server: asyncio.Server | None = None
        self._busy: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Web":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, backlog=1024)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self._server.abort_clients()  # also those accepted a moment ago, who have no task yet
        for task in self._busy:
            task.cancel()
        await asyncio.gather(*self._busy, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def address(self) -> str:
        """host:port."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return f"127.0.0.1:{port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while asked := await _read(reader):
                    writer.write(_written(await self._answer(asked)))
                    await writer.drain()
        finally:
            self._busy.discard(task)
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    lines = head.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(method, target, headers, body)


def _written(told: Told) -> bytes:
    status = HTTPStatus(told.status)
    headers = {"content-length": str(len(told.body)), **told.headers}
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + told.body
