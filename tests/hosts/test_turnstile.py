"""Newcomers in line: so many a turn of the loop, in their order, and others have their turn in between."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from hosts.serving import Serving
from hosts.turnstile import Turnstile


def test_each_turn_lets_some_in_in_their_order_and_others_have_theirs_in_between() -> None:
    async def run() -> list[object]:
        seen: list[object] = []
        loop = asyncio.get_running_loop()
        turnstile = Turnstile(loop, per_turn=3)

        def others() -> None:
            seen.append("others")
            if len(seen) < 14:
                loop.call_soon(others)

        loop.call_soon(others)
        for number in range(8):
            turnstile.enter(lambda number=number: seen.append(number))  # type: ignore[misc]
        for _ in range(8):
            await asyncio.sleep(0)
        return seen

    seen = asyncio.run(run())
    assert [one for one in seen if one != "others"] == list(range(8))
    turns = [turn.split() for turn in " ".join(map(str, seen)).split("others")]
    assert [turn for turn in turns if turn] == [["0", "1", "2"], ["3", "4", "5"], ["6", "7"]]


def test_whoever_comes_when_nobody_stands_in_line_goes_in_at_once() -> None:
    async def run() -> None:
        seen: list[int] = []
        turnstile = Turnstile(asyncio.get_running_loop(), per_turn=1)
        for number in range(5):
            turnstile.enter(lambda number=number: seen.append(number))  # type: ignore[misc]
            assert seen == list(range(number + 1))
            await asyncio.sleep(0.01)

    asyncio.run(run())


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the path."""
    if scope["type"] == "lifespan":
        for kind in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{kind}.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(scope["path"]))]})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


@pytest.fixture
def serving() -> Iterator[Serving]:
    server = Serving(echo, "127.0.0.1", 0, message_bytes=1_000, keep_alive_s=5.0)
    server.start()
    yield server
    server.stop()


def test_a_crowd_that_comes_at_once_is_answered_each_its_own_and_those_who_left_harm_nobody(serving: Serving) -> None:
    crowd = [socket.create_connection(("127.0.0.1", serving.port), timeout=20) for _ in range(300)]
    for number, one in enumerate(crowd):
        one.sendall(f"GET /{number} HTTP/1.1\r\nHo".encode())
    for number, one in enumerate(crowd):
        if number % 3 == 0:
            one.close()
        else:
            one.sendall(b"st: x\r\nConnection: close\r\n\r\n")
    for number, one in enumerate(crowd):
        if number % 3:
            got = b""
            while piece := one.recv(65_536):
                got += piece
            assert got.endswith(f"\r\n\r\n/{number}".encode()), got
            one.close()
