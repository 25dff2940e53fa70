"""What somebody who means harm sends: messages that are too big, documents that explode, sockets that say nothing, too many operations.

Every bomb is new text each time, so that no cache answers it, and comes in three sizes, from as big as a message may be to just inside of
the token limit, where only a look at the document's shape can refuse it.
"""

import asyncio
import contextlib
from collections.abc import Callable
from itertools import count
from typing import Any

from msgspec import Struct

from bench.gateway_child import Answer
from bench.gateway_probe import Client
from bench.gateway_socket import Socket, connect, frame

PATIENCE_S = 20.0
ROWS = "balanceRows { edges { node { total } } }"

_fresh = count()


class Size(Struct, frozen=True):
    """How much of everything fits in a bomb."""

    bytes: int
    tokens: int

    def times(self, one: str, tokens: int) -> int:
        """How many of these."""
        return min(self.bytes // len(one), self.tokens // tokens)


SIZES = {
    "message": Size(120_000, 10**9),  # as big as a message may be
    "document": Size(16_000, 10**9),  # … and its document
    "tokens": Size(31_000, 950),  # inside of the token limit, so that only its shape is wrong
}


def depth(size: Size) -> str:
    """Selections in selections."""
    times = size.times("{a}", 3)
    return f"query d{next(_fresh)} " + "{a" * times + "}" * times


def lists(size: Size) -> str:
    """Lists in lists, in a value."""
    times = size.times("[]", 2) - 20
    return f"query l{next(_fresh)} {{ balanceRows(where: " + "[" * times + "]" * times + ") { edges { node { total } } } }"


def aliases(size: Size) -> str:
    """The same field again and again under other names."""
    times = size.times(f"a1234: {ROWS} ", 12)
    return f"query a{next(_fresh)} {{" + " ".join(f"a{n}: {ROWS}" for n in range(times)) + "}"


def directives(size: Size) -> str:
    """One field with a long tail of directives."""
    one = "@skip(if: false) "
    return f"query i{next(_fresh)} {{ __typename {one * size.times(one, 7)} }}"


def unknown_directives(size: Size) -> str:
    """… that there are not, each worth an error and a suggestion."""
    one = "@skop "
    return f"query u{next(_fresh)} {{ __typename {one * size.times(one, 2)} }}"


def fragments(size: Size) -> str:
    """Each fragment spreads the next one twice: 2^n fields."""
    times = size.times("fragment f1234 on Query { ...f1235 ...f1235 } ", 10)
    chain = " ".join(f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }}" for n in range(times))
    return f"query f{next(_fresh)} {{ ...f0 }} {chain} fragment f{times} on Query {{ {ROWS} }}"


def few_fragments(size: Size) -> str:
    """The same with few of them, each spread many times."""
    fragments = 9
    spreads = size.times("...f1 ", 2) // fragments - 5
    chain = " ".join(f"fragment f{n} on Query {{ {f'...f{n + 1} ' * spreads} }}" for n in range(fragments))
    return f"query g{next(_fresh)} {{ ...f0 }} {chain} fragment f{fragments} on Query {{ {ROWS} }}"


def cycle(size: Size) -> str:
    """Fragments that spread each other, round and round."""
    times = size.times("fragment f1234 on Query { ...f1235 } ", 8)
    ring = " ".join(f"fragment f{n} on Query {{ ...f{(n + 1) % times} }}" for n in range(times))
    return f"query c{next(_fresh)} {{ ...f0 }} {ring}"


def overlaps(size: Size) -> str:
    """The same field without an alias: validation compares every pair."""
    one = ROWS + " "
    return f"query o{next(_fresh)} {{ {one * size.times(one, 10)} }}"


def unknown_fields(size: Size) -> str:
    """Fields that there are not, each worth an error and a suggestion."""
    times = size.times("balanceRow12345 ", 1) - 10
    return f"query w{next(_fresh)} {{ " + " ".join(f"balanceRow{n}" for n in range(times)) + " }"


