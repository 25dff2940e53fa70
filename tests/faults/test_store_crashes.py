"""Killed writers, torn files, full disks and servers that crash: what was acknowledged is there, whole (faults 9 to 13)."""

import contextlib
import itertools
import random
import shutil
import subprocess
import threading
import time
from pathlib import Path

import psycopg
import pytest

from providers.postgres.events import PostgresEventStore
from providers.sqlite.database import connect
from providers.sqlite.events import SqliteEventStore
from runtime.errors import Conflict, Misconfigured, Unavailable
from runtime.ports import Answer, Head
from tests.conformance.stores import NAMESPACE, append, fill, postgres_handle, sqlite_handle
from tests.faults.store_worker import triple
from tests.faults.stores import Worker, all_or_nothing, everything, handle_on, settle, target, working
from tests.rounds import rounds
from tests.servers import postgres
from tests.servers.process import ServerFailed

__all__ = ["target"]


def client(name: str) -> str:
    """A PostgreSQL client program: beside the server's own programs (behind a link, perhaps), or on PATH."""
    folder = postgres.binaries()
    assert folder is not None
    beside = (folder / "postgres").resolve().parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    assert found, f"{name} is missing: install postgresql-client"
    return found


def test_fault_09_a_dump_restored_into_a_fresh_cluster_goes_on_where_it_was(postgres_server: postgres.PostgresServer) -> None:
    before = postgres_handle(postgres_server.url)
    for number in range(60):
        fill(before.events, f"s-{number}", 5)
    before.relay.mark([Head(f"s-{number}", 5) for number in range(50)])
    sent = append("s-0", 5, key="kept")
    before.events.append(sent)
    before.events.close()
    dump = subprocess.run([client("pg_dump"), postgres_server.url], capture_output=True, check=True, text=True).stdout
    with postgres.running(durable=False) as fresh:
        subprocess.run([client("psql"), "-q", "-v", "ON_ERROR_STOP=1", fresh.url], input=dump, check=True, text=True, capture_output=True)
        after = postgres_handle(fresh.url)
        assert sum(map(len, everything(after.events).values())) == 300  # a rebuild reads all of it
        assert {pending.stream for pending in after.relay.claim(1000, 60.0)} == {f"s-{number}" for number in range(50, 60)}
        assert after.events.append(sent) == Answer("s-0", 5, 5, replayed=True)
        assert after.events.raise_epoch() == 2
        after.relay.mark([Head(f"s-{number}", 5) for number in range(50, 60)])
        for number in range(100):
            after.events.append(append(f"s-{number}", 5 if number < 60 else 0, "new"))
        seen = [event for pending in after.relay.claim(1000, 60.0) for event in pending.events]
        assert len(seen) == 100, "new events after the restore"
        assert {event.epoch for event in seen} == {2}
        after.events.close()


@pytest.mark.rounds
def test_fault_10_a_writer_killed_at_any_point_of_an_append_leaves_all_of_it_or_nothing(target: str) -> None:
    store = handle_on(target).events
    points = 10 if target.startswith("sqlite:") else 3  # one more than statements of an append; than waits for an answer
    stored = 0
    for number, point in enumerate(itertools.islice(itertools.cycle(range(points)), rounds(50))):
        with working(Worker("die", target, point, f"s-{number}")) as (worker,):
            said = worker.process.communicate(timeout=60)[0]
        settle(target)
        keys = all_or_nothing(store)
        if said.count("\n"):  # it lived to acknowledge
            assert f"s-{number}" in keys
        try:
            answer = store.append(triple(f"s-{number}", 0, f"s-{number}"))
        except Conflict:
            pytest.fail("the retry of a killed append was shown a conflict")
        assert (answer.first, answer.last) == (0, 3)
        stored += answer.replayed
    assert 0 < stored < number + 1, "some were stored before the kill and some were not"
    store.close()


@pytest.mark.rounds
def test_fault_10_writers_killed_at_random_times_leave_every_acknowledged_append(target: str) -> None:
    store, chance = handle_on(target).events, random.Random(10)
    acknowledged: set[str] = set()
    for number in range(rounds(50)):
        with working(Worker("write", target, f"r{number}-", 1000)) as (worker,):
            time.sleep(chance.uniform(0.005, 0.12))
            acknowledged |= {said["key"] for said in worker.kill()}
    settle(target)
    keys = all_or_nothing(store)
    assert acknowledged, "nobody got anywhere"
    assert acknowledged <= keys
    store.append(append("still-works", 0, "x"))
    store.close()


