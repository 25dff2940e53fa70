"""The gateway as a process beside command functions, relay and projectors, all on a real PostgreSQL and a real Kafka."""

import json
import signal
import subprocess
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.cli.running import environment, started
from tests.live.issuer import AUDIENCE, ISSUER, Issuer, issuing
from tests.servers import postgres

ORDER = {"customer": "ann", "sku": "cup", "quantity": 1, "amount": 100, "at": "2026-05-01T12:00:00Z"}
PLACE = "mutation ($input: PlaceOrderInput!) { placeOrder(input: $input) { token replayed } }"
RESTOCK = 'mutation { restock(input: {sku: "cup", quantity: 5}) { token } }'
LIVE = "subscription { ticketRows { snapshot changed { key row { stage } } cursor } }"


class Fleet(Struct):
    """Everything that runs, and where."""

    gateway: "subprocess.Popen[str]"
    url: str
    commands: str
    issuer: Issuer


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, postgres_base: str, kafka_url: str) -> Iterator[Fleet]:
    """One for all tests here; the last of them ends the gateway."""
    tmp_path = tmp_path_factory.mktemp("fleet")
    name = f"shop{uuid.uuid4().hex[:12]}"  # a topic of this test alone
    text = f"from apps import shop\nfrom runtime.domain import App\napp = App({name!r}, parts=shop.app.parts, api=shop.app.api)\n"
    (tmp_path / "mine.py").write_text(text)
    with ExitStack() as stack:
        url = stack.enter_context(postgres.database(postgres_base))
        told = ("--app", "mine:app", "--events", url, "--rows", url, "--bus", kafka_url)
        issuer = stack.enter_context(issuing())
        rules = {"TRIMARAN_JWKS": issuer.url, "TRIMARAN_ISSUER": ISSUER, "TRIMARAN_AUDIENCE": AUDIENCE}

        def host(module: str, *arguments: str, **more: str) -> tuple["subprocess.Popen[str]", str]:
            process = started(tmp_path, *told, *arguments, module=f"hosts.{module}", env=rules | more)
            stack.callback(end, process)
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("ready:"), process.communicate(timeout=30)[1]
            return process, line.split()[-1]

        host("projector", "--group", "rows")
        host("projector", "--group", "selling")
        host("relay")
        _, commands = host("command", "--port", "0")
        gateway, where = host("gateway", "--port", "0", TRIMARAN_COMMANDS=commands)
        yield Fleet(gateway, where, commands, issuer)


def end(process: "subprocess.Popen[str]") -> None:
    """Politely, and its pipes are closed."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def posted(url: str, body: object, token: str = "") -> tuple[int, Any]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers), timeout=30) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@contextmanager
def opened(fleet: Fleet, token: str) -> Iterator[ClientConnection]:
    with connect(fleet.url.replace("http://", "ws://"), subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
        socket.send(json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}))
        assert json.loads(socket.recv(30))["type"] == "connection_ack"
        yield socket


def test_a_command_function_elsewhere_decides_by_the_callers_token_and_its_rows_arrive_live(fleet: Fleet) -> None:
    ann, clerk = fleet.issuer.sign("ann"), fleet.issuer.sign("carl", roles=["clerk"])
    with opened(fleet, ann) as socket:
        socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": LIVE}}))
        assert json.loads(socket.recv(30))["payload"]["data"]["ticketRows"]["snapshot"]
        assert "errors" not in posted(fleet.url, {"query": RESTOCK}, clerk)[1]
        _, answer = posted(fleet.url, {"query": PLACE, "variables": {"input": ORDER | {"order": "o1"}}}, ann)
        assert answer["data"]["placeOrder"]["token"] == "order-o1@1"
        stages: list[str] = []
        while "sold" not in stages:
            update = json.loads(socket.recv(60))["payload"]["data"]["ticketRows"]
            stages += [change["row"]["stage"] for change in update["changed"] if change["key"] == "o1"]
    read = 'query ($token: String) { ticket(order: "o1", after: $token) { stage } }'
    seen = posted(fleet.url, {"query": read, "variables": {"token": answer["data"]["placeOrder"]["token"]}}, ann)[1]
    assert seen["data"]["ticket"] == {"stage": "sold"}
    eve = posted(fleet.url, {"query": read}, fleet.issuer.sign("eve"))[1]
    assert eve["data"]["ticket"] is None


def test_rights_hold_at_the_gateway_and_at_the_command_function_itself(fleet: Fleet) -> None:
    ann = fleet.issuer.sign("ann")
    refused = posted(fleet.url, {"query": RESTOCK}, ann)[1]
    assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    restock = {"type": "Restock", "sku": "cup", "quantity": 5}
    direct = f"{fleet.commands}/commands"
    assert posted(direct, restock)[0] == 401
    assert posted(direct, restock, ann)[0] == 403
    assert posted(direct, restock, ann[:-4] + "AAAA")[0] == 401
    assert posted(direct, {"type": "Reserve", "sku": "cup", "order": "o", "quantity": 1}, ann)[0] == 403  # a saga's, shown to nobody
    assert posted(direct, restock, fleet.issuer.sign("carl", roles=["clerk"]))[0] == 200


def test_a_business_rule_is_told_through_both_hops(fleet: Fleet) -> None:
    ann = fleet.issuer.sign("ann")
    body = {"query": PLACE, "variables": {"input": ORDER | {"order": "o2"}}}
    assert "errors" not in posted(fleet.url, body, ann)[1]
    (error,) = posted(fleet.url, body, ann)[1]["errors"]
    assert (error["extensions"]["code"], "already placed" in error["message"]) == ("REJECTED", True)


def test_a_gateway_refuses_settings_that_cannot_work(tmp_path: Path) -> None:
    told = ("--app", "shop", "--rows", "postgresql://me@127.0.0.1:1/x", "--bus", "kafka://127.0.0.1:1")
    process = started(tmp_path, *told, module="hosts.gateway", env={"TRIMARAN_JWKS": "https://id.example/jwks"})
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors.count("\n")) == (2, 1)
    assert "TRIMARAN_ISSUER" in errors


def test_commands_for_other_machines_need_an_identity_provider(tmp_path: Path) -> None:
    told = ("--events", "postgresql://me@127.0.0.1:1/x", "--host", "0.0.0.0")
    process = started(tmp_path, *told, module="hosts.command")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "TRIMARAN_JWKS" in errors
    assert environment().get("TRIMARAN_JWKS") is None


def test_in_production_nobody_looks_around_and_sigterm_says_going_away(fleet: Fleet) -> None:
    ann = fleet.issuer.sign("ann")
    (error,) = posted(fleet.url, {"query": "{ __schema { types { name } } }"}, ann)[1]["errors"]
    assert "introspection" in error["message"]
    with opened(fleet, ann) as socket:
        fleet.gateway.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(30)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
    assert fleet.gateway.wait(30) == 0
