"""uvicorn's HTTP with bounds that it has not: how long a request's head may be, how long it may take to come, how many begin at once.

Without them one client can send a header of 200 MB, which is kept in memory and copied again and again on the loop that serves everybody, and
thousands can connect and say nothing, for as long as they like. https://www.rfc-editor.org/rfc/rfc6585#section-5 (431).
"""

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hosts.turnstile import Turnstile

HEAD_BYTES_MAX = 64 * 1024
HEAD_S = 10.0
UNREAD_S = 30.0  # that an answer waits for a client who reads nothing of it
TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

_turnstiles: WeakKeyDictionary[asyncio.AbstractEventLoop, Turnstile] = WeakKeyDictionary()


class BoundedHttp(HttpToolsProtocol):
    """For `uvicorn.Config(http=…)`."""

    _admitted = False
    _waiting = b""  # what came before it was admitted
    _head_bytes = 0
    _unread: asyncio.TimerHandle | None = None
    _late: asyncio.TimerHandle | None = None  # runs while a head is on its way

    def connection_made(self, transport: Any) -> None:
        """A client has connected."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._head_came()
        self._read()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some of a request; a connection's first stands in line."""
        if self._admitted:
            self._take(data)
            return
        self._waiting += data
        if len(self._waiting) == len(data):
            _turnstile(self.loop).enter(self._admit)
        elif len(self._waiting) > HEAD_BYTES_MAX:
            self.transport.pause_reading()

    def _admit(self) -> None:
        self._admitted = True
        data, self._waiting = self._waiting, b""
        if not self.transport.is_closing():
            self.transport.resume_reading()
            self._take(data)

    def _take(self, data: bytes) -> None:
        self._head_bytes += len(data)
        super().data_received(data)
        if self._late is not None and self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self.transport.write(TOO_LONG)
            self.transport.close()

    def on_message_begin(self) -> None:
        """The parser met a request's first byte."""
        super().on_message_begin()
        if self._late is None:
            self._head_bytes = 0
            self._await_head()

    def on_headers_complete(self) -> None:
        """The parser met the head's end."""
        self._head_came()
        super().on_headers_complete()

    def pause_writing(self) -> None:
        """The client does not read what it asked for."""
        super().pause_writing()
        self._unread = self.loop.call_later(UNREAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads."""
        self._read()
        super().resume_writing()

    def _read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _await_head(self) -> None:
        self._late = self.loop.call_later(HEAD_S, self._give_up)

    def _head_came(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        self.transport.close()


def _turnstile(loop: asyncio.AbstractEventLoop) -> Turnstile:
    found = _turnstiles.get(loop)
    if found is None:
        found = _turnstiles[loop] = Turnstile(loop)
    return found
