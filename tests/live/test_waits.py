"""Waiting for a write that never comes is bounded in time, and in how many do it at once."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from apps.shop import app
from runtime.domain.api import Identity
from runtime.live.callers.waits import Waits
from runtime.live.limits import Limits
from runtime.live.requests import Request
from tests.live import bed

NEVER = 'query { ticket(order: "o", after: "order-o@7") { order } }'
ANN = Identity("ann")


@pytest.fixture
def gateway() -> Iterator[bed.Bed]:
    with bed.running(app, limits=Limits(waits=3, wait_s=4.0)) as running:
        yield running


def test_a_place_is_given_back_whatever_happens() -> None:
    waits = Waits(1)
    with pytest.raises(KeyError), waits.place() as first, waits.place() as second:
        assert (first, second) == (True, False)
        raise KeyError
    with waits.place() as again:
        assert again


def test_who_finds_no_place_is_answered_stale_at_once(gateway: bed.Bed) -> None:
    prepared = gateway.engine.prepare(Request(NEVER))

    async def one() -> tuple[float, bool]:
        started = time.monotonic()
        answer = await gateway.engine.execute(prepared, ANN)
        return time.monotonic() - started, answer.get("extensions") == {"stale": [["ticket"]]}

    async def all_() -> list[tuple[float, bool]]:
        return await asyncio.gather(*(one() for _ in range(50)))

    took = gateway.on_loop(all_())
    assert all(stale for _, stale in took)
    assert sum(seconds >= 4.0 for seconds, _ in took) == 3
