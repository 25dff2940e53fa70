"""Every provider of the ReadStore port, opened fresh for a test, and the little vocabulary its sentences are written in."""

import itertools
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from providers.memory.rows import MemoryReadStore
from providers.postgres.rows import PostgresReadStore
from providers.sqlite.rows import SqliteReadStore
from runtime.domain.filters import EVERYTHING, Filter, Query
from runtime.domain.tables import Column, Group, Kind, Table
from runtime.ports import Change, Generation, Letter, Output, Phase, ReadStore, RowWrite, Writes

PROVIDERS = ("memory", "sqlite", "postgres")

TICKETS = Table(
    "ticket",
    (Column("order", Kind.TEXT), Column("quantity", Kind.INT), Column("price", Kind.DECIMAL)),
)
EVERY_KIND = Table("sample", tuple(Column(f"a_{kind}", kind) for kind in Kind), many=True)
ONE_STREAM = Table("plain", EVERY_KIND.columns)
ROWS = Group("rows", (TICKETS, EVERY_KIND, ONE_STREAM), "hash-1")
SELLING = Group("selling", (Table("selling", (Column("state", Kind.TEXT),), many=True),), "hash-s", saga=True)

NOON = datetime(2013, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)

type Open = Callable[[], ReadStore]


class Place:
    """One provider: `store` to use, and `open` for another handle on the same data, as another process would have."""

    def __init__(self, provider: str, open_store: Open) -> None:
        self.provider = provider
        self._open = open_store
        self._opened: list[ReadStore] = []
        self.store = self.open()

    def open(self) -> ReadStore:
        store = self._open()
        self._opened.append(store)
        return store

    def close(self) -> None:
        for store in self._opened:
            store.close()


def opener(provider: str, folder: Path, url: Callable[[], str]) -> Open:
    """How to open a provider's store again and again; in PostgreSQL, a schema of its own."""
    match provider:
        case "memory":
            memory = MemoryReadStore()
            return lambda: memory
        case "sqlite":
            return lambda: SqliteReadStore(str(folder / "rows.db"))
        case _:
            address, namespace = url(), f"shop_{next(_namespaces)}"
            return lambda: PostgresReadStore(address, namespace)


_namespaces = itertools.count(1)


@pytest.fixture(params=PROVIDERS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    made = Place(request.param, opener(request.param, tmp_path, lambda: str(request.getfixturevalue("shared_url"))))
    yield made
    made.close()


@pytest.fixture
def store(place: Place) -> ReadStore:
    """A store with a live generation 1 of both groups."""
    place.store.create(ROWS, Phase.LIVE, 1)
    place.store.create(SELLING, Phase.LIVE, 1)
    return place.store


def green(store: ReadStore, group: Group = ROWS) -> Generation:
    return store.create(group, Phase.GREEN, 1)


def write(store: ReadStore, group: str = "rows", generation: int = 1, shards: tuple[int, ...] = (0,), **parts: Any) -> None:
    """One committed batch."""
    tx = store.begin(group, generation)
    tx.lock(shards)
    tx.write(Writes(**parts))
    tx.commit()


def ticket(order: str, quantity: int | None = 1, revision: int = 1, tenant: str = "") -> RowWrite:
    return RowWrite("ticket", order, tenant, (order, quantity, None), revision)


def gone(order: str, revision: int) -> RowWrite:
    return RowWrite("ticket", order, "", None, revision)


def change(shard: int, number: int, key: str = "o-1") -> Change:
    return Change(shard, number, "ticket", key, "", number, b"", b'{"quantity":%d}' % number)


def parked(stream: str, version: int, part: str = "ticket") -> Letter:
    return Letter(part, stream, version, "ValueError: no", 5)


def counting(stream: str, version: int, part: str = "ticket") -> Letter:
    return Letter(part, stream, version, "", 0, parked=False)


def output(stream: str, version: int, n: int = 1, **given: Any) -> Output:
    return Output("selling", given.pop("key", "o-1"), stream, version, n, b'{"type":"Reserve"}', **given)


def keys(store: ReadStore, table: Table = TICKETS, where: Filter = EVERYTHING, **given: Any) -> list[str]:
    """The keys that a query answers, in its order."""
    return [key for key, _ in store.query(1, table, Query(where, **given)).rows]


def sample(key: str, **given: Any) -> RowWrite:
    return RowWrite("sample", key, "", tuple(given.get(column.name) for column in EVERY_KIND.columns), 1)


def meanwhile(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread
