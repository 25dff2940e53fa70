"""The gateway of dev and demo: whose tokens it believes, to which names it answers, and what its page offers."""

import http.client
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from graphql import parse, validate
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from apps import flights, shop
from cli.demo import IN_THE_AIR
from hosts.local import open_local
from hosts.local_gateway import LocalGateway, open_local_gateway, roles
from hosts.settings import Settings
from runtime.domain import App
from runtime.live.schema.building import build

MEMORY = "memory://"
ASKED = json.dumps({"query": "{ ticketRows { nodes { order } } }"}).encode()


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalGateway]:
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:
        told = Settings("shop", MEMORY, MEMORY, MEMORY, port=0)
        local = open_local(told, shop.app, stack)
        opened = open_local_gateway(local, told, lambda: (True, {}))
        stack.callback(opened.serving.stop)
        local.start()
        opened.serving.start()
        yield opened


def asked(gateway: LocalGateway, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.serving.port, timeout=30)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def rows_for(gateway: LocalGateway, token: str) -> Any:
    status, body = asked(gateway, "POST", "/graphql", ASKED, Content_Type="application/json", Authorization=f"Bearer {token}")
    return status, json.loads(body)


def test_it_believes_its_own_tokens_and_those_of_no_other_folder(gateway: LocalGateway, tmp_path: Path) -> None:
    assert gateway.tokens is not None
    assert rows_for(gateway, gateway.tokens.sign("ann")) == (200, {"data": {"ticketRows": {"nodes": []}}})
    elsewhere = type(gateway.tokens)(tmp_path / "elsewhere")
    status, answer = rows_for(gateway, elsewhere.sign("ann"))
    assert (status, answer["errors"][0]["extensions"]["code"]) == (401, "UNAUTHENTICATED")


def test_a_browser_gets_the_page_and_a_program_the_api(gateway: LocalGateway) -> None:
    status, page = asked(gateway, "GET", "/graphql", Accept="text/html,*/*")
    assert (status, b"GraphiQL" in page) == (200, True)
    assert asked(gateway, "GET", "/graphql", Accept="application/json")[0] == 400
    status, studio = asked(gateway, "GET", "/")
    assert (status, b"GraphiQL" in studio) == (200, False)
    status, health = asked(gateway, "GET", "/health")
    assert (status, json.loads(health)["gateway"]["connections"]) == (200, 0)
    assert asked(gateway, "GET", "/nothing")[0] == 404


@pytest.mark.parametrize("path", ["/graphql", "/health", "/rows/ticket", "/graphiql/page.js"])
def test_a_name_that_somebody_pointed_here_gets_nothing(gateway: LocalGateway, path: str) -> None:
    status, body = asked(gateway, "GET", path, Host="evil.example:8000", Accept="text/html")
    assert (status, b"this machine" in body) == (421, True)
    with (
        pytest.raises(InvalidStatus),
        connect(
            f"ws://127.0.0.1:{gateway.serving.port}/graphql",
            subprotocols=[Subprotocol("graphql-transport-ws")],
            additional_headers={"Host": "evil.example:8000"},
            origin=Origin("http://evil.example:8000"),
        ),
    ):
        pass


def test_no_page_of_elsewhere_uses_the_plain_face(gateway: LocalGateway) -> None:
    command = json.dumps({"type": "Restock", "sku": "cup", "quantity": 5}).encode()
    assert asked(gateway, "POST", "/commands", command, Origin="https://evil.example")[0] == 403
    assert asked(gateway, "GET", "/rows/ticket", Origin="https://evil.example")[0] == 403
    assert asked(gateway, "POST", "/commands", command)[0] == 200


def test_an_address_that_others_reach_has_neither_page_nor_plain_face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:
        told = Settings("shop", MEMORY, MEMORY, MEMORY, port=0)
        local = open_local(told, shop.app, stack)
        monkeypatch.setattr("hosts.local_gateway.on_this_machine", lambda host: False)  # as for 0.0.0.0, without listening there
        opened = open_local_gateway(local, told, lambda: (True, {}))
        stack.callback(opened.serving.stop)
        opened.serving.start()
        assert not opened.shows_pages
        assert asked(opened, "GET", "/graphql", Accept="text/html")[0] == 406
        assert asked(opened, "GET", "/rows/ticket")[0] == 404
        assert asked(opened, "GET", "/health")[0] == 200


def test_the_visitor_has_every_role_that_the_app_names() -> None:
    assert roles(shop.app) == ("clerk",)
    assert roles(flights.app) == ("operations",)


def test_the_demos_own_example_fits_its_schema() -> None:
    schema = build(flights.app).schema
    assert validate(schema, parse(IN_THE_AIR.query)) == []


def test_an_app_that_shows_nothing_runs_all_the_same_and_says_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    quiet = App("quiet", parts=shop.app.parts)
    with ExitStack() as stack:
        told = Settings("quiet", MEMORY, MEMORY, MEMORY, port=0)
        local = open_local(told, quiet, stack)
        opened = open_local_gateway(local, told, lambda: (True, {}))
        stack.callback(opened.serving.stop)
        local.start()
        opened.serving.start()
        status, body = asked(opened, "POST", "/graphql", ASKED, Content_Type="application/json")
        assert (status, b"expose(part, allow=" in body, opened.shows_something) == (404, True, False)
        command = json.dumps({"type": "Restock", "sku": "cup", "quantity": 5}).encode()
        assert asked(opened, "POST", "/commands", command)[0] == 200
        with (
            pytest.raises(InvalidStatus),
            connect(f"ws://127.0.0.1:{opened.serving.port}/graphql", subprotocols=[Subprotocol("graphql-transport-ws")]),
        ):
            pass
