"""Event stores with their snapshots and relay, one small factory per provider, for the suites that hold them all to one meaning."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from providers.memory.events import MemoryEventStore
from providers.memory.relay import MemoryRelay
from providers.memory.snapshots import MemorySnapshots
from providers.postgres.events import PostgresEventStore
from providers.postgres.relay import PostgresRelay
from providers.postgres.snapshots import PostgresSnapshots
from providers.sqlite.database import connect
from providers.sqlite.events import SqliteEventStore
from providers.sqlite.relay import SqliteRelay
from providers.sqlite.snapshots import SqliteSnapshots
from runtime.ports import EventStore, Relay, Snapshots
from tests.conformance.appends import append, fill

PROVIDERS = ("memory", "sqlite", "postgres")
NAMESPACE = "conformance"

__all__ = ["NAMESPACE", "PROVIDERS", "Handle", "Place", "append", "fill", "opened", "postgres_handle", "sqlite_handle"]


class Handle(NamedTuple):
    """What one process holds of a store."""

    events: EventStore
    snapshots: Snapshots
    relay: Relay


class Place:
    """Where a store's data is: `handle` to use, `another` for a second handle as another process would hold, `sql` to tamper; in
    PostgreSQL, `url` and the `namespace` there.
    """

    def __init__(
        self, name: str, open_handle: Callable[[], Handle], sql: Callable[[str], None] | None = None, url: str = "", namespace: str = ""
    ) -> None:
        self.name, self.url, self.namespace = name, url, namespace
        self._open = open_handle
        self._opened: list[Handle] = []
        self.sql = sql
        self.handle = self.another()
        self.events, self.snapshots, self.relay = self.handle

    def another(self) -> Handle:
        """A second handle on the same data."""
        self._opened.append(self._open())
        return self._opened[-1]

    def close(self) -> None:
        """Close every handle."""
        for handle in self._opened:
            handle.events.close()


def sqlite_handle(path: str) -> Handle:
    """A handle on an SQLite file."""
    store = SqliteEventStore(path)
    return Handle(store, SqliteSnapshots(store), SqliteRelay(store))


def postgres_handle(url: str, namespace: str = NAMESPACE) -> Handle:
    """A handle on a PostgreSQL schema."""
    store = PostgresEventStore(url, namespace)
    return Handle(store, PostgresSnapshots(store), PostgresRelay(store))


def _memory(_: pytest.FixtureRequest) -> Place:
    store = MemoryEventStore()
    handle = Handle(store, MemorySnapshots(), MemoryRelay(store))
    return Place("memory", lambda: handle)


def _sqlite(request: pytest.FixtureRequest) -> Place:
    path = str(Path(request.getfixturevalue("tmp_path")) / "events.db")

    def sql(text: str) -> None:
        with contextlib.closing(connect(path)) as connection:
            connection.execute(text)

    return Place("sqlite", lambda: sqlite_handle(path), sql)


def _postgres(request: pytest.FixtureRequest) -> Place:
    url, namespace = request.getfixturevalue("shared_url"), f"{NAMESPACE}_{next(_namespaces)}"

    def sql(text: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"SET search_path = {namespace}")
            connection.execute(text)

    return Place("postgres", lambda: postgres_handle(url, namespace), sql, url, namespace)


_namespaces = itertools.count(1)
_MAKE: dict[str, Callable[[pytest.FixtureRequest], Place]] = {"memory": _memory, "sqlite": _sqlite, "postgres": _postgres}


@contextlib.contextmanager
def opened(request: pytest.FixtureRequest) -> Iterator[Place]:
    """The place that the fixture's parameter names, fresh for this test alone: in PostgreSQL a schema."""
    place = _MAKE[request.param](request)
    try:
        yield place
    finally:
        place.close()
