"""Clients that take the transport to its limits: they ping and do not read, drip, fragment, and reuse what is not theirs."""

import os
import socket
import struct
import time

from tests.live import bed
from tests.live.protocol.client import SUBPROTOCOL, Client

HANDSHAKE = (
    "GET /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
).encode()
PING, TEXT, CONTINUED = 9, 1, 0


def frame(operation: int, data: bytes, *, last: bool = True) -> bytes:
    """A client's frame, masked with nothing."""
    size = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0x80 | 126]) + struct.pack(">H", len(data))
    return bytes([(0x80 if last else 0) | operation]) + size + b"\0\0\0\0" + data


def opened(running: bed.Bed) -> socket.socket:
    """A WebSocket by hand."""
    raw = socket.create_connection(("127.0.0.1", running.serving.port), timeout=10)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    raw.sendall(HANDSHAKE)
    assert raw.recv(1_000).startswith(b"HTTP/1.1 101 ")
    return raw


def memory() -> int:
    """Bytes of this process, which is the gateway's, too."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_pings_without_end_and_nobody_who_reads_the_answers_are_hung_up_on() -> None:
    with bed.running() as running, Client(running.socket_url) as healthy, opened(running) as raw:
        healthy.greet()
        before, pings, sent, broken = memory(), frame(PING, b"x" * 125) * 500, 0, False
        try:
            while sent < 200_000_000:
                raw.sendall(pings)
                sent += len(pings)
        except OSError:
            broken = True
        assert broken and sent < 20_000_000
        assert memory() - before < 50_000_000
        assert healthy.alive()


def test_a_message_in_endless_small_pieces_is_refused_like_a_big_one() -> None:
    with bed.running() as running, Client(running.socket_url) as healthy, opened(running) as raw:
        healthy.greet()
        before = memory()
        raw.sendall(frame(TEXT, b"{", last=False))
        broken = False
        try:
            for _ in range(300):
                raw.sendall(frame(CONTINUED, b" " * 100, last=False) * 100)
        except OSError:
            broken = True
        if not broken:
            raw.settimeout(10)
            said = b""
            try:
                while piece := raw.recv(1_000):
                    said += piece
            except OSError:
                pass
            assert struct.pack(">H", 1009) in said
        assert memory() - before < 50_000_000
        assert healthy.alive()


def test_frames_that_break_the_transports_rules_end_their_own_connection_only() -> None:
    with bed.running() as running, Client(running.socket_url) as healthy:
        healthy.greet()
        for wrong in (
            b"\x81\x05hello",  # not masked
            b"\xf1\x80\0\0\0\0",  # reserved bits
            b"\x83\x80\0\0\0\0",  # an unknown kind
            frame(CONTINUED, b"x"),
            frame(PING, b"x" * 125, last=False),
            frame(TEXT, b"\xff\xfe"),
            bytes([0x81, 0xFF]) + b"\xff" * 8 + b"\0\0\0\0",  # 2^64 bytes are announced
        ):
            with opened(running) as raw:
                began = time.monotonic()
                raw.sendall(wrong)
                try:
                    while raw.recv(1_000):
                        pass
                except OSError:
                    pass
                assert time.monotonic() - began < 8
        assert healthy.alive()
