"""GET /admin/flow: every hop with what it did and what waits before it, and an answer whatever is away."""

import http.client
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import json as msgjson
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from apps import shop
from hosts.admin.knowing import Known
from hosts.local import Local, open_local
from hosts.local_gateway import LocalGateway, open_local_gateway
from hosts.settings import Settings
from runtime.domain import App
from runtime.errors import Unavailable
from runtime.ports import Output

MEMORY = "memory://"
ORDER = shop.PlaceOrder("o1", "ann", "cup", 2, 500, datetime(2026, 1, 1, tzinfo=UTC))
LATE_S = 30.0


class Bed:
    """A shop with its gateway, asked over HTTP."""

    def __init__(self, local: Local, gateway: LocalGateway) -> None:
        self.local, self.gateway = local, gateway

    def asked(self, path: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.serving.port, timeout=30)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def flow(self, until: Callable[[dict[str, Any]], bool] = lambda _: True) -> Any:
        """The flow, asked again until it is so."""
        late = time.monotonic() + LATE_S
        while True:
            status, told = self.asked("/admin/flow")
            assert status == 200, told
            if until(told):
                return told
            assert time.monotonic() < late, told
            time.sleep(0.1)


@contextmanager
def served(told: Settings, *, app: App = shop.app, started: bool = True) -> Iterator[Bed]:
    with ExitStack() as stack:
        local = open_local(told, app, stack)
        gateway = open_local_gateway(local, told, lambda: (True, {}))
        stack.callback(gateway.serving.stop)
        if started:
            local.start()
        gateway.serving.start()
        yield Bed(local, gateway)


@pytest.fixture
def bed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bed]:
    monkeypatch.chdir(tmp_path)
    with served(Settings("shop", MEMORY, MEMORY, MEMORY, port=0)) as opened:
        yield opened


def group(told: dict[str, Any], name: str) -> Any:
    return next(each for each in told["groups"] if each["name"] == name)


def test_each_hop_says_what_it_did_and_what_waits_before_it(bed: Bed) -> None:
    bed.local.commands.send(shop.Restock("cup", 5))
    bed.local.commands.send(ORDER)
    told = bed.flow(lambda told: told["sagas"][0]["sent"] >= 2 and group(told, "rows")["total"] >= 5)
    told = bed.flow(lambda told: told["relay"]["backlog"] == 0 and all(each["lag_total"] == 0 for each in told["groups"]))
    assert told["failure"] is None
    assert (told["store"]["kind"], told["store"]["epoch"], told["bus"], told["rows"]) == (
        "memory",
        1,
        {"kind": "memory", "partitions": 8},
        {"kind": "memory"},
    )
    assert told["commands"]["total"] == bed.local.watching.commands.total
    assert told["commands"]["p50_ms"] <= told["commands"]["p95_ms"]
    assert told["relay"]["total"] == bed.local.relaying.published
    rows, selling = group(told, "rows"), group(told, "selling")
    assert (rows["saga"], selling["saga"]) == (False, True)
    assert [each["partition"] for each in rows["lag"]] == list(range(8))
    assert (rows["generation"], rows["replicas"], rows["letters"]) == (1, 1, 0)
    assert rows["total"] == told["relay"]["total"]
    assert 0 < rows["batch_p50_ms"] <= rows["batch_p95_ms"]
    assert told["sagas"][0]["name"] == "selling"
    assert abs(datetime.fromisoformat(told["clock"]) - datetime.fromisoformat(told["now"])) < timedelta(hours=1)


def test_what_waits_is_seen_as_backlog_and_lag_before_the_projectors_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with served(Settings("shop", MEMORY, MEMORY, MEMORY, port=0), started=False) as bed:
        for sku in ("cup", "pot", "tea"):
            bed.local.commands.send(shop.Restock(sku, 1))
        told = bed.flow(lambda told: told["relay"]["backlog"] == 3)
        assert (told["store"]["kind"], told["relay"]["total"], told["commands"]["total"]) == ("memory", 0, 3)
        assert group(told, "rows")["generation"] is None, "nobody folds yet, and that is said"
        assert group(told, "rows")["lag"] is None


def test_on_kafka_each_group_has_its_lag_and_as_many_replicas_as_joined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kafka_url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    app = App(f"shop{uuid.uuid4().hex[:12]}", parts=shop.app.parts, api=shop.app.api)  # a topic of this test alone
    with served(Settings(app.name, MEMORY, MEMORY, kafka_url, port=0), app=app) as bed:
        bed.local.commands.send(shop.Restock("cup", 5))
        told = bed.flow(lambda told: all(each["lag_total"] == 0 and each["replicas"] == 1 and each["total"] for each in told["groups"]))
        assert told["bus"] == {"kind": "kafka", "partitions": 8}
        assert [each["partition"] for each in group(told, "rows")["lag"]] == list(range(8))


