"""How many seeds a run plays: a share of 1,000 by default, any number by option."""

import os
from collections.abc import Sequence

import pytest

from tests.rounds import rounds

SEEDS, FIRST = 1_000, 100


def pytest_addoption(parser: pytest.Parser) -> None:
    """`pytest tests/simulation --seeds 100000`; TRIMARAN_SEEDS says the same where pytest is started by others."""
    parser.addoption("--seeds", type=int, default=None, help="how many seeds the simulation plays")


@pytest.fixture
def seeds(request: pytest.FixtureRequest) -> Sequence[int]:
    """The seeds of this run: the first hundred, or with `--full` the others."""
    wanted = request.config.getoption("--seeds", default=None) or os.environ.get("TRIMARAN_SEEDS")
    if wanted:
        return range(int(wanted))
    count = rounds(SEEDS, FIRST)
    return range(count) if count * 2 < SEEDS else range(SEEDS - count, SEEDS)
