"""`python -m bench [--json] [--rounds N] [line …]`: the same as `trimaran bench`, for work on the benchmarks themselves."""

import argparse
import sys

from bench import lines, run

parser = argparse.ArgumentParser(prog="bench", epilog="lines: " + ", ".join(lines()))
parser.add_argument("names", nargs="*", metavar="line")
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--json", action="store_true")
given = parser.parse_args()
sys.exit(run(given.names or None, given.rounds, given.json))
