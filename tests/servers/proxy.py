"""A TCP proxy in a thread that does to a connection what networks do: swallows replies, hangs, delays, cuts.

Proxy(port)          forwards everything
.mute_replies()      requests arrive, replies vanish: the caller is in doubt
.hang()              nothing gets through in either direction, new connections are accepted and say nothing
.delay_s = 0.1       replies come late
.forward()           back to normal for what is sent from now on
.cut()               every connection is reset
"""

import contextlib
import selectors
import socket
import struct
import threading
import time

CHUNK = 65536


class Proxy:
    """Forwards a loopback port of its own to `target_port`; a context manager."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.delay_s = 0.0
        self.swallowed = 0  # bytes of replies
        self.accepted = 0  # connections
        self._requests_pass = self._replies_pass = True
        self._peers: dict[socket.socket, tuple[socket.socket, bool]] = {}  # -> (other end, whether what it sends is a reply)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._waker, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._cutting = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def __enter__(self) -> "Proxy":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self._waker.send(b"!")
        self._thread.join(10)
        for end in (*self._peers, self._listener, self._waker, self._woken):
            end.close()
        self._selector.close()

    def through(self, url: str) -> str:
        """The URL of a server on `target_port`, by way of this proxy."""
        return url.replace(f":{self._target_port}/", f":{self.port}/")

    def mute_replies(self) -> None:
        """From now on requests arrive and replies vanish."""
        self._replies_pass = False

    def hang(self) -> None:
        """From now on nothing gets through."""
        self._requests_pass = self._replies_pass = False

    def forward(self) -> None:
        """From now on everything gets through; what was swallowed stays lost."""
        self._requests_pass = self._replies_pass = True

    def cut(self) -> None:
        """Reset every connection; returns when it is done."""
        self._cutting.set()
        self._waker.send(b"!")
        while self._cutting.is_set():
            time.sleep(0.001)

    def _run(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select():
                end = key.fileobj
                assert isinstance(end, socket.socket)
                if end is self._listener:
                    self._accept()
                elif end is self._woken:
                    end.recv(CHUNK)
                elif end in self._peers:
                    self._pass_on(end)
            if self._cutting.is_set():
                for end in list(self._peers):
                    self._drop(end)
                self._cutting.clear()

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        self.accepted += 1
        try:
            server = socket.create_connection(("127.0.0.1", self._target_port), timeout=5)
        except OSError:  # the server is down: so are we
            client.close()
            return
        server.settimeout(None)
        self._peers[client] = (server, False)
        self._peers[server] = (client, True)
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(end, selectors.EVENT_READ)

    def _pass_on(self, end: socket.socket) -> None:
        other, is_reply = self._peers[end]
        try:
            data = end.recv(CHUNK)
        except OSError:
            data = b""
        if not data:
            self._drop(end)
            return
        if is_reply and self.delay_s:
            time.sleep(self.delay_s)
        if self._replies_pass if is_reply else self._requests_pass:
            with contextlib.suppress(OSError):  # the other end just hung up: its own event will tell
                other.sendall(data)
        elif is_reply:
            self.swallowed += len(data)

    def _drop(self, end: socket.socket) -> None:
        if end not in self._peers:
            return
        other, _ = self._peers.pop(end)
        self._peers.pop(other, None)
        for each in (end, other):
            self._selector.unregister(each)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset, not a polite goodbye
            each.close()
