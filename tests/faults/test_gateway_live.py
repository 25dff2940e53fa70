"""Live rows through real WebSockets while things go wrong: faults 32 and 33 (the gateway's side), 43 and 46 of the catalogue."""

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from apps.shop import PlaceOrder, app
from runtime.domain.filters import Compare, Query
from runtime.flow.rebuild import Rebuild
from runtime.live.limits import Limits
from runtime.steps import run
from tests.live import bed
from tests.live.protocol.client import Client, Ended
from tests.processes.figures import p50, p99, report
from tests.rounds import rounds

AT = datetime(2026, 1, 31, tzinfo=UTC)
ROWS = """subscription ($where: TicketFilter, $after: String) { ticketRows(where: $where, after: $after) {
  snapshot reset complete cursor changed { key revision { generation n } row { order stage amount } } removed { key revision { generation n } }
} }"""
PLACED = {"stage": {"eq": "placed"}}
QUERY = "{ ticketRows(first: 1000) { nodes { order stage amount } } }"
MUTATION = """mutation ($input: PlaceOrderInput!) { placeOrder(input: $input) { token } }"""
OWN = "query ($order: String!, $after: String) { ticket(order: $order, after: $after) { order stage } }"


class View:
    """What a client of `ticketRows` shows, and what it must never be told."""

    def __init__(self, where: dict[str, Any] | None = None) -> None:
        self.where = where
        self.rows: dict[str, dict[str, Any]] = {}
        self.revisions: dict[str, tuple[int, int]] = {}
        self.cursor = ""
        self.updates = self.resets = 0
        self.doubled: list[str] = []
        self.backwards: list[str] = []

    def fold(self, update: dict[str, Any]) -> None:
        """One `next`."""
        self.updates += 1
        if update["reset"]:
            self.resets += 1
            self.rows.clear()
        for change in update["changed"]:
            self._see(change, update["snapshot"])
            self.rows[change["key"]] = change["row"]
        for gone in update["removed"]:
            if gone["key"] in self.rows:
                self._see(gone, update["snapshot"])
                del self.rows[gone["key"]]
        self.cursor = update["cursor"]

    def _see(self, told: dict[str, Any], snapshot: bool) -> None:
        key, revision = told["key"], (told["revision"]["generation"], told["revision"]["n"])
        known = self.revisions.get(key, (0, 0))
        if revision < known:
            self.backwards.append(f"{key}: {revision} after {known}")
        elif revision == known and not snapshot:
            self.doubled.append(f"{key}: {revision}")
        self.revisions[key] = revision

    def ask(self, client: Client) -> None:
        """Subscribe, from the last cursor on."""
        client.ask("1", ROWS, where=self.where, **({"after": self.cursor} if self.cursor else {}))

    def hear(self, client: Client, within_s: float = 20.0) -> None:
        """The next update."""
        message = client.hear(within_s)
        while message["type"] in ("ping", "pong"):
            message = client.hear(within_s)
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        self.fold(message["payload"]["data"]["ticketRows"])

    def clean(self) -> bool:
        """Nothing twice, nothing older."""
        return self.doubled == [] and self.backwards == []


def greeted(running: bed.Bed, who: str = "ann") -> Client:
    return Client(running.socket_url).greet({"token": running.tokens.sign(who)})


def truth(running: bed.Bed, stage: str = "") -> dict[str, dict[str, Any]]:
    """Ann's tickets as they are in the store."""
    rows, found, cursor = running.local.rows, dict[str, dict[str, Any]](), ""
    number = rows.generations("rows")[-1].number
    while True:
        page = rows.query(number, app.groups["rows"].tables[0], Query(Compare("customer", "eq", "ann"), (), 1_000, cursor))
        for key, row in page.rows:
            assert row.values is not None
            found[key] = {"order": row.values[0], "stage": row.values[3], "amount": row.values[2]}
        cursor = page.cursor
        if not cursor:
            return {key: row for key, row in found.items() if stage in ("", row["stage"])}


@contextmanager
def writing(running: bed.Bed, every_s: float = 0.01, prefix: str = "w", customer: str = "ann") -> Iterator[list[str]]:
    """Orders come in all the time; the saga settles each."""
    stop, placed = threading.Event(), list[str]()

    def work() -> None:
        while not stop.wait(every_s):
            order = f"{prefix}{len(placed)}"
            running.send(PlaceOrder(order, customer, f"tea-{order}", 1, 1, AT))  # a product each: the saga's commands never meet
            placed.append(order)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield placed
    finally:
        stop.set()
        thread.join()


def until(true: Callable[[], object], seconds: float = 20.0, what: str = "it") -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what} did not become true in time"
        time.sleep(0.01)


# 46


