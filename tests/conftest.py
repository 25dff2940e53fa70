"""The real servers every test may ask for: one PostgreSQL and one Apache Kafka per run, a fresh database or topic per test.

`trimaran test` starts the servers once and names them in the environment; a bare `pytest` starts what its tests need.
A server that cannot start is an error of the test, never a skip.
"""

import os
import uuid
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.seconds import longest_first
from tests.servers import kafka, postgres

settings.register_profile("trimaran", deadline=None)  # a busy machine is no failure
settings.load_profile("trimaran")


def pytest_configure(config: pytest.Config) -> None:
    """Whoever watches a run learns what failed when it fails."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        config.pluginmanager.register(Named(config))


class Named:
    """Names a failure at once, on a line of its own; a run that is ended early has told it."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """After each phase of a test."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and reporter is not None:
            reporter.write_line(f"\nfailed {report.when} {report.nodeid}")


# kafka-python 3.0 may leave the socket of a connection that was under way when its client was closed; the collector finds it later
LEFT_BY_KAFKA = "ignore:Exception ignored in. <socket.socket fd=:pytest.PytestUnraisableExceptionWarning"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; where clients of Kafka are, what they leave is no failure of the test that happens to run."""
    items[:] = longest_first(items)
    for item in items:
        if any("kafka" in name for name in (*getattr(item, "fixturenames", ()), item.name)):
            item.add_marker(pytest.mark.filterwarnings(LEFT_BY_KAFKA))


@pytest.fixture(scope="session")
def postgres_base() -> Iterator[str]:
    """The URL of the run's PostgreSQL, superuser, database postgres."""
    given = os.environ.get("TRIMARAN_TEST_POSTGRES")
    if given:
        yield given
        return
    with postgres.running(durable=False) as server:
        yield server.url


@pytest.fixture
def postgres_url(postgres_base: str) -> Iterator[str]:
    """The URL of a fresh database of this test alone."""
    with postgres.database(postgres_base) as url:
        yield url


@pytest.fixture(scope="session")
def shared_url(postgres_base: str) -> Iterator[str]:
    """One database for many tests, each with a schema of its own: making that is much faster than making a database."""
    with postgres.database(postgres_base) as url:
        yield url


@pytest.fixture
def postgres_server() -> Iterator[postgres.PostgresServer]:
    """A PostgreSQL of this test alone, started, to be stopped, paused and killed."""
    with postgres.running() as server:
        yield server


@pytest.fixture(scope="session")
def kafka_url() -> Iterator[str]:
    """The URL of the run's broker."""
    given = os.environ.get("TRIMARAN_TEST_KAFKA")
    if given:
        yield given
        return
    with kafka.running() as server:
        yield server.url


@pytest.fixture
def topic() -> str:
    """A topic name of this test alone; nobody has created it."""
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture(scope="module")
def kafka_victim() -> Iterator[kafka.KafkaServer]:
    """A file's own broker, which fault tests may hurt; ask for `kafka_server`. An idle one takes 4 % of a core, so it ends with the file."""
    with kafka.running() as server:
        yield server


@pytest.fixture
def kafka_server(kafka_victim: kafka.KafkaServer) -> kafka.KafkaServer:
    """A broker to stop, pause and kill; it runs again for the next test, with the topics that are there."""
    kafka_victim.revive()
    return kafka_victim
