"""What only real databases can do to a read store: newer schemas, wrong URLs, sessions that end, processes that stop."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import psycopg
import pytest

from providers.postgres.rows import PostgresReadStore
from providers.sqlite.events import SqliteEventStore
from providers.sqlite.rows import SqliteReadStore
from runtime.errors import Misconfigured, Unavailable
from runtime.ports import Append, New, Phase, Writes
from tests.conformance.read_stores import ROWS, counting, ticket, write


@pytest.fixture
def postgres_store(shared_url: str, request: pytest.FixtureRequest) -> PostgresReadStore:
    return impatient(shared_url, request.node.name[:50].lower())


def impatient(url: str, namespace: str) -> PostgresReadStore:
    store = PostgresReadStore(url, namespace, lock_timeout_s=3, statement_timeout_s=6, idle_timeout_s=0.5)
    store.create(ROWS, Phase.LIVE, 1)
    return store


# SQLite


def test_a_sqlite_file_may_be_shared_with_the_event_store(tmp_path: Path) -> None:
    path = str(tmp_path / "all.db")
    events, store = SqliteEventStore(path), SqliteReadStore(path)
    store.create(ROWS, Phase.LIVE, 1)
    events.append(Append("order-1", 0, (New("OrderPlaced", b"{}"),), "k", b"d"))
    write(store, rows=[ticket("a")], watermarks={"order-1": 1})
    assert events.load("order-1", "", 0).version == store.watermarks_of("rows", 1, ["order-1"])["order-1"] == 1
    store.close()
    events.close()


def test_a_newer_sqlite_schema_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = str(tmp_path / "rows.db")
    SqliteReadStore(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE schema_versions SET version = 99 WHERE component = 'rows'")
    connection.close()
    with pytest.raises(Misconfigured, match=r"rows tables have schema version 99.*run a newer program"):
        SqliteReadStore(path)


def test_a_thread_that_would_wait_for_its_own_sqlite_transaction_is_told(tmp_path: Path) -> None:
    store = SqliteReadStore(str(tmp_path / "rows.db"))
    store.create(ROWS, Phase.LIVE, 1)
    tx = store.begin("rows", 1)
    tx.lock([0])
    with pytest.raises(RuntimeError, match="has a transaction open"):
        store.count_try("rows", 1, counting("order-1", 1))
    with pytest.raises(RuntimeError, match="has a transaction open"):
        store.begin("rows", 1).lock([0])
    tx.rollback()
    assert store.count_try("rows", 1, counting("order-1", 1)) == 1
    store.close()


def test_readers_on_other_threads_see_what_was_committed_while_a_sqlite_transaction_is_open(tmp_path: Path) -> None:
    store = SqliteReadStore(str(tmp_path / "rows.db"))
    store.create(ROWS, Phase.LIVE, 1)
    write(store, watermarks={"s": 1})
    tx = store.begin("rows", 1)
    tx.lock([0])
    tx.write(Writes(watermarks={"s": 2}))
    seen: list[dict[str, int]] = []
    thread = threading.Thread(target=lambda: seen.append(store.watermarks_of("rows", 1, ["s"])))
    thread.start()
    thread.join(5)
    seen.append(store.watermarks_of("rows", 1, ["s"]))
    tx.commit()
    assert seen == [{"s": 1}, {"s": 1}]
    store.close()


# PostgreSQL


def test_a_newer_postgres_schema_is_refused_with_the_way_out(shared_url: str) -> None:
    PostgresReadStore(shared_url, "newer").close()
    with psycopg.connect(shared_url) as connection:
        connection.execute("UPDATE newer.schema_versions SET version = 99 WHERE component = 'rows'")
    with pytest.raises(Misconfigured, match=r"rows tables have schema version 99.*run a newer program"):
        PostgresReadStore(shared_url, "newer")


def test_a_wrong_postgres_url_is_refused() -> None:
    with pytest.raises(Misconfigured):
        PostgresReadStore("no url at all", "shop")


def test_two_apps_share_a_postgres_database_in_schemas_of_their_own(shared_url: str) -> None:
    first, second = PostgresReadStore(shared_url, "app_one"), PostgresReadStore(shared_url, "app_two")
    first.create(ROWS, Phase.LIVE, 1)
    write(first, watermarks={"s": 1})
    assert second.generations("rows") == []
    second.create(ROWS, Phase.LIVE, 1)
    assert second.watermarks_of("rows", 1, ["s"]) == {}
    first.close()
    second.close()


def test_a_shard_that_is_held_for_too_long_is_unavailable(shared_url: str) -> None:
    store = PostgresReadStore(shared_url, "held", lock_timeout_s=0.2)
    store.create(ROWS, Phase.LIVE, 1)
    first, second = store.begin("rows", 1), store.begin("rows", 1)
    first.lock([5])
    with pytest.raises(Unavailable) as waited:
        second.lock([5])
    assert not waited.value.in_doubt
    second.rollback()
    first.commit()
    store.close()


def test_transactions_that_wait_in_a_circle_end_with_one_of_them_unavailable(postgres_store: PostgresReadStore) -> None:
    store = postgres_store
    first, second = store.begin("rows", 1), store.begin("rows", 1)
    first.lock([1])
    second.lock([2])
    failed: list[Unavailable] = []

    def cross(tx: object, shard: int) -> None:
        try:
            tx.lock([shard])  # type: ignore[attr-defined]
        except Unavailable as error:
            failed.append(error)
        finally:
            tx.rollback()  # type: ignore[attr-defined]

    threads = [threading.Thread(target=cross, args=(tx, shard)) for tx, shard in ((first, 2), (second, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert [error.in_doubt for error in failed] == [False]
    store.close()


def test_a_transaction_that_idles_too_long_loses_its_session_and_its_locks(postgres_store: PostgresReadStore) -> None:
    store = postgres_store
    slow = store.begin("rows", 1)
    slow.lock([5])
    slow.write(Writes(watermarks={"s": 1}))
    started = time.monotonic()
    quick = store.begin("rows", 1)
    quick.lock([5])
    assert 0.2 < time.monotonic() - started < 3
    assert quick.watermarks(["s"]) == {}
    quick.commit()
    with pytest.raises(Unavailable):
        slow.watermarks(["s"])
    slow.rollback()
    slow = store.begin("rows", 1)
    slow.lock([5])
    time.sleep(1)
    with pytest.raises(Unavailable):
        slow.commit()
    slow.rollback()
    write(store, watermarks={"s": 2})
    store.close()


_STOPPED = """
import sys
from providers.postgres.rows import PostgresReadStore
store = PostgresReadStore(sys.argv[1], sys.argv[2], idle_timeout_s=0.5)
tx = store.begin("rows", 1)
tx.lock(range(256))
print("locked", flush=True)
import time
import uuid
time.sleep(60)
"""


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
def test_a_process_that_stops_or_dies_holding_shards_holds_up_nobody_for_long(postgres_store: PostgresReadStore, how: int) -> None:
    store = postgres_store
    url, namespace = store._database._lookups.url, store._database._lookups.namespace
    process = subprocess.Popen([sys.executable, "-c", _STOPPED, url, namespace], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        os.kill(process.pid, how)
        started = time.monotonic()
        write(store, watermarks={"s": 1})
        assert time.monotonic() - started < 3
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    store.close()


def test_a_session_that_the_server_ended_is_replaced_by_the_next_transaction(postgres_store: PostgresReadStore, shared_url: str) -> None:
    store = postgres_store
    tx = store.begin("rows", 1)
    tx.lock([0])
    tx.write(Writes(watermarks={"s": 1}))
    with psycopg.connect(shared_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
    with pytest.raises(Unavailable) as lost:
        tx.commit()
    assert lost.value.in_doubt
    tx.rollback()
    assert store.watermarks_of("rows", 1, ["s"]) == {}
    write(store, watermarks={"s": 2})
    assert store.watermarks_of("rows", 1, ["s"]) == {"s": 2}
    store.close()


def test_a_query_that_takes_too_long_is_unavailable(postgres_store: PostgresReadStore) -> None:
    def slow(connection: psycopg.Connection[tuple[object, ...]]) -> None:
        connection.execute("SET statement_timeout = '50ms'")
        connection.execute("SELECT pg_sleep(5)")

    with pytest.raises(Unavailable):
        postgres_store._database.ask(slow, retry=False)
    postgres_store.close()


def test_a_store_that_can_be_opened_by_half_leaves_no_session_behind(shared_url: str) -> None:
    PostgresReadStore(shared_url, "halves").close()
    user = f"u{uuid.uuid4().hex[:12]}"
    with psycopg.connect(shared_url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {user} LOGIN PASSWORD 'secret' CONNECTION LIMIT 1")  # the store has one for lookups and one for queries
        admin.execute(f"GRANT USAGE ON SCHEMA halves TO {user}; GRANT SELECT ON halves.schema_versions TO {user}")
        scheme, _, rest = shared_url.partition("://")
        with pytest.raises(Unavailable, match="too many connections") as refused:
            PostgresReadStore(f"{scheme}://{user}:secret@{rest.rpartition('@')[2]}", "halves")
        until = time.monotonic() + 2.5
        while (sessions := admin.execute("SELECT FROM pg_stat_activity WHERE usename = %s", (user,)).rowcount) and time.monotonic() < until:
            time.sleep(0.05)
        assert sessions == 0, f"while somebody still holds {refused.value!r}"
