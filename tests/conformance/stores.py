"""Event stores with their snapshots and relay, one small factory per provider, for the suites that hold them all to one meaning."""

import contextlib
import hashlib
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
from runtime.ports import Append, EventStore, New, Relay, Snapshots

PROVIDERS = ("memory", "sqlite", "postgres")
NAMESPACE = "conformance"

_keys = itertools.count(1)


class Handle(NamedTuple):
    """What one process holds of a store."""

    events: EventStore
    snapshots: Snapshots
    relay: Relay


class Place:
    """Where a store's data is: `handle` to use, `another` for a second handle as another process would hold, `sql` to tamper."""

    def __init__(self, name: str, open_handle: Callable[[], Handle], sql: Callable[[str], None] | None = None) -> None:
        self.name = name
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


def postgres_handle(url: str) -> Handle:
    """A handle on a PostgreSQL schema."""
    store = PostgresEventStore(url, NAMESPACE)
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
    url = request.getfixturevalue("postgres_url")

    def sql(text: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"SET search_path = {NAMESPACE}")
            connection.execute(text)

    return Place("postgres", lambda: postgres_handle(url), sql)


_MAKE: dict[str, Callable[[pytest.FixtureRequest], Place]] = {"memory": _memory, "sqlite": _sqlite, "postgres": _postgres}


@contextlib.contextmanager
def opened(request: pytest.FixtureRequest) -> Iterator[Place]:
    """The place that the fixture's parameter names, on a fresh database of this test alone."""
    place = _MAKE[request.param](request)
    try:
        yield place
    finally:
        place.close()


def append(stream: str, expected: int, *datas: str, key: str = "", digest: bytes = b"") -> Append:
    """An append of these events; a fresh key unless told, and a digest that depends on the events."""
    events = tuple(New("Noted", data.encode()) for data in datas)
    digest = digest or hashlib.sha256("|".join(datas).encode()).digest()
    return Append(stream, expected, events, key or f"key-{next(_keys)}", digest, "cause-1@1", "00-trace-01", "2026-01-01T00:00:00Z")


def fill(store: EventStore, stream: str, count: int, first: int = 0) -> None:
    """Bring a stream from version `first` to `first + count`, one event per append."""
    for reply in store.append_all([append(stream, version, f"{stream}@{version + 1}") for version in range(first, first + count)]):
        if isinstance(reply, Exception):
            raise reply