BOMBS: dict[str, Callable[[Size], str]] = {
    make.__name__: make
    for make in (
        depth,
        lists,
        aliases,
        directives,
        unknown_directives,
        fragments,
        few_fragments,
        cycle,
        overlaps,
        unknown_fields,
    )
}


class Attacks:
    """What may be ordered of the load process."""

    def __init__(self) -> None:
        self._client: Client | None = None

    async def big(self, port: int, megabytes: int) -> Answer:
        """One message of so many megabytes; how it was closed."""
        socket = await connect(port)
        answered: list[bytes] = []
        socket.on_text = answered.append
        socket.write(frame(b'{"type":"ping","payload":{"text":"' + b"x" * (megabytes * 1_000_000) + b'"}}'))
        async with asyncio.timeout(PATIENCE_S):
            code, reason = await socket.closed
        if answered:
            raise RuntimeError(f"a message of {megabytes} MB was answered {answered[0][:100]!r}")
        return {"code": code, "reason": reason}

    async def big_body(self, port: int, megabytes: int, *, chunked: bool) -> Answer:
        """The same as an HTTP request, with its length said before or not; the status line."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        body = b'{"query":"{__typename}","extensions":{"x":"' + b"x" * (megabytes * 1_000_000) + b'"}}'
        length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
        head = f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n{length}\r\n\r\n"
        writer.write(head.encode() + (b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body))
        try:
            async with asyncio.timeout(PATIENCE_S):
                status = (await reader.readline()).decode().strip()
        except ConnectionError as error:  # closed while we were still sending
            status = str(error)
        writer.close()
        if " 200" in status:
            raise RuntimeError(f"a body of {megabytes} MB was answered {status}")
        return {"status": status}

    async def bombs(self, port: int, kind: str, size: str, times: int) -> Answer:
        """Send one kind so often, each after the answer to the one before; the codes of the answers."""
        if self._client is None or self._client.socket.closed.done():
            self._client = await Client.greeted(port)
        codes: set[str] = set()
        for _ in range(times):
            answer = await self._client.ask(BOMBS[kind](SIZES[size]), {})
            if answer["type"] != "error":
                raise RuntimeError(f"a bomb of {kind} ({size}) was answered {answer['type']}")
            codes.update(str(error.get("extensions", {}).get("code")) for error in answer["payload"])
        return {"codes": sorted(codes)}

    async def crowd(self, port: int, sockets: int, addresses: list[str], for_s: float) -> Answer:
        """Sockets that open and say nothing; how many were let in, and how many of those are still there after a while."""
        let_in: list[Socket] = []

        async def one(number: int) -> None:
            try:
                let_in.append(await connect(port, addresses[number % len(addresses)]))
            except OSError:
                return

        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(one(number) for number in range(sockets)))
        most = sum(not socket.closed.done() for socket in let_in)
        await asyncio.sleep(for_s)
        left = [socket for socket in let_in if not socket.closed.done()]
        for socket in let_in:
            socket.drop()
        return {"most": most, "left": len(left)}

    async def operations(self, port: int, query: str, operations: int, address: str) -> Answer:
        """So many operations at once on one connection; how many run, and how the others were refused."""
        client = await Client.greeted(port, address)
        answers: dict[int, str] = {}
        over = asyncio.Event()
        client.socket.closed.add_done_callback(lambda _: over.set())

        def hear(number: int, message: dict[str, Any]) -> None:
            refused = message["type"] == "error"
            code = str(message["payload"][0].get("extensions", {}).get("code")) if refused else message["type"]
            answers.setdefault(number, code)
            if len(answers) == operations:
                over.set()

        for number in range(operations):
            client.subscribe(query, {}, lambda message, number=number: hear(number, message))  # type: ignore[misc]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), PATIENCE_S)
        closed = client.socket.closed.result() if client.socket.closed.done() else None
        client.socket.drop()
        refused = sorted({code for code in answers.values() if code != "next"})
        return {"running": sum(code == "next" for code in answers.values()), "refused": refused, "closed": closed}