@pytest.mark.rounds
def test_fault_11_a_write_ahead_log_cut_or_flipped_anywhere_leaves_a_prefix_of_whole_appends(tmp_path: Path) -> None:
    path, chance = tmp_path / "events.db", random.Random(11)
    store = SqliteEventStore(str(path))
    store.database._writer.execute("PRAGMA wal_autocheckpoint = 0")  # everything stays in the log
    for number in range(40):
        store.append(triple(f"s-{number % 4}", number // 4 * 3, f"{number:03}"))
    log = (tmp_path / "events.db-wal").read_bytes()
    used = len(log.rstrip(b"\0"))  # zeros behind it are reserved room
    assert used < len(log)
    prefixes: set[int] = set()
    for number in range(rounds(300)):
        copy = tmp_path / f"copy-{number}.db"
        shutil.copy(path, copy)
        place = chance.randrange(used)
        damaged = log[:place] if number % 2 else log[:place] + bytes([log[place] ^ 1 << chance.randrange(8)]) + log[place + 1 :]
        Path(f"{copy}-wal").write_bytes(damaged)
        survivor = SqliteEventStore(str(copy))
        keys = all_or_nothing(survivor)
        assert keys == {f"{each:03}" for each in range(len(keys))}, "not a prefix"
        prefixes.add(len(keys))
        survivor.append(append("goes-on", 0, "x"))
        survivor.close()
    assert len(prefixes) > 10
    store.close()


def test_fault_12_a_full_disk_is_a_typed_error_that_loses_nothing_and_ends_with_the_shortage(tmp_path: Path) -> None:
    store = SqliteEventStore(str(tmp_path / "events.db"))
    writer = store.database._writer
    writer.execute(f"PRAGMA max_page_count = {writer.execute('PRAGMA page_count').fetchone()[0] + 10}")
    acknowledged: set[str] = set()
    failures: list[Unavailable] = []

    def write(name: str) -> None:
        for number in range(2000):
            sent = triple(f"{name}-{number}", 0, f"{name}-{number}")
            try:
                store.append(sent)
            except Unavailable as error:
                failures.append(error)
                return
            acknowledged.add(sent.key)

    threads = [threading.Thread(target=write, args=(f"t{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failures) == 4
    assert all("is full" in str(error) and not error.in_doubt for error in failures)
    assert all_or_nothing(store) == acknowledged != set()
    writer.execute("PRAGMA max_page_count = 100000")
    started = time.monotonic()
    store.append(triple("after", 0, "after"))
    assert time.monotonic() - started < 1
    assert all_or_nothing(store) == acknowledged | {"after"}
    assert writer.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    store.close()


@pytest.mark.rounds
def test_fault_13_a_server_that_crashes_under_eight_writers_keeps_every_acknowledged_append_once(
    postgres_server: postgres.PostgresServer,
) -> None:
    store = PostgresEventStore(postgres_server.url, NAMESPACE)
    acknowledged: list[set[str]] = [set() for _ in range(8)]
    strange: list[BaseException] = []
    stop = threading.Event()

    def write(name: int) -> None:
        version = 0
        try:
            while not stop.is_set():
                sent = triple(f"w-{name}", version * 3, f"w-{name}-{version}")
                with contextlib.suppress(Unavailable):  # the same key again, until it is answered
                    store.append(sent)
                    acknowledged[name].add(sent.key)
                    version += 1
        except BaseException as error:  # noqa: BLE001  shown by the test's thread
            strange.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for number in range(rounds(10)):
        time.sleep(0.5)
        if number % 2:
            postgres_server.kill()
        else:
            postgres_server.stop("immediate")
        so_far = [len(keys) for keys in acknowledged]
        start_again(postgres_server)
        started = time.monotonic()
        while any(len(keys) <= before for keys, before in zip(acknowledged, so_far, strict=True)):
            assert not strange, strange
            assert time.monotonic() - started < 5, "a writer is not back 5 s after the server"
            time.sleep(0.01)
    stop.set()
    for thread in threads:
        thread.join()
    assert strange == []
    assert all_or_nothing(store) == set().union(*acknowledged)
    store.close()


def start_again(server: postgres.PostgresServer) -> None:
    """Start as soon as the last process of the killed server is gone: a backend ends by itself when its postmaster is dead."""
    until = time.monotonic() + 30
    while True:
        try:
            server.start()
        except ServerFailed:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


def test_a_file_that_is_no_database_or_has_no_place_says_so(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database at all, just some text that is long enough to be looked at" * 20)
    (tmp_path / "folder.db").mkdir()
    for path in (tmp_path / "text.db", tmp_path / "folder.db", tmp_path / "nowhere" / "events.db"):
        with pytest.raises(Misconfigured, match=str(path)):
            SqliteEventStore(str(path))


def test_tables_of_a_newer_program_are_refused_with_the_way_out(tmp_path: Path, postgres_url: str) -> None:
    path = str(tmp_path / "events.db")
    SqliteEventStore(path).close()
    with contextlib.closing(connect(path)) as connection:
        connection.execute("UPDATE schema_versions SET version = version + 1")
    with pytest.raises(Misconfigured, match="run a newer program"):
        SqliteEventStore(path)
    postgres_handle(postgres_url).events.close()
    with psycopg.connect(postgres_url) as admin:
        admin.execute(f"UPDATE {NAMESPACE}.schema_versions SET version = version + 1")
    with pytest.raises(Misconfigured, match="run a newer program"):
        postgres_handle(postgres_url)


def test_many_processes_may_open_a_fresh_store_at_once(target: str) -> None:
    with working(*(Worker("single", target, f"w{number}", 3) for number in range(5))) as workers:
        for worker in workers:
            worker.end()
    store = handle_on(target).events
    assert sum(map(len, everything(store).values())) == 15
    store.close()


def test_a_store_on_a_locked_file_is_unavailable_not_in_doubt_and_recovers(tmp_path: Path) -> None:
    path = str(tmp_path / "events.db")
    store = SqliteEventStore(path, busy_timeout_s=0.2)
    with contextlib.closing(connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        with pytest.raises(Unavailable, match="locked by another process") as caught:
            store.append(append("a", 0, "x"))
        assert not caught.value.in_doubt
        assert 0.15 < time.monotonic() - started < 2
        assert store.load("a", "k", 0).version == 0  # reading goes on
        other.execute("ROLLBACK")
    assert store.append(append("a", 0, "x")).last == 1
    store.close()


def test_a_read_only_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    store = sqlite_handle(str(path)).events
    store.append(append("a", 0, "x"))
    assert isinstance(store, SqliteEventStore)
    store.database._writer.execute("PRAGMA query_only = on")  # as a file mode would, but for root, too
    with pytest.raises(Misconfigured, match="read-only"):
        store.append(append("a", 1, "x"))
    store.close()
