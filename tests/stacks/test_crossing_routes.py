"""Every path that a stack names is one that the process behind it answers: a real gateway in this process, asked over HTTP.

Paths of probes, of KEDA's metrics-api trigger, of the Ingress and of the outputs; the other roles answer their probes by the same code.
"""

import argparse
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from apps.shop import app
from hosts import gateway, prepare
from hosts.probes import Probes
from hosts.settings import Settings
from hosts.vitals import VITALS
from tests.patience import PATIENCE_S
from tests.stacks.deployed import deployed
from tests.stacks.objects import PROBES, Objects

NOT_THERE = (404, 405)


class Answering:
    """The gateway's own port and its probes' port, by the names that the stack gives them."""

    def __init__(self, http: int, probes: int) -> None:
        self.ports = {"http": http, "probes": probes}

    def ask(self, port: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Status and body of a GET, or of a POST."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports[port]}{path}", body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answering]:
    """A gateway as it runs in a pod, after the Job that prepares its databases."""
    folder = Path(tmp_path_factory.mktemp("gateway"))
    keys = folder / "jwks.json"
    keys.write_text('{"keys": []}')
    stop, failed = threading.Event(), list[BaseException]()
    told = Settings("shop", f"sqlite:///{folder}/events.db", f"sqlite:///{folder}/rows.db", "memory://", port=free_port())
    with ExitStack() as stack:
        prepare.database(told, app, stack)

    def run() -> None:
        try:
            with ExitStack() as stack:
                gateway.run(told, app, argparse.Namespace(), stop, stack)
        except BaseException as error:  # noqa: BLE001  shown below
            failed.append(error)

    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("JWKS", str(keys)), ("ISSUER", "https://login.example"), ("AUDIENCE", "trimaran")):
            patch.setenv(f"TRIMARAN_{name}", value)
        VITALS.begin(stop)
        probes = Probes("127.0.0.1", 0)
        probes.start()
        thread = threading.Thread(target=run)
        thread.start()
        found = Answering(told.port, probes.port)
        until = time.monotonic() + PATIENCE_S
        while found.ask("probes", "/ready")[0] != 200 and time.monotonic() < until and not failed:
            time.sleep(0.02)
        assert not failed, failed
        yield found
        stop.set()
        thread.join(PATIENCE_S)
        probes.stop()


def free_port() -> int:
    """A port that nobody has just now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def objects() -> Objects:
    """The shop's objects."""
    return deployed("shop").objects


def test_a_path_that_is_not_there_is_seen(answering: Answering) -> None:
    assert answering.ask("probes", "/lives")[0] in NOT_THERE
    assert answering.ask("http", "/command", b"{}")[0] in NOT_THERE


def test_every_probe_asks_a_path_that_answers(objects: Objects, answering: Answering) -> None:
    for workload in objects.running():
        (container,) = workload.containers
        for probe in PROBES:
            told = container[probe]["httpGet"]
            assert told["port"] in ("probes", 8001)
            assert answering.ask("probes", told["path"])[0] == 200, f"{workload}: {probe} asks {told}"


def test_keda_reads_a_number_where_the_gateway_tells_it(objects: Objects, answering: Answering) -> None:
    (trigger,) = [each for each in objects.get("ScaledObject", "gateway").spec["triggers"] if each["type"] == "metrics-api"]
    url = urlsplit(trigger["metadata"]["url"])
    service = objects.get("Service", str(url.hostname).partition(".")[0])
    (port,) = [each for each in service.spec["ports"] if each["port"] == url.port]
    status, body = answering.ask(port["targetPort"], url.path)
    assert status == 200 and json.loads(body)[trigger["metadata"]["valueLocation"]] == 0
    assert str(url.hostname).split(".")[1] == service.namespace


def test_every_url_that_is_told_leads_to_something(objects: Objects, answering: Answering) -> None:
    outputs = deployed("shop").update.outputs
    assert outputs["cloud"] == "k8s" and outputs["graphqlProtocol"] == "graphql-transport-ws"
    for name, body in (("commandUrl", b"{}"), ("graphqlUrl", b"{}"), ("health", None)):
        path = urlsplit(outputs[name]).path
        assert answering.ask("http", path, body)[0] not in (*NOT_THERE, 500), f"{name}: {path}"
    assert urlsplit(outputs["graphqlUrl"]).scheme == "wss"


def test_the_route_of_the_host_name_leads_to_the_port_of_clients(objects: Objects) -> None:
    (rule,) = objects.get("Ingress", "gateway").spec["rules"]
    (path,) = rule["http"]["paths"]
    assert (path["path"], path["pathType"]) == ("/", "Prefix")
    (port,) = [
        each for each in objects.get("Service", "gateway").spec["ports"] if each["name"] == path["backend"]["service"]["port"]["name"]
    ]
    assert port["targetPort"] == "http"
