"""Seeds of the simulation of live rows: nothing missing, nothing doubled, no time running backwards; and it would notice if there were."""

import pytest

from tests.live.resume_plants import PLANTS, planted
from tests.live.resumes import Broken, simulate
from tests.rounds import rounds

SEEDS, FIRST = 1_000, 100
ENOUGH = 400  # seeds in which a planted bug must show
RARE = {"a cursor is good for any generation": 120, "a resume does not ask the row": 100}  # where to begin with those that show seldom


@pytest.mark.rounds
def test_every_client_sees_what_is_there_whatever_happened_on_the_way() -> None:
    count = rounds(SEEDS, FIRST)
    total: dict[str, int] = {}
    for seed in range(count) if count * 2 < SEEDS else range(SEEDS - count, SEEDS):
        for name, value in simulate(seed).items():
            total[name] = total.get(name, 0) + value
    for name in ("drops", "resets", "swaps", "overflows", "resumes", "snapshots", "filled"):  # the weather was bad enough
        assert total[name] > count // 10, (name, total)


def test_a_seed_is_a_whole_run() -> None:
    assert simulate(7) == simulate(7)


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_bug_is_noticed(name: str) -> None:
    with planted(name), pytest.raises(Broken):
        for seed in range(RARE.get(name, 0), ENOUGH):
            simulate(seed)