def test_outputs_are_counted_by_what_they_wait_for(bed: Bed) -> None:
    command = msgjson.encode(shop.SettleOrder("nobody", "sold"))
    later = datetime.now(UTC) + timedelta(days=400)
    timers = [Output("selling", f"key-{n}", "order-nobody", 1, n, command, due=later) for n in range(1, 4)]
    bed.local.rows.put_outputs([*timers, Output("selling", "stuck", "order-nobody", 1, 9, command, error="no such order", stuck=True)])
    told = bed.flow(lambda told: told["sagas"][0]["timers"] == 3 and told["sagas"][0]["stuck"] == 1)
    assert told["sagas"][0] | {"sent": 0, "per_s": 0.0} == {
        "name": "selling",
        "pending": 0,
        "timers": 3,
        "stuck": 1,
        "cut": False,
        "sent": 0,
        "per_s": 0.0,
    }


def test_the_saga_clock_is_the_one_that_a_replay_drives(bed: Bed) -> None:
    driven = datetime(2040, 1, 7, tzinfo=UTC)
    bed.local.rows.set_clock(driven)
    assert bed.flow(lambda told: told["clock"] is not None and datetime.fromisoformat(told["clock"]) == driven)["failure"] is None


def test_subscribers_and_what_is_pushed_to_them_are_counted(bed: Bed) -> None:
    assert bed.gateway.tokens is not None
    url = f"ws://127.0.0.1:{bed.gateway.serving.port}/graphql"
    with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
        token = bed.gateway.tokens.sign("ann", roles=("clerk",))
        socket.send(json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}))
        assert json.loads(socket.recv(LATE_S))["type"] == "connection_ack"
        socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": "subscription { ticketRows { changed { key } } }"}}))
        told = bed.flow(lambda told: told["gateway"]["subscriptions"] == 1)
        assert (told["gateway"]["connections"], told["gateway"]["operations"], told["gateway"]["cohorts"]) == (1, 1, 1)
        bed.local.commands.send(ORDER)
        bed.flow(lambda told: told["gateway"]["pushes"] >= 1 and told["gateway"]["pushes_per_s"] >= 0)
    assert bed.flow(lambda told: told["gateway"]["subscriptions"] == 0)["gateway"]["connections"] == 0


def test_a_bus_that_is_away_leaves_its_parts_unknown_and_the_rest_told(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: str) -> Any:
        raise Unavailable("kafka://ann:s3cret@broker:9092 does not answer")

    monkeypatch.setattr(bed.local.bus, "lag", away)
    told = bed.flow()
    rows = group(told, "rows")
    assert (rows["lag"], rows["lag_total"], rows["generation"]) == (None, None, 1)
    assert told["failure"] == "kafka://ann:***@broker:9092 does not answer"
    assert told["relay"]["backlog"] == 0


def test_a_bus_that_hangs_holds_no_answer_up(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    freed, asked = threading.Event(), []

    def hanging(group: str) -> Any:
        asked.append(group)
        freed.wait(LATE_S)
        return {0: 7}

    monkeypatch.setattr(bed.local.bus, "lag", hanging)
    try:
        told = bed.flow()
        for _ in range(4):
            told = bed.flow()
            assert group(told, "rows")["lag"] is None
            assert told["failure"] == "no answer yet"
        assert len(asked) == len(told["groups"]), "it is asked once, and not again before it has answered"
    finally:
        freed.set()
    assert bed.flow(lambda told: group(told, "rows")["lag_total"] == 7)["failure"] is None


def test_what_stopped_the_process_is_told_first(bed: Bed) -> None:
    bed.local.failure = Unavailable("postgresql://ann:s3cret@db:5432/shop is away")
    assert bed.flow()["failure"] == "postgresql://ann:***@db:5432/shop is away"


def test_traces_are_told_newest_first_or_one_by_its_token(bed: Bed) -> None:
    for number in range(3):
        bed.local.commands.send(shop.Restock(f"cup-{number}", 1), trace=f"00-{number + 1:032x}-00f067aa0ba902b7-01")
    status, told = bed.asked("/admin/traces?limit=2")
    assert (status, [each["token"] for each in told["traces"]]) == (200, ["stock-cup-2@1", "stock-cup-1@1"])
    status, one = bed.asked("/admin/traces?token=stock-cup-0@1")
    assert (status, one["id"], one["command"]) == (200, f"{1:032x}", "Restock")
    status, none = bed.asked("/admin/traces?token=stock-cup-0@9")
    assert (status, none["code"]) == (404, "NOT_FOUND")
    for wrong in ("limit=0", "limit=x", "limit=9999", "page=1", "limit=1&limit=2"):
        status, refused = bed.asked(f"/admin/traces?{wrong}")
        assert (status, refused["code"]) == (400, "BAD_INPUT"), wrong


def test_an_answer_that_could_not_be_renewed_is_forgotten_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[int] = [3]

    def ask() -> int:
        if not answers:
            raise Unavailable("away")
        return answers.pop()

    question = Known(ask, 0.0)
    question.refresh()
    assert question.answer(time.monotonic() + LATE_S) == 3
    question.refresh()
    assert question.answer(time.monotonic() + LATE_S) == 3, "the last answer is told for a while"
    assert question.failure == "away"
    monkeypatch.setattr("hosts.admin.knowing.FORGET_S", -1.0)
    assert question.answer(time.monotonic()) is None
