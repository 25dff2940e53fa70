"""Benchmarks as ratios against named peers, interleaved in one run, with the goals built in.

`bench.run(names, rounds, json)` measures and prints; `bench.lines()` names what there is.
"""

from collections.abc import Sequence


def lines() -> list[str]:
    """The names of all lines, in the table's order."""
    from bench.table import all_lines

    return list(all_lines())


def run(names: Sequence[str] | None = None, rounds: int = 5, json: bool = False) -> int:
    """Measure lines by name (None: all) and print them; see bench.table for the exit codes."""
    from bench.table import run as run_table

    return run_table(names, rounds, json)
