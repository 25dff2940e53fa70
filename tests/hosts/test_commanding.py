"""POST /commands on a gateway's port: a token's rights and nothing else let a command through, and what is told tells nothing of ours."""

import json
import socket
import time
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from hosts.commanding import STRANGERS
from hosts.http import BODY_MAX
from tests.hosts.gateway_house import House, Running, house, posted
from tests.processes.fleet import until
from tests.servers.postgres import PostgresServer

RESTOCK = {"type": "Restock", "sku": "cup", "quantity": 5}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, postgres_base: str, kafka_url: str) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("commanding"), postgres_base, kafka_url) as made:
        yield made


@pytest.fixture(scope="module")
def running(place: House) -> Running:
    return place.gateway(TRIMARAN_ORIGINS="https://shop.example")


@pytest.fixture(scope="module")
def clerk(place: House) -> str:
    return place.issuer.sign("carl", roles=["clerk"])


def test_a_token_with_the_right_is_enough_and_a_key_makes_it_once(running: Running, clerk: str) -> None:
    key = uuid.uuid4().hex
    code, first = posted(f"{running.base}/commands", RESTOCK, clerk, idempotency_key=key)
    assert (code, first["replayed"]) == (200, False)
    assert posted(f"{running.base}/commands", RESTOCK, clerk, idempotency_key=key) == (200, first | {"replayed": True})
    code, said = posted(f"{running.base}/commands", RESTOCK | {"quantity": 6}, clerk, idempotency_key=key)
    assert (code, said["code"]) == (409, "KEY_REUSED")


def test_whoever_may_not_is_told_so_as_by_the_command_function(place: House, running: Running, clerk: str) -> None:
    url, ann = f"{running.base}/commands", place.issuer.sign("ann")
    for token, status, code in (("", 401, "UNAUTHENTICATED"), (ann, 403, "FORBIDDEN"), (f"{ann[:-4]}AAAA", 401, "UNAUTHENTICATED")):
        answer = posted(url, RESTOCK, token)
        assert (answer[0], answer[1]["code"]) == (status, code)
    hidden = {"type": "Reserve", "sku": "cup", "order": "o", "quantity": 1}  # a saga's, shown to nobody
    assert posted(url, hidden, clerk)[0] == 403
    assert posted(url, b"{", clerk)[1]["code"] == "BAD_INPUT"
    assert posted(url, RESTOCK, clerk, tenant="other")[1]["code"] == "BAD_INPUT"


def test_a_page_of_elsewhere_sends_nothing_whoever_looks_at_it(running: Running, clerk: str) -> None:
    """Rights come from the bearer token alone: there is nothing that a browser adds by itself, and the page is refused all the same."""
    url = f"{running.base}/commands"
    for origin in ("https://evil.example", "null"):
        assert posted(url, RESTOCK, clerk, origin=origin)[0] == 403
        assert posted(url, RESTOCK, "", origin=origin, cookie=f"token={clerk}", content_type="text/plain")[0] == 403
    assert posted(url, RESTOCK, "", cookie=f"authorization=Bearer {clerk}")[0] == 401
    assert posted(f"{url}?token={clerk}&authorization=Bearer%20{clerk}", RESTOCK)[0] == 401
    assert posted(url, RESTOCK, clerk, origin="https://shop.example")[0] == 200


def raw(running: Running, head: str) -> bytes:
    """The answer's head to a request that is written by hand."""
    with open_socket(running) as connection:
        connection.sendall(f"POST /commands HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
        return connection.recv(65_536)


def open_socket(running: Running) -> socket.socket:
    parts = urlsplit(running.url)
    return socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=30)


def test_too_much_is_refused_before_it_is_read(running: Running, clerk: str) -> None:
    known = f"Authorization: Bearer {clerk}\r\n"
    assert raw(running, f"{known}Content-Length: {BODY_MAX + 1}\r\n").startswith(b"HTTP/1.1 413 ")
    assert raw(running, f"{known}Transfer-Encoding: chunked\r\n").startswith(b"HTTP/1.1 411 ")
    assert raw(running, "Content-Length: 4000000\r\nAuthorization: Bearer nonsense\r\n").startswith(b"HTTP/1.1 401 ")


@pytest.mark.long
def test_slow_strangers_hold_a_few_places_and_none_of_the_others(running: Running, clerk: str) -> None:
    slow = [open_socket(running) for _ in range(STRANGERS)]
    try:
        for connection in slow:
            connection.sendall(b"POST /commands HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n{")
        time.sleep(0.5)
        until(lambda: posted(f"{running.base}/commands", RESTOCK)[0] == 503, 8, "their places are taken", 0.1)
        assert posted(f"{running.base}/commands", RESTOCK)[1]["code"] == "UNAVAILABLE"
        assert posted(f"{running.base}/commands", RESTOCK, clerk)[0] == 200
        assert slow[0].recv(65_536).startswith(b"HTTP/1.1 408 ")
    finally:
        for connection in slow:
            connection.close()


def test_it_is_there_only_where_tokens_are_checked_and_commands_carried_out(place: House) -> None:
    unsigned = place.gateway(signed=False)
    assert posted(f"{unsigned.base}/commands", RESTOCK)[0] == 404
    elsewhere = place.gateway(TRIMARAN_COMMANDS="http://127.0.0.1:1")
    assert posted(f"{elsewhere.base}/commands", RESTOCK)[0] == 404


def test_in_production_health_says_whether_it_is_well_and_nothing_more(running: Running) -> None:
    with open_socket(running) as connection:
        connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")  # it closes, as HTTP/1.0 does
    told = json.loads(body)
    assert told.keys() == {"app", "failure"}
    assert told["failure"] is None
    assert b"server" not in head.lower()


@pytest.mark.long
def test_a_store_that_is_away_is_told_without_its_address(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer, kafka_url: str
) -> None:
    with house(tmp_path_factory.mktemp("away"), postgres_server.url, kafka_url, fresh=False) as own:
        running = own.gateway()
        clerk = own.issuer.sign("carl", roles=["clerk"])
        assert posted(f"{running.base}/commands", RESTOCK, clerk)[0] == 200
        postgres_server.stop()
        code, said = posted(f"{running.base}/commands", RESTOCK, clerk)
        assert (code, said["code"]) == (503, "UNAVAILABLE")
        assert "127.0.0.1" not in said["error"]
        assert "postgres" not in said["error"]
        postgres_server.start()
