"""Every behaviour's test runs over every driver; a driver is opened once and serves them all."""

from collections.abc import Iterator

import pytest

from tests.live.protocol.drivers import DRIVERS, Driver, Opened

SEED = "apigateway seed 2"  # delays and reordering; with other seeds, and behind the other service, under `--full`
CHOSEN = [pytest.param(name, marks=pytest.mark.long if "seed" in name and name != SEED else ()) for name in DRIVERS]


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
