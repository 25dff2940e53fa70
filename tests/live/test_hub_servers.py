"""The hub over the servers that it meets in the cloud: rows in PostgreSQL, signals through Kafka; and over SQLite."""

import asyncio
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from apps.shop import app
from providers.kafka.signals import KafkaSignals
from providers.memory.signals import MemorySignals
from providers.postgres.rows import PostgresReadStore
from providers.sqlite.rows import SqliteReadStore
from runtime.live.follow.hub import Hub
from runtime.ports import ReadStore, Signals
from tests.live.test_hub import ADA, POLL_S, until
from tests.live.viewer import Viewer, plan, render
from tests.live.writer import Writer


async def _a_day(rows: ReadStore, signals: Signals) -> list[float]:
    """Snapshot, changes, a lost signal, a resume through another gateway, a swap; how long changes took to be seen."""
    writer = Writer(rows, signals)
    hub, other = (Hub(app, rows, signals, poll_s=POLL_S * 4) for _ in range(2))
    await asyncio.gather(hub.start(), other.start())
    waits = []
    try:
        await asyncio.to_thread(writer.put, ("o1", "ada", 1, "placed"), ("o2", "bob", 1, "placed"))
        viewer = Viewer()
        subscription = hub.subscribe(plan(ADA), render, viewer)
        await until(lambda: viewer.updates, 30)
        for amount in range(2, 30):
            started = time.monotonic()
            await asyncio.to_thread(writer.put, ("o1", "ada", amount, "placed"))
            await until(lambda amount=amount: viewer.rows["o1"]["amount"] == amount, 30)  # type: ignore[misc]
            waits.append(time.monotonic() - started)
        writer.lose = True
        await asyncio.to_thread(writer.put, ("o2", "ada", 1, "sold"), gone=["o1"])
        await until(lambda: set(viewer.rows) == {"o2"}, 30)
        subscription.cancel()
        await asyncio.to_thread(writer.put, ("o3", "ada", 3, "placed"))
        again = Viewer()
        again.rows, again.revisions = viewer.rows, viewer.revisions
        other.subscribe(plan(ADA, after=viewer.cursor), render, again)
        await until(lambda: set(again.rows) == {"o2", "o3"}, 30)
        assert not again.updates[0].snapshot
        writer.lose = False
        green = await asyncio.to_thread(writer.fill_green)
        await asyncio.to_thread(writer.swap, green)
        await asyncio.to_thread(writer.put, ("o3", "ada", 4, "placed"))
        await until(lambda: again.revisions["o3"][0] == green.number and again.rows["o3"]["amount"] == 4, 30)
        assert viewer.wrong == again.wrong == []
        await until(lambda: rows.leases("rows", green.number - 1) == 0, 30)
        assert rows.leases("rows", green.number) >= 1
    finally:
        await asyncio.gather(hub.stop(), other.stop())
    return waits


def test_the_hub_follows_postgresql_through_kafka(postgres_url: str, kafka_url: str, topic: str) -> None:
    with ExitStack() as stack:
        rows, signals = PostgresReadStore(postgres_url, "shop"), KafkaSignals(kafka_url, topic)
        stack.callback(rows.close)
        stack.callback(signals.close)
        signals.ensure(600)
        waits = asyncio.run(_a_day(rows, signals))
    assert sorted(waits)[len(waits) // 2] < 1.0


@pytest.mark.parametrize("shared", [True, pytest.param(False, marks=pytest.mark.long)], ids=["one store", "signals lost for good"])
def test_the_hub_follows_sqlite(tmp_path: Path, shared: bool) -> None:
    rows = SqliteReadStore(str(tmp_path / "rows.db"))
    try:
        asyncio.run(_a_day(rows, MemorySignals() if shared else Deaf()))
    finally:
        rows.close()


class Deaf(MemorySignals):
    """Nobody ever hears anything: the change log alone must do."""

    def send(self, signals: object) -> None:
        """Into the void."""
