"""Hosts as processes of their own, on a real PostgreSQL and a real Kafka: they share the work and end on SIGTERM."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.running import environment, started

ORDER = {"type": "PlaceOrder", "customer": "ann", "sku": "cup", "quantity": 1, "amount": 100, "at": "2026-05-01T12:00:00Z"}


@contextmanager
def host(directory: Path, module: str, *arguments: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    process = started(directory, *arguments, module=f"hosts.{module}")
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("ready:"):
            raise AssertionError(process.communicate(timeout=30)[1])
        yield process, line
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_command_relay_and_projectors_as_processes_sell_a_cup(tmp_path: Path, postgres_url: str, kafka_url: str) -> None:
    name = f"shop{uuid.uuid4().hex[:12]}"  # a topic of this test alone
    (tmp_path / "mine.py").write_text(f"from apps import shop\nfrom runtime.domain import App\napp = App({name!r}, parts=shop.app.parts)\n")
    told = ("--app", "mine:app", "--events", postgres_url, "--rows", postgres_url, "--bus", kafka_url)
    with (
        host(tmp_path, "projector", *told, "--group", "rows"),
        host(tmp_path, "projector", *told, "--group", "rows"),
        host(tmp_path, "projector", *told, "--group", "selling"),
        host(tmp_path, "relay", *told),
        host(tmp_path, "command", *told, "--port", "0") as (_, line),
    ):
        url = line.split()[-1]
        orders = [ORDER | {"order": f"o{number}"} for number in range(10)]
        for body in ({"type": "Restock", "sku": "cup", "quantity": 6}, *orders):
            request = urllib.request.Request(f"{url}/commands", json.dumps(body).encode(), method="POST")
            urllib.request.urlopen(request, timeout=30).close()
        stages: dict[str, str] = {}
        for _ in range(100):
            stages = _stages(tmp_path, *told[:6])
            if len(stages) == 10 and "placed" not in stages.values():
                break
    assert sorted(stages.values()) == ["out of stock"] * 4 + ["sold"] * 6


def _stages(directory: Path, *told: str) -> dict[str, str]:
    """Tickets as the read database has them now."""
    code = (
        "import sys; from hosts.settings import settings; from cli.opening import opened; from runtime.domain.filters import Query;"
        "from runtime.steps import run; import json\n"
        "told = settings(*sys.argv[2::2])\n"
        "with opened(told) as it: print(json.dumps({k: r.values[3] for k, r in run(it.reading.query('ticket', Query()))[1].rows}))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, *told], cwd=directory, env=environment(), capture_output=True, text=True, timeout=60, check=True
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("module", ["command", "relay", "projector"])
def test_a_host_refuses_memory_and_says_what_to_use(tmp_path: Path, module: str) -> None:
    process = started(tmp_path, "--events", "memory://", module=f"hosts.{module}")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "one process" in errors
    assert "Traceback" not in errors


def test_a_host_without_its_server_is_unavailable(tmp_path: Path) -> None:
    process = started(tmp_path, "--events", "postgresql://me@127.0.0.1:1/x", module="hosts.command")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 4
    assert errors.count("\n") == 1


def test_an_unknown_group_names_those_there_are(tmp_path: Path) -> None:
    process = started(tmp_path, "--bus", "kafka://127.0.0.1:1", "--group", "rwos", module="hosts.projector")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "rows, selling" in errors
    assert os.listdir(tmp_path) == []


def test_a_slice_of_a_rebuild_that_nobody_began_says_what_to_run(tmp_path: Path) -> None:
    stores = ("--events", "sqlite:///e.db", "--rows", "sqlite:///r.db")
    process = started(tmp_path, *stores, "--generation", "7", module="hosts.rebuild")
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors.count("\n")) == (2, 1), errors
    assert "`trimaran rebuild start`" in errors
