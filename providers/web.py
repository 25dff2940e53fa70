"""HTTP requests over connections that stay open: what the services' own APIs are called with, from any number of threads."""

import http.client
import ssl
import threading
import time
from collections import deque
from collections.abc import Mapping
from urllib.parse import urlsplit

from msgspec import Struct

from runtime.errors import Misconfigured, Unavailable

IDLE_S = 20.0  # services close what is silent for longer (API Gateway: 60 s or more)
KEPT = 64
ANSWER_BYTES_MAX = 64 * 1024


class Told(Struct, frozen=True):
    """A response: what matters of it."""

    status: int
    body: bytes


class Web:
    """Requests to one scheme://host[:port]. Raises `Unavailable` when no answer comes."""

    def __init__(self, origin: str, *, timeout_s: float, answer_bytes: int = ANSWER_BYTES_MAX) -> None:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Misconfigured(f"{origin!r} is no http:// or https:// address")
        self.host = parts.netloc
        self._secure, self._name, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._timeout_s, self._answer_bytes = timeout_s, answer_bytes
        self._tls = ssl.create_default_context() if self._secure else None
        self._idle: deque[tuple[http.client.HTTPConnection, float]] = deque()
        self._lock = threading.Lock()

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Told:
        """One request; a connection that the service closed while it was idle is replaced once."""
        connection, fresh = self._taken()
        try:
            try:
                return self._told(connection, method, path, headers, body)
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                connection.close()
                if fresh:
                    raise
                connection = self._made()
                return self._told(connection, method, path, headers, body)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Unavailable(f"{self._name} did not answer: {type(error).__name__}") from error

    def _told(self, connection: http.client.HTTPConnection, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Told:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        told = Told(answer.status, answer.read(self._answer_bytes))
        if answer.will_close or not answer.isclosed():
            connection.close()
            return told
        with self._lock:
            self._idle.append((connection, time.monotonic()))
            spare = self._idle.popleft()[0] if len(self._idle) > KEPT else None
        if spare is not None:
            spare.close()
        return told

    def _taken(self) -> tuple[http.client.HTTPConnection, bool]:
        while True:
            with self._lock:
                connection, since = self._idle.pop() if self._idle else (None, 0.0)
            if connection is None:
                return self._made(), True
            if time.monotonic() - since < IDLE_S:
                return connection, False
            connection.close()

    def _made(self) -> http.client.HTTPConnection:
        if self._tls is not None:
            return http.client.HTTPSConnection(self._name, self._port, timeout=self._timeout_s, context=self._tls)
        return http.client.HTTPConnection(self._name, self._port, timeout=self._timeout_s)

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            idle, self._idle = self._idle, deque()
        for connection, _ in idle:
            connection.close()
