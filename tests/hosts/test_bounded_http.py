"""A request's head is bounded in length and time, on the real server; whoever is polite notices nothing."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from hosts import bounded_http
from hosts.serving import Serving


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the size of what it got."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/much":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(100):
            await send({"type": "http.response.body", "body": b"x" * 1_000_000, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


@pytest.fixture
def serving() -> Iterator[Serving]:
    server = Serving(app, "127.0.0.1", 0, message_bytes=1_000, keep_alive_s=5.0)
    server.start()
    yield server
    server.stop()


def sent(serving: Serving, data: bytes, pieces: int = 1, wait_s: float = 0.0) -> bytes:
    """What comes back until the server hangs up."""
    with socket.create_connection(("127.0.0.1", serving.port), timeout=20) as connection:
        got = b""
        try:
            for _ in range(pieces):
                connection.sendall(data)
                time.sleep(wait_s)
            while piece := connection.recv(65_536):
                got += piece
        except (ConnectionResetError, BrokenPipeError):
            pass
        return got


@pytest.mark.parametrize("start", [b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ", b"GET /"])
def test_an_endless_head_is_refused_early(serving: Serving, start: bytes) -> None:
    with socket.create_connection(("127.0.0.1", serving.port), timeout=20) as connection:
        connection.sendall(start)
        written = 0
        with pytest.raises(OSError):
            while written < 300_000_000:
                connection.sendall(b"a" * 65_536)
                written += 65_536
    assert written < 20_000_000  # what the sockets' buffers take
    assert httpx.get(serving.url).text == "0"


def test_many_short_headers_are_counted_together(serving: Serving) -> None:
    assert sent(serving, b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 20_000).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("said", [b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nX: "])
def test_who_does_not_finish_a_head_is_not_waited_for(serving: Serving, said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "HEAD_S", 0.4)
    began = time.monotonic()
    sent(serving, said)
    assert 0.3 < time.monotonic() - began < 5.0


def test_a_drip_is_not_progress(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "HEAD_S", 0.4)
    began = time.monotonic()
    sent(serving, b"GET / HTTP/1.1\r\n"[:1], pieces=1)
    sent(serving, b"X", pieces=20, wait_s=0.05)
    assert time.monotonic() - began < 6.0


def test_who_asks_for_much_and_reads_nothing_is_hung_up_on(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "UNREAD_S", 0.4)
    with socket.create_connection(("127.0.0.1", serving.port), timeout=20) as connection:
        connection.sendall(b"GET /much HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(1.5)
        got = 0
        with pytest.raises(ConnectionResetError):
            while piece := connection.recv(1_000_000):
                got += len(piece)
            raise ConnectionResetError  # what was on its way has come, and no more
        assert got < 50_000_000
    assert len(httpx.get(f"{serving.url}/much").content) == 100_000_000


def test_long_bodies_pipelined_requests_and_kept_connections_go_on_as_before(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "HEAD_S", 0.4)
    with httpx.Client() as client:
        for size in (0, 10, 500_000):
            assert client.post(serving.url, content=b"x" * size).text == str(size)
            time.sleep(0.6)
    two = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70_000
    answer = sent(serving, two + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.count(b"200 OK") == 2 and b"70000" in answer
