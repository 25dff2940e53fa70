"""Commands carried out by a command function elsewhere: the same answers and the same errors as here, each command once."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from apps.shop import PlaceOrder, Restock, SettleOrder, app
from hosts.http import Face, Server
from hosts.local import Local, open_local
from hosts.remote_commands import RemoteCommands
from hosts.settings import Settings
from runtime.errors import KeyReused, Malformed, Rejected, Unavailable
from runtime.live.errors import Unauthenticated

MEMORY = "memory://"
AT = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def local() -> Iterator[Local]:
    with ExitStack() as stack:
        yield open_local(Settings("shop", MEMORY, MEMORY, MEMORY), app, stack)


@pytest.fixture
def server(local: Local) -> Iterator[Server]:
    server = Server(Face(app, local.commands, None, lambda: (True, {})), "127.0.0.1", 0)
    server.start()
    yield server
    server.stop()


class Opening:
    """Makes senders, and hangs up for them in the end."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def __call__(self, url: str) -> RemoteCommands:
        far = RemoteCommands(app, url, lambda: "")
        self._stack.callback(far.close)
        return far


@pytest.fixture
def remote() -> Iterator[Opening]:
    with ExitStack() as stack:
        yield Opening(stack)


def order(name: str, amount: int = 100) -> PlaceOrder:
    return PlaceOrder(name, "ann", "cup", 1, amount, AT)


def test_an_answer_is_the_same_as_here(remote: Opening, server: Server, local: Local) -> None:
    far = remote(server.url)
    answer = far.send(order("o1"), "k", "", "")
    assert (answer.token, answer.replayed) == ("order-o1@1", False)
    assert far.send(order("o1"), "k", "", "").replayed
    assert local.commands.send(order("o1"), "k").replayed


def test_an_error_is_the_same_as_here(remote: Opening, server: Server) -> None:
    far = remote(server.url)
    far.send(order("o1"), "k", "", "")
    with pytest.raises(KeyReused, match="key 'k'"):
        far.send(order("o1", 5), "k", "", "")
    with pytest.raises(Rejected, match="no order 'o2'") as rejected:
        far.send(SettleOrder("o2", "sold"), "", "", "")
    assert type(rejected.value) is Rejected
    with pytest.raises(Malformed, match="tenant"):
        far.send(order("o3"), "", "acme", "")


def test_an_idle_connection_that_the_other_side_closed_is_opened_again(remote: Opening, server: Server, local: Local) -> None:
    far = remote(server.url)
    far.send(Restock("cup", 1), "", "", "")
    port = server.port
    server.stop()
    again = Server(Face(app, local.commands, None, lambda: (True, {})), "127.0.0.1", port)
    again.start()
    try:
        assert far.send(Restock("cup", 1), "", "", "").token == "stock-cup@2"
    finally:
        again.stop()


def test_one_that_hangs_up_again_and_again_is_unavailable_and_in_doubt(remote: Opening) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        hung_up = []

        def hang_up() -> None:
            for _ in range(2):
                connection, _ = listening.accept()
                with connection:
                    hung_up.append(connection.recv(65_536))

        thread = threading.Thread(target=hang_up, daemon=True)
        thread.start()
        far = remote(f"http://127.0.0.1:{listening.getsockname()[1]}")
        with pytest.raises(Unavailable) as away:
            far.send(Restock("cup", 1), "", "", "")
        thread.join(10)
    assert away.value.in_doubt
    keys = [line for request in hung_up for line in request.split(b"\r\n") if line.startswith(b"Idempotency-Key")]
    assert len(keys) == 2, "asked twice …"
    assert keys[0] == keys[1], "… for one effect"


def test_nobody_there_is_unavailable_and_the_text_names_no_address(remote: Opening) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(Unavailable) as away:
        remote(f"http://127.0.0.1:{port}").send(Restock("cup", 1), "", "", "")
    assert str(port) not in str(away.value)


def test_a_bare_status_has_a_meaning_too(remote: Opening) -> None:
    def answer(status: str) -> Exception:
        with socket.create_server(("127.0.0.1", 0)) as listening:

            def reply() -> None:
                connection, _ = listening.accept()
                with connection:
                    connection.recv(65_536)
                    connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n{{}}".encode())

            thread = threading.Thread(target=reply, daemon=True)
            thread.start()
            with pytest.raises((Rejected, Unavailable)) as told:
                remote(f"http://127.0.0.1:{listening.getsockname()[1]}").send(Restock("cup", 1), "", "", "")
            thread.join(10)
            return told.value

    assert isinstance(answer("401 Unauthorized"), Unauthenticated)
    for status, in_doubt in (("502 Bad Gateway", True), ("429 Too Many Requests", False)):
        error = answer(status)
        assert isinstance(error, Unavailable)
        assert error.in_doubt is in_doubt
