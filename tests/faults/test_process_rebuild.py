"""A rebuild beside the live rows, as processes on real servers, while commands and queries go on; and a store put back in time.

Readers ask all the time: no query may fail, no row may be older than it was seen before.
"""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from msgspec import structs
from psycopg import sql

from hosts.process import STOPPED, USAGE
from runtime.domain.filters import Query
from runtime.errors import TrimaranError
from runtime.flow.reading import Reading
from runtime.ports import Head
from runtime.steps import run
from tests.processes.domain import AddValues
from tests.processes.expected import live
from tests.processes.figures import report
from tests.processes.fleet import until
from tests.processes.place import place
from tests.processes.sea import Sea, at_sea
from tests.rounds import amount
from tests.servers.postgres import database

TALLIES = 2_000


class Reader(threading.Thread):
    """Reads rows and pages until told to stop; notes what failed and what was older than before."""

    def __init__(self, sea: Sea, seed: int) -> None:
        super().__init__(daemon=True)
        self._reading, self._random = Reading(sea.ports.app, sea.ports.rows), random.Random(seed)
        self._stop = threading.Event()
        self.queries = 0
        self.failed: list[str] = []
        self.backwards: list[str] = []
        self.generations: set[int] = set()

    def run(self) -> None:
        """One query after the other."""
        seen: dict[str, int] = {}
        while not self._stop.is_set():
            key = f"t{self._random.randrange(TALLIES)}"
            try:
                read = run(self._reading.get("tallies", key))
                generation, page = run(self._reading.query("tallies", Query(first=20)))
            except TrimaranError as error:
                self.failed.append(f"{type(error).__name__}: {error}")
                continue
            self.queries += 2
            self.generations |= {read.generation, generation.number}
            found = {key: read.row["count"] if read.row else 0}
            found |= {key: int(str(row.values[1])) for key, row in page.rows if row.values}
            for name, count in found.items():
                if count < seen.get(name, 0):
                    self.backwards.append(f"{name}: {seen[name]}, then {count}")
                seen[name] = count
            time.sleep(0.002)

    def end(self) -> None:
        """Stop it; whatever went wrong is an error."""
        self._stop.set()
        self.join(30)
        assert self.failed == []
        assert self.backwards == []
        assert self.queries > 0


def fill(sea: Sea, events: int) -> None:
    """A history that the bus has long forgotten: stored, folded by sync, never published."""
    sea.add(events, TALLIES, per_command=50)
    while pending := sea.ports.relay.claim(100_000, 60.0):
        sea.ports.relay.mark([Head(one.stream, one.last) for one in pending])
    sea.start("projector", sync_every_s=5.0, ready=True)
    sea.settle(300)


@pytest.mark.long
@pytest.mark.rounds
def test_fault_32_a_rebuild_under_writes_fails_no_query_and_an_aborted_one_leaves_the_live_rows(postgres_url: str, kafka_url: str) -> None:
    events = amount(1_000_000)
    with at_sea(postgres_url, kafka_url) as sea:
        fill(sea, events)
        sea.start("relay", ready=True)
        log = sea.fleet.folder / "acked"
        writer = sea.start("writer", rate=100, tallies=500, writer="t", log=str(log), ready=True)
        readers = [Reader(sea, seed) for seed in range(2)]
        for reader in readers:
            reader.start()

        started = sea.command_line("rebuild", "start", "--group", "rows")
        until(lambda: len(sea.ports.rows.generations("rows")) == 2, 60, f"a green generation:\n{started.tail()}")
        time.sleep(0.3)
        started.kill()
        aborted = sea.command_line("rebuild", "abort", "--group", "rows")
        assert aborted.wait(60) == 0, aborted.tail()
        assert [one.number for one in sea.ports.rows.generations("rows")] == [1]

        sea.ports.rows.lease("rows", 1, "an old gateway", 600.0)
        rebuild = sea.start("rebuild")
        until(lambda: "swapped" in rebuild.text() or rebuild.code() is not None, 300, "green takes over")
        answer = sea.ports.commands.send(AddValues("t1", (7,)))
        own = run(sea.ports.reading.get("tallies", "t1", after=answer.token, wait_s=10.0))
        assert (own.generation, own.stale) == (3, False)  # green has readers' answers while blue still has a reader
        stream = answer.stream
        until(lambda: sea.ports.rows.watermarks_of("rows", 1, [stream])[stream] >= answer.last, 30, "blue is folded on, too")
        sea.ports.rows.lease("rows", 1, "an old gateway", 0)
        assert rebuild.wait(60) == 0, rebuild.tail()
        time.sleep(1.0)
        writer.stop()
        sea.settle(60)
        for reader in readers:
            reader.end()
        assert {number for reader in readers for number in reader.generations} == {1, 3}
        assert live(sea.ports.rows) == 3
        found = sea.prove()
        sea.fleet.check()
    told = json.loads(rebuild.text().splitlines()[-1])
    fill_s, swapped_s, _ = told["times"]
    report(
        "32 rebuild under writes",
        events=found.events,
        fill_s=fill_s,
        events_per_s=told["folded"] / fill_s,
        swap_s=swapped_s - fill_s,
        queries=sum(reader.queries for reader in readers),
        failed=0,
        backwards=0,
    )


