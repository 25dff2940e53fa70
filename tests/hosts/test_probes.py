"""The probes' port: it answers at once, whoever else connects to it and says nothing or nonsense."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from hosts.listening import listening
from hosts.probes import AT_ONCE, HEAD_BYTES, HEAD_S, Probes, seconds, serve_probes
from hosts.vitals import Vitals
from runtime.errors import Misconfigured
from tests.hosts.asking import asked, status


@pytest.fixture
def vitals() -> Vitals:
    """Started."""
    vitals = Vitals()
    vitals.begin(threading.Event())
    vitals.started()
    return vitals


@pytest.fixture
def port(vitals: Vitals) -> Iterator[int]:
    probes = Probes("127.0.0.1", 0, vitals)
    probes.start()
    yield probes.port
    probes.stop()


def said(port: int, request: bytes) -> bytes:
    """All that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while more := connection.recv(65_536):
            answer += more
        return answer


def test_three_paths_answer_in_json_and_others_say_which_there_are(port: int, vitals: Vitals) -> None:
    assert asked(port, "/live") == (200, {"failure": None})
    assert asked(port, "/ready?verbose") == (200, {"failure": None})
    assert asked(port, "/load") == (503, {"failure": "this process does not tell its load"})
    vitals.load = lambda: {"sockets": 3, "operations": 7}
    assert asked(port, "/load") == (200, {"sockets": 3, "operations": 7})
    assert asked(port, "/") == (404, {"failure": "there is /live, /ready, /load"})
    head = said(port, b"HEAD /live HTTP/1.0\r\n\r\n")
    assert (head.startswith(b"HTTP/1.1 200 OK\r\n"), head.endswith(b"\r\n\r\n")) == (True, True)
    assert said(port, b"POST /live HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 405 ")


@pytest.mark.parametrize("nonsense", [b"\r\n\r\n", b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET\r\n\r\n", b"/live\r\n\r\n", b"x" * HEAD_BYTES])
def test_nonsense_is_answered_with_404_and_the_next_one_is_served(port: int, nonsense: bytes) -> None:
    assert said(port, nonsense).startswith(b"HTTP/1.1 404 ")
    assert status(port, "/live") == 200


def test_who_connects_and_says_nothing_is_hung_up_on_and_holds_a_few_places_only(port: int) -> None:
    before = threading.active_count()
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10)) for _ in range(AT_ONCE - 1)]
        started = time.monotonic()
        assert status(port, "/live") == 200  # the last place
        assert time.monotonic() - started < HEAD_S
        more = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10)) for _ in range(50)]
        assert threading.active_count() <= before + AT_ONCE + 1
        for connection in (*silent, *more):
            assert connection.recv(1) == b""  # hung up on, at once or after the time for a head
    assert status(port, "/live") == 200


def test_a_port_in_use_names_the_setting_that_chooses_another() -> None:
    taken = listening("127.0.0.1", 0)
    with taken, pytest.raises(Misconfigured, match=r"in use.*TRIMARAN_PROBES"):
        Probes("127.0.0.1", taken.getsockname()[1])


def test_nothing_is_opened_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch, vitals: Vitals) -> None:
    monkeypatch.delenv("TRIMARAN_PROBES", raising=False)
    assert serve_probes("127.0.0.1", vitals) is None
    monkeypatch.setenv("TRIMARAN_PROBES", "0")
    probes = serve_probes("127.0.0.1", vitals)
    assert probes is not None
    assert status(probes.port, "/live") == 200
    probes.stop()


@pytest.mark.parametrize(
    ("name", "text"), [("PROBES", "http"), ("PROBES", "70000"), ("WEDGED_S", "soon"), ("WEDGED_S", "0"), ("WEDGED_S", "nan")]
)
def test_settings_that_cannot_work_are_named(monkeypatch: pytest.MonkeyPatch, vitals: Vitals, name: str, text: str) -> None:
    monkeypatch.setenv(f"TRIMARAN_{name}", text)
    with pytest.raises(Misconfigured, match=f"TRIMARAN_{name}='{text}'"):
        serve_probes("127.0.0.1", vitals)


def test_a_duration_has_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert seconds("LINGER_S", 0.0, most=5.0) == 0.0
    monkeypatch.setenv("TRIMARAN_LINGER_S", "2.5")
    assert seconds("LINGER_S", 0.0, most=5.0) == 2.5
    monkeypatch.setenv("TRIMARAN_LINGER_S", "6")
    with pytest.raises(Misconfigured, match="from 0 to 5"):
        seconds("LINGER_S", 0.0, most=5.0)
