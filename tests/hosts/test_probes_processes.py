"""Probes of real processes: what starts, what hangs, what waits for a server that is away, what is stopped."""

import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from hosts.vitals import WEDGED_S
from tests.hosts import wedging
from tests.hosts.asking import asked, status
from tests.hosts.wedging import NAP, NAP_S, WEDGE
from tests.processes.domain import AddValues
from tests.processes.fleet import Fleet, Process, until
from tests.processes.sea import Sea, at_sea
from tests.servers.kafka import KafkaServer
from tests.servers.postgres import PostgresServer
from tests.servers.process import free_port

WEDGING = "tests.hosts.wedging:app"


def probed(sea: Sea, role: str, **more: str) -> tuple[Process, int]:
    """A process of a role, and the port of its probes."""
    port = free_port()
    return sea.fleet.start(role, {}, sea.where.environment | {"TRIMARAN_PROBES": str(port)} | more), port


def ready(port: int) -> None:
    until(lambda: status(port, "/ready") == 200, 60, "it is ready", 0.05)


def test_before_anything_is_opened_it_is_live_and_not_ready() -> None:
    """Its database listens and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent, Fleet() as fleet:
        port = free_port()
        url = f"postgresql://me@127.0.0.1:{silent.getsockname()[1]}/x"
        told = {"TRIMARAN_EVENTS": url, "TRIMARAN_ROWS": url, "TRIMARAN_BUS": "kafka://127.0.0.1:1", "TRIMARAN_PROBES": str(port)}
        process = fleet.start("projector", {}, told)
        until(lambda: status(port, "/live") == 200, 30, "it is live", 0.01)
        assert asked(port, "/ready") == (503, {"failure": "starting"})
        assert process.wait(60) == 4  # it gives up in the end, with one line


@pytest.mark.long
def test_a_projector_whose_fold_hangs_is_not_live_and_one_that_takes_its_time_is(postgres_url: str, kafka_url: str) -> None:
    wedged_s = 3.0
    assert wedged_s < NAP_S < WEDGED_S
    with at_sea(postgres_url, kafka_url, app=WEDGING, parts_of=wedging.app) as sea:
        _, relay = probed(sea, "relay", TRIMARAN_WEDGED_S=f"{wedged_s}")
        patient, slow = probed(sea, "projector")
        ready(relay)
        ready(slow)
        sea.ports.commands.send(AddValues("t1", (NAP,)))
        for _ in range(int(NAP_S / 0.5)):
            assert status(slow, "/live") == 200
            time.sleep(0.5)
        sea.settle()
        patient.stop()
        process, port = probed(sea, "projector", TRIMARAN_WEDGED_S=f"{wedged_s}")
        ready(port)
        time.sleep(wedged_s + 1)  # idle is not wedged
        assert (status(port, "/live"), status(port, "/ready")) == (200, 200)
        sea.ports.commands.send(AddValues("t1", (WEDGE,)))
        took = until(lambda: status(port, "/live") == 503, 30, "the wedge is found", 0.05)
        assert took >= wedged_s * 0.5
        code, told = asked(port, "/ready")
        assert code == 503
        assert told["failure"].startswith("generation 1: has not got on for")
        assert status(relay, "/live") == 200
        process.kill()


@pytest.mark.long
def test_a_database_that_is_away_is_waited_for(postgres_server: PostgresServer, kafka_url: str) -> None:
    with at_sea(postgres_server.url, kafka_url) as sea:
        processes = [probed(sea, role, TRIMARAN_WEDGED_S="25") for role in ("relay", "projector")]
        for _, port in processes:
            ready(port)
        postgres_server.stop()
        for _, port in processes:
            until(lambda port=port: status(port, "/ready") == 503, 20, "it says that it cannot work", 0.05)  # type: ignore[misc]
        for _ in range(56):  # longer than it may be stuck: connecting takes 10 s at most, the pause between rounds 5
            assert [status(port, "/live") for _, port in processes] == [200, 200]
            time.sleep(0.5)
        for _, port in processes:
            failure = asked(port, "/ready")[1]["failure"]
            assert "does not answer" in failure
            assert "127.0.0.1" not in failure
        postgres_server.start()
        for process, port in processes:
            ready(port)
            assert "waits for it" in process.text()
            process.stop()


@pytest.mark.long
def test_a_database_that_hangs_is_waited_for(postgres_server: PostgresServer, kafka_url: str) -> None:
    """Every process of it is stopped, with its connections open."""
    with at_sea(postgres_server.url, kafka_url) as sea:
        process, port = probed(sea, "projector")
        ready(port)
        postgres_server.pause()
        sessions = [int(pid) for pid in Path(f"/proc/{postgres_server.pid}/task/{postgres_server.pid}/children").read_text().split()]
        for session in sessions:
            os.kill(session, signal.SIGSTOP)
        try:
            until(lambda: status(port, "/ready") == 503, 40, "it says that it cannot work", 0.1)
            assert "what it works on does not answer" in asked(port, "/ready")[1]["failure"]
            assert status(port, "/live") == 200
        finally:
            for session in sessions:
                os.kill(session, signal.SIGCONT)
            postgres_server.resume()
        ready(port)
        process.stop()


@pytest.mark.long
def test_a_broker_that_is_away_is_waited_for_also_by_who_has_nothing_to_say_to_it(postgres_url: str, kafka_server: KafkaServer) -> None:
    with at_sea(postgres_url, kafka_server.url) as sea:
        processes = [probed(sea, role, TRIMARAN_WEDGED_S="12") for role in ("relay", "projector")]  # a call of theirs may wait for 5 s
        for _, port in processes:
            ready(port)
        kafka_server.kill()
        for _, port in processes:
            until(lambda port=port: status(port, "/ready") == 503, 10, "it says that it cannot work", 0.05)  # type: ignore[misc]
            assert "does not answer" in asked(port, "/ready")[1]["failure"]
        for _ in range(28):
            assert [status(port, "/live") for _, port in processes] == [200, 200]
            time.sleep(0.5)
        kafka_server.start()
        for process, port in processes:
            ready(port)
            process.stop()


def test_a_stopped_process_answers_no_probe_and_goes_on_when_it_is_woken(postgres_url: str, kafka_url: str) -> None:
    with at_sea(postgres_url, kafka_url) as sea:
        process, port = probed(sea, "projector")
        ready(port)
        process.pause()
        assert asked(port, "/live", 1.0) == (0, None)
        process.resume()
        ready(port)
        process.stop()


def test_told_to_stop_it_is_not_ready_at_once_and_live_until_it_has_drained(postgres_url: str, kafka_url: str) -> None:
    with at_sea(postgres_url, kafka_url, app=WEDGING, parts_of=wedging.app) as sea:
        sea.start("relay", ready=True)
        process, port = probed(sea, "projector")
        ready(port)
        sea.ports.commands.send(AddValues("t1", (NAP,)))
        time.sleep(1.5)
        ended = threading.Thread(target=process.stop)
        ended.start()
        until(lambda: asked(port, "/ready") == (503, {"failure": "shutting down"}), 30, "it is not ready", 0.01)
        assert status(port, "/live") == 200
        ended.join(30)
        assert process.code() == 0
        assert sea.behind() == 0  # the batch in hand was finished


def test_a_wrong_port_is_one_line(tmp_path: Path) -> None:
    with Fleet() as fleet:
        process = fleet.start(
            "relay", {}, {"TRIMARAN_PROBES": "eight thousand", "TRIMARAN_BUS": "kafka://127.0.0.1:1", "TRIMARAN_EVENTS": "postgresql://a/b"}
        )
        assert process.wait(60) == 2
        assert process.text().splitlines() == [
            "error: TRIMARAN_PROBES='eight thousand' is not a port: a number from 0 to 65535 (0: any free one)"
        ]
