"""What a fault test measured, kept for the report: printed by pytest, and appended to the file that TRIMARAN_FIGURES names."""

import json
import os
import statistics
from collections.abc import Sequence
from pathlib import Path


def report(fault: str, **figures: float | int | str) -> None:
    """Say it."""
    line = json.dumps({"fault": fault, **{name: round(value, 4) if isinstance(value, float) else value for name, value in figures.items()}})
    print(line)  # noqa: T201
    if file := os.environ.get("TRIMARAN_FIGURES"):
        with Path(file).open("a") as lines:
            lines.write(line + "\n")


def p50(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)


def p99(values: Sequence[float]) -> float:
    """The 99th percentile, by nearest rank."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * 0.99))]
