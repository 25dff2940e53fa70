"""Real flights on real Kafka and PostgreSQL, three projectors of which one is killed every few seconds: the tables equal the csv.

The one test that uses the topic of the app `flights` on the run's broker.
"""

import itertools
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path

import pytest

from apps.flights import app
from hosts.audit import Audit, audit
from hosts.providers import open_events, open_rows
from runtime.flow.reading import Reading
from tests.cli.running import started

FIRST, LAST = date(2013, 1, 1), date(2013, 1, 3)
KILLS, EVERY_S = 5, 3.0
PATIENCE_S = 180.0


class Fleet:
    """Projectors of one group, as processes; the one that is killed is replaced."""

    def __init__(self, directory: Path, told: tuple[str, ...]) -> None:
        self._directory, self._told = directory, told
        self.members: list[subprocess.Popen[str]] = []

    def launch(self, module: str, *more: str) -> "subprocess.Popen[str]":
        """Start one; it is ready when it says so."""
        process = started(self._directory, *self._told, *more, module=f"hosts.{module}")
        self.members.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("ready:"), process.communicate(timeout=30)[1]
        return process

    def kill_one(self, victim: "subprocess.Popen[str]") -> None:
        """As a machine does that goes away."""
        assert victim.poll() is None, "it should still run"
        victim.kill()
        victim.communicate()
        self.members.remove(victim)

    def end(self) -> None:
        """SIGTERM to all; each must leave cleanly."""
        for member in self.members:
            member.terminate()
        errors = [member.communicate(timeout=60)[1] for member in self.members]
        assert [member.returncode for member in self.members] == [0] * len(self.members), errors


@contextmanager
def fleet(directory: Path, told: tuple[str, ...]) -> Iterator[Fleet]:
    ships = Fleet(directory, told)
    try:
        yield ships
        ships.end()
    finally:
        for member in ships.members:
            if member.poll() is None:
                member.kill()
                member.communicate()


@pytest.mark.long
def test_the_tables_equal_the_csv_while_one_of_three_projectors_is_killed_every_few_seconds(
    tmp_path: Path, postgres_url: str, kafka_url: str
) -> None:
    bus = f"{kafka_url}?session_timeout_ms=6000"
    told = ("--app", "flights", "--events", postgres_url, "--rows", postgres_url, "--bus", bus)
    with fleet(tmp_path, told) as ships:
        rows = [ships.launch("projector", "--group", "rows") for _ in range(3)]
        ships.launch("projector", "--group", "flagging")
        ships.launch("relay")
        days = ("--from", FIRST.isoformat(), "--to", LAST.isoformat(), "--speed", "30000")
        feeding = started(tmp_path, "feed", "flights", *days, "--events", postgres_url, "--rows", postgres_url)
        for turn in itertools.islice(itertools.cycle(range(3)), KILLS):
            time.sleep(EVERY_S)
            ships.kill_one(rows[turn])
            rows[turn] = ships.launch("projector", "--group", "rows")
        _, errors = feeding.communicate(timeout=PATIENCE_S)
        assert feeding.returncode == 0, errors
        found = settled(postgres_url)
    assert (found.lost, found.doubled) == (0, 0)
    assert (found.flights, found.rows) == (842 + 943 + 914, 842 + 943 + 914)
    assert found.flagged == sum(row["late"] for row in found.tables)


def settled(url: str) -> Audit:
    """The audit, as soon as nothing is missing, else after the patience."""
    until = time.monotonic() + PATIENCE_S
    with ExitStack() as stack:
        events, rows = open_events(url, app), open_rows(url, app)
        stack.callback(events.store.close)
        stack.callback(rows.close)
        while True:
            found = audit(events.store, Reading(app, rows), FIRST, LAST)
            if (found.lost == 0 and found.doubled == 0) or time.monotonic() > until:
                return found
            time.sleep(1.0)
