"""Child processes for the store's fault tests, and what must hold whatever happened to them."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from runtime.ports import EventStore, Head, Recorded
from tests.conformance.stores import Handle, postgres_handle, sqlite_handle

ROOT = Path(__file__).parents[2]

_OTHERS = """SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"""


class Worker:
    """A child process in a role of `store_worker`, ready and waiting to be started."""

    def __init__(self, role: str, target: str, *arguments: object) -> None:
        words = [sys.executable, "-m", "tests.faults.store_worker", role, target, *map(str, arguments)]
        self.process = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def ready(self) -> None:
        """Return when it has opened its store."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            pytest.fail(f"a worker did not come up: {self.process.communicate()[1]}")

    def go(self) -> None:
        """Let it work."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def kill(self) -> list[dict[str, Any]]:
        """kill -9; what it had said so far."""
        self.process.kill()
        return self._said()

    def end(self) -> list[dict[str, Any]]:
        """Wait until it ended by itself without an error; what it said."""
        said = self._said()
        assert self.process.returncode == 0, self.errors
        return said

    def _said(self) -> list[dict[str, Any]]:
        out, self.errors = self.process.communicate(timeout=120)
        return [json.loads(line) for line in out.splitlines() if line.endswith("}")]


@contextlib.contextmanager
def working(*workers: Worker) -> Iterator[list[Worker]]:
    """Workers that are ready, started together; those still there at the end are killed."""
    try:
        for worker in workers:
            worker.ready()
        for worker in workers:
            worker.go()
        yield list(workers)
    finally:
        for worker in workers:
            if worker.process.poll() is None:
                worker.process.kill()
                worker.process.communicate()


@pytest.fixture(params=["sqlite", "postgres"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh store for several processes, as `store_worker` understands it."""
    return f"sqlite:{tmp_path / 'events.db'}" if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


def handle_on(target: str) -> Handle:
    """A handle of this process on the store at `target`."""
    return sqlite_handle(target.removeprefix("sqlite:")) if target.startswith("sqlite:") else postgres_handle(target)


def settle(target: str) -> None:
    """Return when a PostgreSQL server has done with its dead clients, whose last words may still be committing; one live one is ours."""
    if target.startswith("sqlite:"):
        return
    until = time.monotonic() + 30
    with psycopg.connect(target, autocommit=True) as admin:
        while admin.execute(_OTHERS).fetchone() not in ((0,), (1,)):
            assert time.monotonic() < until
            time.sleep(0.005)


def everything(store: EventStore) -> dict[str, list[Recorded]]:
    """Every event by stream; versions are contiguous from 1, and the heads say the same."""
    streams: dict[str, list[Recorded]] = {}
    after = Head("", 0)
    while page := store.bulk(after, "", 5000):
        for event in page:
            streams.setdefault(event.stream, []).append(event)
        after = Head(page[-1].stream, page[-1].version)
    for events in streams.values():
        assert [event.version for event in events] == list(range(1, len(events) + 1))
    assert store.heads("", 100_000) == [Head(stream, len(events)) for stream, events in streams.items()]
    return streams


def all_or_nothing(store: EventStore) -> set[str]:
    """Every append of `store_worker.triple` is there whole, with its key, or not at all; the keys that are there."""
    parts: dict[str, list[bytes]] = {}
    for events in everything(store).values():
        for event in events:
            parts.setdefault(event.key, []).append(event.data)
    for key, data in parts.items():
        assert data == [f"{key}/{part}".encode() for part in range(3)]
    kept = {key.key: key for key in store.keys(("", ""), 100_000)}
    assert set(kept) == set(parts)
    assert all(key.last - key.first == 3 for key in kept.values())
    return set(parts)