@pytest.mark.rounds
def test_fault_46_a_subscriber_dropped_again_and_again_misses_nothing_and_sees_nothing_twice() -> None:
    drops, dice = rounds(100), random.Random(46)
    views = [View(), View(PLACED)]
    lost = 0
    with bed.running() as running:
        with writing(running, 0.01) as placed:
            for drop in range(drops):
                view = views[drop % 2]
                with greeted(running) as client:
                    view.ask(client)
                    for _ in range(dice.randrange(9)):
                        view.hear(client)
                    if dice.random() < 0.5:
                        time.sleep(dice.random() * 0.05)  # what comes now is lost with the connection
                        lost += 1
                    client.vanish()
        running.settle()
        for view, stage in zip(views, ("", "placed"), strict=True):
            wanted = truth(running, stage)
            with greeted(running) as client:
                view.ask(client)
                while view.rows != wanted:
                    view.hear(client)
            assert view.clean(), (view.doubled, view.backwards)
            assert view.resets == 1  # the first picture
        assert len(truth(running)) == len(placed)
    report(
        "46 subscriber dropped", drops=drops, lost=lost, missing=0, doubled=0, updates=sum(view.updates for view in views), rows=len(placed)
    )


# 43


def deaf(running: bed.Bed, operations: int) -> socket.socket:
    """A client that asks for everything and never reads again."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    host, port = running.url.removeprefix("http://").removesuffix("/graphql").split(":")
    plain.connect((host, int(port)))
    plain.sendall(
        f"GET /graphql HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n".encode()
    )
    assert b"101" in plain.recv(1024)
    aliases = " ".join(f"a{n}: order" for n in range(25))
    query = f"subscription {{ ticketRows {{ cursor changed {{ key row {{ stage {aliases} }} }} removed {{ key }} }} }}"
    token = running.tokens.sign("ann")
    _say(plain, f'{{"type":"connection_init","payload":{{"token":"{token}"}}}}')
    assert b"connection_ack" in plain.recv(1024)
    for n in range(operations):
        _say(plain, f'{{"type":"subscribe","id":"{n}","payload":{{"query":"{query}"}}}}')
    return plain


def _say(plain: socket.socket, text: str) -> None:
    data = text.encode()
    mask = b"\1\2\3\4"
    length = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0x80 | 126]) + len(data).to_bytes(2)
    plain.sendall(b"\x81" + length + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(data)))


def kept(running: bed.Bed) -> int:
    """The most that is kept in memory for one connection, in characters of frames."""
    return running.call(lambda: max((driving.outbox._bytes for driving in running.gateway._sockets), default=0))


@pytest.mark.parametrize("rows", [100, pytest.param(100_000, marks=pytest.mark.long)], ids=["closed", "coalesced"])
def test_fault_43_a_client_that_stops_reading_costs_a_bounded_buffer_and_nobody_else_anything(rows: int) -> None:
    limits = Limits(outbox_rows=rows, keep_alive_s=600.0)
    most, waits = 0, list[float]()
    orders = 900
    with bed.running(limits=limits) as running:
        stopped = deaf(running, 20)
        until(lambda: running.gateway.figures()["operations"] == 20)
        with greeted(running) as client:
            view = View()
            view.ask(client)
            view.hear(client)
            for n in range(orders):
                order = f"{n}-{'x' * 150}"
                started = time.monotonic()
                running.send(PlaceOrder(order, "ann", f"tea-{n}", 1, 1, AT))
                while order not in view.rows:
                    view.hear(client)
                waits.append(time.monotonic() - started)
                if n % 50 == 0:
                    most = max(most, kept(running))
            running.settle()
            wanted = truth(running)
            while view.rows != wanted:
                view.hear(client)
            assert view.clean()
        figures = running.call(running.hub.figures)
        if rows == 100:
            assert figures["overflows"] >= 1
            until(lambda: running.gateway.figures()["connections"] == 0, 20, "the deaf client's connection is over")
        else:
            assert figures["slow"] == 20, figures
            assert figures["overflows"] == 0
            assert running.gateway.figures()["connections"] >= 1
        stopped.close()
    report("43 client stops reading", kept_bytes=most, p50_ms=p50(waits) * 1000, p99_ms=p99(waits) * 1000, overflows=figures["overflows"])
    assert most <= limits.outbox_bytes
    assert p99(waits) < 1.0


# 32


class Asking(threading.Thread):
    """Queries over HTTP until told to stop; notes what failed, and what was older than it was before."""

    def __init__(self, running: bed.Bed) -> None:
        super().__init__(daemon=True)
        self._url, self._headers = running.url, {"authorization": f"Bearer {running.tokens.sign('ann')}"}
        self._over = threading.Event()
        self.queries = 0
        self.failed: list[str] = []
        self.backwards: list[str] = []

    def run(self) -> None:
        """One after the other."""
        seen: dict[str, str] = {}
        with httpx.Client(headers=self._headers, timeout=20) as client:
            while not self._over.wait(0.005):
                answer = client.post(self._url, json={"query": QUERY}).json()
                self.queries += 1
                if "errors" in answer:
                    self.failed.append(str(answer))
                    continue
                rows = {row["order"]: row["stage"] for row in answer["data"]["ticketRows"]["nodes"]}
                self.backwards += [
                    f"{order}: {stage}, then {rows.get(order)}" for order, stage in seen.items() if _older(stage, rows.get(order))
                ]
                seen = rows

    def end(self) -> None:
        """Stop."""
        self._over.set()
        self.join(20)


def _older(stage: str, now: str | None) -> bool:
    return now is None or (stage != "placed" and now == "placed")


class Watching(threading.Thread):
    """A live subscriber until told to stop."""

    def __init__(self, running: bed.Bed, where: dict[str, Any] | None) -> None:
        super().__init__(daemon=True)
        self._running, self.view = running, View(where)
        self._over = threading.Event()
        self.failed: list[str] = []

    def run(self) -> None:
        """Fold what comes."""
        with greeted(self._running) as client:
            self.view.ask(client)
            while not self._over.is_set():
                try:
                    self.view.hear(client, 0.2)
                except TimeoutError:
                    continue
                except (AssertionError, Ended) as error:
                    self.failed.append(repr(error))
                    return

    def end(self) -> None:
        """Stop."""
        self._over.set()
        self.join(20)


@pytest.mark.rounds
def test_fault_32_a_rebuild_under_writes_fails_no_query_of_the_gateway_and_no_subscriber_sees_time_run_backwards() -> None:
    swaps = max(2, rounds(10))
    with bed.running() as running:
        local = running.local
        rebuild = Rebuild(app, "rows", local.events.store, local.rows, local.bus, local.signals)
        asking, watching = [Asking(running) for _ in range(2)], [Watching(running, where) for where in (None, PLACED)]
        with writing(running, 0.05) as placed:
            until(lambda: len(placed) > 5)
            for one in (*asking, *watching):
                one.start()
            until(lambda: all(one.view.resets for one in watching), 20, "subscribers have their first picture")
            for swap in range(swaps):
                green = run(rebuild.start())
                run(rebuild.fill(green))
                run(rebuild.swap())
                until(lambda: run(rebuild.finish()), 20, "the gateway gives the old generation back")
                until(lambda swap=swap: all(one.view.resets == swap + 2 for one in watching), 20, "subscribers see the new one")  # type: ignore[misc]
        running.settle()
        for one, stage in zip(watching, ("", "placed"), strict=True):
            wanted = truth(running, stage)
            until(lambda one=one, wanted=wanted: one.view.rows == wanted or one.failed, 20, "they see what is there")  # type: ignore[misc]
        threads: list[Asking | Watching] = [*asking, *watching]
        for thread in threads:
            thread.end()
            assert thread.failed == []
        assert all(one.backwards == [] and one.queries > 0 for one in asking)
        assert all(one.view.clean() for one in watching), [(one.view.doubled, one.view.backwards) for one in watching]
        assert local.rows.generations("rows")[-1].number == 1 + swaps
        assert len(placed) < 1_000  # one page of a query shows all of them
    report("32 rebuild under the gateway", swaps=swaps, queries=sum(one.queries for one in asking), failed=0, backwards=0, rows=len(placed))


# 33


@pytest.mark.rounds
def test_fault_33_what_a_client_reads_after_its_token_is_never_older_than_it() -> None:
    total = rounds(1_000)
    waits = []
    with bed.running(limits=Limits(wait_s=20.0)) as running, writing(running, 0.05, "other-", "bob"):
        headers = {"authorization": f"Bearer {running.tokens.sign('ann')}"}
        with httpx.Client(headers=headers, timeout=20) as client, greeted(running) as live:

            def asked(query: str, **variables: Any) -> dict[str, Any]:
                answer: dict[str, Any] = client.post(running.url, json={"query": query, "variables": variables}).json()
                assert "errors" not in answer and "stale" not in answer.get("extensions", {}), answer
                return answer["data"]  # type: ignore[no-any-return]

            for n in range(total):
                order = f"mine-{n}"
                started = time.monotonic()
                given = {"order": order, "customer": "ann", "sku": f"tea-{n}", "quantity": 1, "amount": 1, "at": AT.isoformat()}
                token = asked(MUTATION, input=given)["placeOrder"]["token"]
                if n % 10:
                    assert asked(OWN, order=order, after=token)["ticket"]["order"] == order
                else:
                    live.ask(
                        order,
                        "subscription ($o: String!, $t: String) { ticket(order: $o, after: $t) { row { order } stale } }",
                        o=order,
                        t=token,
                    )
                    while ((message := live.hear())["type"], message.get("id")) != ("next", order):  # an earlier one may change once more
                        assert message["type"] in ("ping", "complete", "next"), message
                    assert message["payload"]["data"]["ticket"] == {"row": {"order": order}, "stale": False}
                    live.complete(order)
                waits.append(time.monotonic() - started)
    report("33 read your writes by GraphQL", reads=total, older=0, stale=0, p50_ms=p50(waits) * 1000, p99_ms=p99(waits) * 1000)