@contextmanager
def restorable(server: str) -> Iterator[tuple[str, str, Callable[[], None]]]:
    """The URL of a database, the URL of its backup, and what takes the backup (nobody may be connected)."""
    with database(server) as url, database(server) as backup:
        name, copy = url.rpartition("/")[2], backup.rpartition("/")[2]

        def take() -> None:
            with psycopg.connect(server, autocommit=True) as admin:
                admin.execute(sql.SQL("drop database {}").format(sql.Identifier(copy)))
                admin.execute(sql.SQL("create database {} template {}").format(sql.Identifier(copy), sql.Identifier(name)))

        yield url, backup, take


def put_back(server: str, url: str, backup: str) -> None:
    """The backup takes the database's place, under everybody who is connected."""
    name, copy = (sql.Identifier(one.rpartition("/")[2]) for one in (url, backup))
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("drop database {} with (force)").format(name))
        admin.execute(sql.SQL("create database {} template {}").format(name, copy))


@pytest.mark.long
@pytest.mark.parametrize("told", [False, True], ids=["nobody-says-so", "the-operator-raises-the-epoch"])
def test_fault_48_a_store_put_back_in_time_stops_the_group_loudly_until_it_is_rebuilt(
    postgres_base: str, postgres_url: str, kafka_url: str, told: bool
) -> None:
    with restorable(postgres_base) as (url, backup, take):
        where = structs.replace(place(postgres_url, kafka_url), events=url)
        with at_sea("", "", where=where) as sea:
            sea.add(400, 40)
        take()
        with at_sea("", "", where=where) as sea:
            sea.allowed = (STOPPED, USAGE)
            relay, projector = sea.start("relay"), sea.start("projector", ready=True)
            sea.add(400, 60)  # the bus and the rows know these, the backup does not
            sea.settle()
            projector.stop()
            sea.add(40, 40)  # and these only the bus
            until(lambda: sea.ports.relay.backlog() == 0, 30, "everything is published")
            survivor = sea.start("projector", sync_every_s=1.0, ready=True)
            sea.settle()
            relay.stop()
            started = time.monotonic()
            put_back(postgres_base, url, backup)
            if told:
                assert sea.ports.store.raise_epoch() == 2
            if survivor.wait(30) == USAGE:  # it looked just when there was no such database: its supervisor starts it again
                survivor = sea.start("projector", sync_every_s=1.0)
            assert survivor.wait(30) == STOPPED, survivor.tail()
            detected_s = time.monotonic() - started
            assert "the event store was restored" in survivor.text()
            assert "trimaran rebuild start --group rows" in survivor.text()
            sea.start("relay")
            sea.ports.commands.send(AddValues("t1", (5,)))
            again = sea.start("projector")
            assert again.wait(30) == STOPPED  # a restart does not make it go on

            rebuilt = sea.command_line("rebuild", "start", "--group", "rows")
            assert rebuilt.wait(60) == 0, rebuilt.tail()
            sea.start("projector", sync_every_s=1.0)
            sea.add(200, 60, first="n")
            sea.ports.commands.send(AddValues("t1", (6,)))
            sea.settle()
            found = sea.prove()
            sea.fleet.check(*sea.allowed)
    assert found.events == 400 + 1 + 200 + 1
    report("48 store restored", told=int(told), detected_s=detected_s, rebuilt=1, wrong=0)
