"""Every behaviour's test runs over every driver; a driver is opened once and serves them all."""

from collections.abc import Iterator

import pytest

from tests.live.protocol.drivers import DRIVERS, Driver, Opened

CHOSEN = [pytest.param(name, marks=pytest.mark.long if "seed" in name else ()) for name in DRIVERS]  # a seed: delays and reordering


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
