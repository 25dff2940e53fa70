"""A gateway that serves nobody waits for nothing when it is told to end: not for uvicorn's next look, and not for a signal that may never come."""

import asyncio
import threading

import pytest
from starlette.applications import Starlette

from apps.shop import app
from hosts import serving
from hosts.serving import Serving
from providers.memory.rows import MemoryReadStore
from providers.memory.signals import MemorySignals
from runtime.live.follow import hub
from runtime.live.follow.hub import Hub

LATE_S, WAIT_S = 60.0, 15.0


def gone(name: str) -> bool:
    """Whether no thread of that name is left."""
    return name not in {thread.name for thread in threading.enumerate()}


def test_a_server_is_told_to_end_and_does_not_look_whether_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "TICK_S", LATE_S)
    monkeypatch.setattr(serving, "STOP_S", WAIT_S)
    server = Serving(Starlette(), "127.0.0.1", 0, message_bytes=1_000, keep_alive_s=5.0)
    server.start()
    server.stop()
    assert gone("gateway")


def test_a_hub_that_hears_nothing_is_told_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "TAKE_S", LATE_S)

    async def from_start_to_stop() -> None:
        listening = Hub(app, MemoryReadStore(), MemorySignals())
        await listening.start()
        await asyncio.sleep(0.3)  # by now it waits for a signal
        await asyncio.wait_for(listening.stop(), WAIT_S)

    asyncio.run(from_start_to_stop())
    assert gone("gateway signals")
