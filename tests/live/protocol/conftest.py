"""Every behaviour's test runs over every driver; a driver is opened once and serves them all."""

from collections.abc import Iterator

import pytest

from tests.live.protocol.drivers import DRIVERS, Driver, Opened
from tests.rounds import full

MORE_WEATHER = ("apigateway seed 3", "apigateway seed 4")  # delays as seed 2 has them, drawn anew: with `--full`, and then these alone
CHOSEN = (
    [pytest.param(name, marks=pytest.mark.rounds) for name in MORE_WEATHER]
    if full()
    else [pytest.param(name) for name in DRIVERS if name not in MORE_WEATHER]
)


@pytest.fixture(scope="session", params=CHOSEN)
def driver(request: pytest.FixtureRequest) -> Iterator[Driver]:
    """A gateway over the probe app."""
    with DRIVERS[request.param]() as opened:
        yield opened


@pytest.fixture(params=CHOSEN)
def opened(request: pytest.FixtureRequest) -> Opened:
    """Opens a gateway with bounds or a verifier of this test alone."""
    found: Opened = DRIVERS[request.param]
    return found
