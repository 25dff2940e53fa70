"""How a process ends: a gateway's clients are told to come back elsewhere and get their answers first; a failed start says why, in two places."""

import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.cli.running import started
from tests.hosts.asking import asked, status
from tests.hosts.gateway_house import House, house, opened, posted, subscribe
from tests.processes.fleet import until

LIVE = "subscription { ticketRows { snapshot changed { key row { stage } } cursor } }"
LINGER_S = 4.0
SLOW_S = 30.0  # of a machine that does other things, too


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, postgres_base: str, kafka_url: str) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("termination"), postgres_base, kafka_url) as made:
        yield made


def closed(connection: ClientConnection, within_s: float) -> int:
    """Read until the server closes; its code."""
    with pytest.raises(ConnectionClosed) as ended:
        while True:
            connection.recv(within_s)
    assert ended.value.rcvd is not None
    return ended.value.rcvd.code


def served_while_it_lingers(place: House) -> bool:
    """False when this machine slept through the time in which that can be seen."""
    running, ann = place.gateway(TRIMARAN_LINGER_S=f"{LINGER_S}"), place.issuer.sign("ann")
    with opened(running, ann) as connection:
        subscribe(connection, "1", LIVE)
        assert json.loads(connection.recv(30))["payload"]["data"]["ticketRows"]["snapshot"]
        assert asked(running.probes, "/load") == (200, {"sockets": 1, "operations": 1})
        told_at = time.monotonic()
        running.process.terminate()
        until(lambda: asked(running.probes, "/ready") == (503, {"failure": "shutting down"}), SLOW_S, "it is not ready", 0.01)
        assert status(running.probes, "/live") == 200
        try:
            code, said = posted(running.url, {"query": "{ __typename }"}, ann)  # whoever has not noticed yet is served
            assert (code, said["data"]) == (200, {"__typename": "Query"})
            with opened(running, ann):
                pass
        except (OSError, ConnectionClosed):
            if time.monotonic() - told_at < LINGER_S:
                raise
            return False
        assert closed(connection, 30) == 1001
        assert time.monotonic() - told_at >= LINGER_S
    assert running.process.wait(30) == 0
    return True


def test_on_sigterm_it_is_not_ready_at_once_lingers_and_closes_subscriptions_with_1001(place: House) -> None:
    assert any(served_while_it_lingers(place) for _ in range(3))


def test_a_query_in_hand_is_answered_before_its_socket_is_closed(place: House) -> None:
    running, ann = place.gateway(), place.issuer.sign("ann")  # it does not linger
    answers: list[tuple[int, object]] = []
    with opened(running, ann) as connection, opened(running, ann) as idle:
        subscribe(connection, "1", "{ slow }")
        over_http = threading.Thread(target=lambda: answers.append(posted(running.url, {"query": "{ slow }"}, ann)))
        over_http.start()
        until(lambda: asked(running.probes, "/load")[1] == {"sockets": 2, "operations": 1}, SLOW_S, "it is in hand", 0.01)
        time.sleep(0.3)
        running.process.terminate()
        assert closed(idle, 30) == 1001  # nobody waits for anything here: at once
        messages = []
        with pytest.raises(ConnectionClosed) as ended:
            while True:
                messages.append(json.loads(connection.recv(30)))
        assert ended.value.rcvd is not None
        assert ended.value.rcvd.code == 1001
        mine = [(message["type"], message.get("payload")) for message in messages if message.get("id") == "1"]
        assert mine == [("next", {"data": {"slow": True}}), ("complete", None)]
        over_http.join(30)
    assert answers == [(200, {"data": {"slow": True}})]
    assert running.process.wait(30) == 0


def test_a_client_that_connects_while_sockets_are_closed_is_turned_away(place: House) -> None:
    running = place.gateway()
    ann = place.issuer.sign("ann")
    with opened(running, ann) as connection:
        subscribe(connection, "1", "{ slow }")
        time.sleep(0.5)
        running.process.terminate()
        parts = urlsplit(running.url)

        def refused() -> bool:
            try:
                socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=1).close()
            except OSError:
                return True
            return False

        until(refused, SLOW_S, "nobody listens", 0.02)
        assert running.process.poll() is None  # it does not listen because it ends, but before
        assert json.loads(connection.recv(30))["payload"] == {"data": {"slow": True}}
    assert running.process.wait(30) == 0


@pytest.mark.long
def test_an_event_loop_that_is_stuck_is_found_by_a_thread_that_is_not(place: House) -> None:
    running = place.gateway(TRIMARAN_WEDGED_S="3")
    ann = place.issuer.sign("ann")
    assert (status(running.probes, "/live"), status(running.probes, "/ready")) == (200, 200)
    stuck = threading.Thread(target=lambda: posted(running.url, {"query": "{ stuck }"}, ann))
    stuck.start()
    until(lambda: asked(running.probes, "/ready") == (503, {"failure": "the event loop does not answer"}), 5, "it is not ready", 0.05)
    assert asked(running.probes, "/load") == (503, {"failure": "the event loop does not answer"})
    until(lambda: status(running.probes, "/live") == 503, 6, "it is not live", 0.1)
    assert asked(running.probes, "/live")[1]["failure"].startswith("the event loop: has not got on for")
    stuck.join(30)
    until(lambda: (status(running.probes, "/live"), status(running.probes, "/ready")) == (200, 200), 10, "it goes on", 0.05)


# a start that fails
WRONG = ("--app", "shop", "--rows", "memory://", "--bus", "kafka://127.0.0.1:1")


def failed(tmp_path: Path, log: Path) -> "subprocess.CompletedProcess[str]":
    process = started(tmp_path, *WRONG, module="hosts.projector", env={"TRIMARAN_TERMINATION_LOG": str(log)})
    _, errors = process.communicate(timeout=60)
    return subprocess.CompletedProcess([], process.returncode, "", errors)


def test_the_reason_of_a_failed_start_is_one_line_on_stderr_and_in_the_termination_log(tmp_path: Path) -> None:
    log = tmp_path / "termination-log"
    log.write_text("of an earlier start, which was longer" * 100)
    done = failed(tmp_path, log)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("error: ")
    assert log.read_text() == done.stderr


def test_a_termination_log_that_is_not_there_or_not_ours_is_left_alone(tmp_path: Path) -> None:
    missing, folder, elsewhere = tmp_path / "missing", tmp_path / "folder", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.write_text("mine")
    link = tmp_path / "link"
    link.symlink_to(elsewhere)
    for log in (missing, folder, link):
        done = failed(tmp_path, log)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert not missing.exists()
    assert elsewhere.read_text() == "mine"
