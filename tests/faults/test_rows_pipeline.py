"""A round trip of several statements reaches PostgreSQL as a whole, or not at all, however large it is and wherever its process is stopped."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from providers.postgres.database import Connection, connect
from providers.postgres.pipeline import Pipeline
from providers.postgres.rows import PostgresReadStore
from runtime.ports import SHARDS, Phase
from tests.processes.domain import make_app

LARGE = 1 << 20


@pytest.fixture
def rows(postgres_url: str) -> Iterator[PostgresReadStore]:
    rows = PostgresReadStore(postgres_url, "halfway", idle_timeout_s=1.0, lock_timeout_s=5.0)
    yield rows
    rows.close()


@pytest.fixture
def connection(postgres_url: str) -> Iterator[Connection]:
    with connect(postgres_url, float("inf")) as connection:
        yield connection


def test_a_process_that_is_stopped_before_the_end_of_a_round_trip_has_locked_nothing(
    rows: PostgresReadStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = rows.create(make_app("halfway").groups["rows"], Phase.LIVE, 1).number
    stopped, go_on = threading.Event(), threading.Event()
    sync = Pipeline._enqueue_sync

    def stop_first(self: Pipeline) -> None:
        if threading.current_thread() is paused:
            stopped.set()
            go_on.wait()
        sync(self)

    def lock() -> None:
        transaction = rows.begin("rows", number)
        transaction.lock(range(SHARDS))
        transaction.rollback()

    monkeypatch.setattr(Pipeline, "_enqueue_sync", stop_first)
    paused = threading.Thread(target=lock)
    paused.start()
    try:
        assert stopped.wait(10)
        lock()  # it would end with a lock timeout
    finally:
        go_on.set()
        paused.join()


def test_a_process_that_is_stopped_before_it_took_a_large_answer_loses_its_locks(rows: PostgresReadStore) -> None:
    number = rows.create(make_app("halfway").groups["rows"], Phase.LIVE, 1).number
    stopped, other = rows.begin("rows", number), rows.begin("rows", number)
    stopped.lock(range(SHARDS))
    session = stopped._connection
    assert session is not None
    session.pgconn.send_query(b"SELECT repeat('x', 1000) FROM generate_series(1, 100000)")  # 100 MB, and nobody takes them
    session.pgconn.flush()
    other.lock(range(SHARDS))  # it would end with a lock timeout
    other.rollback()
    session.close()
    stopped.rollback()


def test_a_round_trip_larger_than_the_socket_holds_ends(connection: Connection) -> None:
    connection.deadline = time.monotonic() + 20
    sender = socket.socket(fileno=connection.pgconn.socket)
    try:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 << 10)
    finally:
        sender.detach()
    value = "x" * LARGE
    with connection.pipeline():
        answers = [connection.execute("SELECT length(%s::text), %s::text", (value, value)) for _ in range(2)]
    assert [answer.fetchone() for answer in answers] == [(LARGE, value)] * 2


def test_the_first_refusal_is_raised_and_the_connection_is_good_for_the_next_call(connection: Connection) -> None:
    answers: list[psycopg.Cursor[Any]] = []
    with pytest.raises(psycopg.errors.DivisionByZero), connection.pipeline():
        connection.execute("BEGIN")
        answers.append(connection.execute("SELECT 1 / 0"))
        answers.append(connection.execute("SELECT 2"))
    connection.execute("ROLLBACK")
    assert connection.execute("SELECT 3").fetchone() == (3,)
