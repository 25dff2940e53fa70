"""The shipped flow keeps its promises under every fault the dice can think of, and the dice find every bug planted in it."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence

import pytest

from tests.simulation.plants import PLANTS, planted
from tests.simulation.run import simulate
from tests.simulation.scheduler import Broken
from tests.simulation.weather import NAMES

FOUND_WITHIN = 150  # seeds


@pytest.mark.rounds
def test_the_flow_keeps_its_promises_in_every_seed(seeds: Sequence[int]) -> None:
    faults: Counter[str] = Counter()
    swaps = parked = steps = 0
    for seed in seeds:
        outcome = simulate(seed)
        assert outcome.steps >= 300
        assert outcome.events > 0
        faults.update(outcome.faults)
        steps += outcome.steps
        swaps += outcome.swaps
        parked += outcome.parked
    if len(seeds) >= 50:  # a storm that never strikes proves nothing
        missing = {*NAMES, "killed", "dropped", "duplicated"} - (+faults).keys()
        assert not missing, f"faults that never struck: {missing}"
        assert swaps > 0
        assert parked > 0


@pytest.mark.parametrize("plant", [plant for plant in PLANTS if plant != "none"])
def test_the_simulation_catches(plant: str) -> None:
    with planted(plant) as pieces, pytest.raises(Broken):
        for seed in range(FOUND_WITHIN):
            simulate(seed, pieces)


def test_a_seed_is_the_same_run_under_any_hash_seed() -> None:
    courses = set()
    for hash_seed in ("0", "1", "42"):
        done = subprocess.run(
            [sys.executable, "-m", "tests.simulation", "3", "7", "12"],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        courses.add(done.stdout)
    assert len(courses) == 1
    assert courses.pop().count("digest=") == 3


def test_two_seeds_are_two_runs() -> None:
    assert simulate(1).digest != simulate(2).digest
