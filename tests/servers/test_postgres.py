"""The PostgreSQL that tests run on is a real one, of our own, and comes back after a crash."""

import psycopg
import pytest

from tests.servers import postgres


def test_each_test_gets_a_fresh_database(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute("create table t (a int)")
        row = connection.execute("show server_version_num").fetchone()
    assert row is not None
    assert int(row[0]) >= 150000


def test_a_wrong_password_is_refused(postgres_url: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres_url.replace("trimaran:trimaran@", "trimaran:wrong@"))


def test_a_killed_server_comes_back_with_what_was_committed(postgres_server: postgres.PostgresServer) -> None:
    with psycopg.connect(postgres_server.url) as connection:
        connection.execute("create table t (a int)")
        connection.execute("insert into t values (7)")
    postgres_server.kill()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(postgres_server.url)
    postgres_server.start()
    with psycopg.connect(postgres_server.url) as connection:
        assert connection.execute("select a from t").fetchall() == [(7,)]
