"""Play seeds by hand: `python -m tests.simulation 17 18`, or with `--plant "no key"` a bug put in."""

import argparse
import sys

from tests.simulation.plants import planted
from tests.simulation.run import simulate
from tests.simulation.scheduler import Broken


def main() -> int:
    """0 when all seeds were clean."""
    parser = argparse.ArgumentParser(prog="tests.simulation", description="Play seeds of the simulation.")
    parser.add_argument("seeds", type=int, nargs="+")
    parser.add_argument("--plant", default="none")
    asked = parser.parse_args()
    broken = 0
    with planted(asked.plant) as pieces:
        for seed in asked.seeds:
            try:
                sys.stdout.write(f"{simulate(seed, pieces)}\n")
            except Broken as error:
                broken += 1
                sys.stdout.write(f"{error}\n")
    return min(broken, 1)


if __name__ == "__main__":
    sys.exit(main())
