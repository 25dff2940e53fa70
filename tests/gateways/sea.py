"""What both services share: open sockets with ids, seeded delays, and the ways in which a socket ends."""

import asyncio
import contextlib
import random

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

BUFFER_BYTES = 4 * 1024 * 1024  # unread by a client, then the service says that it is too slow


class Delays:
    """Seeded waits between 0 and `most_s`."""

    def __init__(self, seed: int, most_s: float) -> None:
        self._random, self.most_s = random.Random(seed), most_s

    async def __call__(self) -> None:
        if self.most_s:
            await asyncio.sleep(self._random.uniform(0, self.most_s))


class Full(Exception):
    """The client does not read."""


class Closed(Exception):
    """There is no such open socket."""


class Open:
    """The open sockets of a service, by connection id."""

    def __init__(self) -> None:
        self._sockets: dict[str, ServerConnection] = {}
        self.busy: set[str] = set()  # as if their clients did not read
        self.sent = 0

    def add(self, id: str, socket: ServerConnection) -> None:
        """It is open."""
        self._sockets[id] = socket

    def remove(self, id: str) -> None:
        """It is not open any more."""
        self._sockets.pop(id, None)

    def ids(self) -> list[str]:
        """All open ones, oldest first."""
        return list(self._sockets)

    async def send(self, id: str, text: str) -> None:
        """Raises `Closed` or `Full`."""
        socket = self._sockets.get(id)
        if socket is None:
            raise Closed
        if id in self.busy or socket.transport.get_write_buffer_size() > BUFFER_BYTES:
            raise Full
        try:
            await socket.send(text)
        except ConnectionClosed:
            raise Closed from None
        self.sent += 1

    async def close(self, id: str) -> None:
        """The only close that the services have: 1000. Raises `Closed`."""
        socket = self._sockets.pop(id, None)
        if socket is None:
            raise Closed
        with contextlib.suppress(ConnectionClosed):
            await socket.close(1000, "")

    def drop(self, id: str) -> None:
        """The network fails: the client sees 1006."""
        socket = self._sockets.get(id)
        if socket is not None:
            socket.transport.abort()

    def drop_all(self) -> int:
        """Every socket; returns how many."""
        ids = self.ids()
        for id in ids:
            self.drop(id)
        return len(ids)
