"""A small JSON document that somebody else keeps (an identity provider's keys, a list of revoked tokens), read again and again.

Callers ask all the time and must neither wait for a slow server nor make it serve each of them: one thread at a time reads, at most
every few seconds, the others go on with what is known. An answer that is not a document leaves the last good one in place.
"""

import http.client
import logging
import threading
import time
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

import msgspec

from runtime.errors import Misconfigured

LOG = logging.getLogger("trimaran.gateway")
BYTES_MAX = 4 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
WAITERS_MAX = 2  # threads that wait for another one's reading; more get the answer that is known


class Unreadable(Exception):
    """No usable document just now; the text says why."""


class Watched[T]:
    """The newest good reading of a file or URL. `decode` turns the JSON value into what is wanted, or raises ValueError."""

    def __init__(
        self,
        source: str,
        decode: Callable[[Any], T],
        *,
        every_s: float,
        again_s: float,
        timeout_s: float = 3.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check_source(source)
        self._source, self._decode, self._clock = source, decode, clock
        self._name = source.partition("?")[0]  # for the log: a query may hold a secret
        self._every_s, self._again_s, self._timeout_s = every_s, again_s, timeout_s
        self._lock = threading.Lock()
        self._flight: threading.Event | None = None
        self._waiters = threading.Semaphore(WAITERS_MAX)
        self._tried_at = float("-inf")
        self._read_at = float("-inf")
        self._known: T | None = None
        self._well = True

    @property
    def known(self) -> T | None:
        """What was read last, None before the first time."""
        return self._known

    @property
    def age_s(self) -> float:
        """Since the last good reading."""
        return self._clock() - self._read_at

    @property
    def due(self) -> bool:
        """Whether the last good reading is older than it should be."""
        return self.age_s >= self._every_s

    def refresh(self, *, wait: bool) -> None:
        """Read now, unless that was tried within `again_s`. Another thread reads already: with `wait`, until it is done."""
        flight, mine = self._board()
        if mine and flight is not None:
            self._fly(flight)
        elif wait and flight is not None:
            self._await(flight)

    def _await(self, flight: threading.Event) -> None:
        if self._known is None:  # nobody has anything to go on with
            flight.wait(self._timeout_s)
        elif self._waiters.acquire(blocking=False):
            try:
                flight.wait(self._timeout_s)
            finally:
                self._waiters.release()

    def refresh_soon(self) -> None:
        """Read on a thread of its own if it is due; never blocks."""
        if not self.due:
            return
        flight, mine = self._board()
        if mine and flight is not None:
            threading.Thread(target=self._fly, args=(flight,), name="watch", daemon=True).start()

    def _board(self) -> tuple[threading.Event | None, bool]:
        with self._lock:
            if self._flight is not None:
                return self._flight, False
            if self._clock() - self._tried_at < self._again_s:
                return None, False
            self._flight = threading.Event()
            return self._flight, True

    def _fly(self, flight: threading.Event) -> None:
        try:
            self._known, self._read_at = self._decode(read_json(self._source, self._timeout_s)), self._clock()
            if not self._well:
                LOG.warning("%s can be read again", self._name)
            self._well = True
        except (Unreadable, ValueError) as error:
            if self._well:  # once, not every few seconds
                LOG.error("cannot read %s: %s; going on with what was read %s", self._name, error, self._known_since())
            self._well = False
        finally:
            with self._lock:
                self._tried_at, self._flight = self._clock(), None
            flight.set()

    def _known_since(self) -> str:
        return "never" if self._known is None else f"{self.age_s:.0f} s ago"


def check_source(source: str) -> None:
    """`Misconfigured` for a URL that a man in the middle could answer for us."""
    if "://" not in source:
        return
    try:
        parts = urlsplit(source)
        host = parts.hostname or ""
    except ValueError:
        raise Misconfigured(f"{source!r} is no URL") from None
    if parts.username or parts.password:
        raise Misconfigured(f"the URL for {host} holds a password: this document is public, leave it out")
    if parts.scheme == "https" and host:
        return
    if not (parts.scheme == "http" and _is_loopback(host)):
        raise Misconfigured(f"{source!r}: use https, a file, or http on this machine; anybody on the way could change the answer")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def read_json(source: str, timeout_s: float) -> Any:
    """The JSON value in a file or behind a URL. Raises `Unreadable`."""
    try:
        data = _fetched(source, timeout_s) if "://" in source else _file(source)
    except HTTPError as error:
        error.close()
        raise Unreadable(f"it answers {error.code}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unreadable(str(error) or type(error).__name__) from None
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unreadable("it is not JSON") from None


def _file(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return _bounded(file.read)


class _NoRedirects(HTTPRedirectHandler):
    """Where keys come from is configured, not told by an answer."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _fetched(url: str, timeout_s: float) -> bytes:
    deadline = time.monotonic() + timeout_s
    handlers = (ProxyHandler({}),) if urlsplit(url).scheme == "http" else ()  # http is on this machine: no proxy in between
    opener: OpenerDirector = build_opener(_NoRedirects, *handlers)
    with opener.open(Request(url, headers={"Accept": "application/json"}), timeout=timeout_s) as response:

        def read(size: int) -> bytes:
            if time.monotonic() > deadline:  # a server that drips a byte a second
                raise TimeoutError(f"no complete answer within {timeout_s:g} s")
            chunk: bytes = response.read1(size)
            return chunk

        return _bounded(read)


def _bounded(read: Callable[[int], bytes]) -> bytes:
    chunks, size = [], 0
    while chunk := read(CHUNK_BYTES):
        size += len(chunk)
        if size > BYTES_MAX:
            raise OSError(f"it is longer than {BYTES_MAX:,} bytes")
        chunks.append(chunk)
    return b"".join(chunks)
