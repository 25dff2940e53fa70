"""The plain HTTP face: commands in, rows out, errors as one line with the right status."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from apps.shop import app
from hosts.http import BODY_MAX, Face, Server
from hosts.local import open_local
from hosts.settings import Settings
from runtime.errors import Misconfigured


@pytest.fixture
def server() -> Iterator[Server]:
    with ExitStack() as stack:
        local = open_local(Settings("shop", "memory://", "memory://", "memory://"), app, stack)
        server = Server(Face(app, local.commands, local.reading, lambda: (True, {"app": "shop"})), "127.0.0.1", 0)
        stack.callback(server.stop)
        local.start()
        server.start()
        yield server


def asked(server: Server, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        text = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        connection.request(method, path, text, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


ORDER = {"type": "PlaceOrder", "order": "o1", "customer": "ann", "sku": "cup", "quantity": 1, "amount": 100, "at": "2026-05-01T12:00:00Z"}


def test_a_command_answers_with_a_token_and_the_row_after_it_is_there(server: Server) -> None:
    status, answer = asked(server, "POST", "/commands", ORDER, Idempotency_Key="k1")
    assert (status, answer["token"], answer["replayed"]) == (200, "order-o1@1", False)
    status, found = asked(server, "GET", f"/rows/ticket?key=o1&after={answer['token']}")
    assert (status, found["stale"], found["row"]["customer"]) == (200, False, "ann")
    assert asked(server, "GET", "/rows/ticket?first=10")[1]["rows"][0]["order"] == "o1"


def test_the_same_key_has_the_same_answer_and_with_another_command_it_is_refused(server: Server) -> None:
    assert asked(server, "POST", "/commands", ORDER, Idempotency_Key="k1")[0] == 200
    assert asked(server, "POST", "/commands", ORDER, Idempotency_Key="k1")[1]["replayed"]
    status, answer = asked(server, "POST", "/commands", ORDER | {"amount": 5}, Idempotency_Key="k1")
    assert status == 409
    assert "key 'k1'" in answer["error"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"{", "not JSON"),
        (ORDER | {"quantity": "two"}, "quantity"),
        (ORDER | {"colour": "red"}, "colour"),
        ({"type": "Dance"}, "PlaceOrder"),
        ({"type": "SettleOrder", "order": "nobody", "outcome": "sold"}, "no order"),
    ],
)
def test_what_the_caller_did_wrong_is_a_400_that_names_it(server: Server, body: object, named: str) -> None:
    status, answer = asked(server, "POST", "/commands", body)
    assert status == 400
    assert named in answer["error"]


def test_unknown_paths_parts_and_parameters_are_named(server: Server) -> None:
    assert asked(server, "GET", "/nothing")[0] == 404
    assert asked(server, "POST", "/rows/ticket", {})[0] == 404
    assert "ticket" in asked(server, "GET", "/rows/tickets")[1]["error"]
    assert "limit" in asked(server, "GET", "/rows/ticket?limit=3")[1]["error"]
    assert "1,000" in asked(server, "GET", "/rows/ticket?first=5000")[1]["error"]
    assert asked(server, "GET", "/health") == (200, {"app": "shop"})


def test_a_body_too_large_is_refused_before_it_is_read(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(f"POST /commands HTTP/1.1\r\nHost: x\r\nContent-Length: {BODY_MAX + 1}\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_two_commands_at_once_are_both_answered(server: Server) -> None:
    statuses: list[int] = []

    def one(number: int) -> None:
        statuses.append(asked(server, "POST", "/commands", ORDER | {"order": f"o{number}"})[0])

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 8


def test_a_port_in_use_says_so(server: Server) -> None:
    with pytest.raises(Misconfigured, match="in use"):
        Server(Face(app, None, None, lambda: (True, {})), "127.0.0.1", server.port)
