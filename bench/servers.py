"""The real servers that a line needs: named in the environment, or started for this run and shared by its lines.

TRIMARAN_TEST_POSTGRES and TRIMARAN_TEST_KAFKA name running ones. A PostgreSQL that does not flush to disk (as tests like it) is
not used: durable writes are what these lines are about.
"""

import contextlib
import os
from collections.abc import Iterator
from functools import cache

import psycopg

from bench.missing import Missing

_open = contextlib.ExitStack()


@cache
def postgres_base() -> str:
    """The URL of a PostgreSQL that is durable."""
    given = os.environ.get("TRIMARAN_TEST_POSTGRES")
    if given and _durable(given):
        return given
    from tests.servers import postgres
    from tests.servers.process import ServerFailed

    try:
        return _open.enter_context(postgres.running(durable=True)).url
    except ServerFailed as error:
        raise Missing(str(error)) from error


def _durable(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            shown = connection.execute("show fsync").fetchone()
    except psycopg.OperationalError as error:
        raise Missing(f"TRIMARAN_TEST_POSTGRES does not answer: {error}") from error
    return shown == ("on",)


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """The URL of a fresh database for one line."""
    from tests.servers import postgres as server

    with server.database(postgres_base()) as url:
        yield url


@cache
def kafka() -> str:
    """The URL of a Kafka broker."""
    given = os.environ.get("TRIMARAN_TEST_KAFKA")
    if given:
        return given
    from tests.servers import kafka as server
    from tests.servers.process import ServerFailed

    try:
        return _open.enter_context(server.running()).url
    except ServerFailed as error:
        raise Missing(str(error)) from error


def stop() -> None:
    """Stop what this run started."""
    _open.close()
    postgres_base.cache_clear()
    kafka.cache_clear()
