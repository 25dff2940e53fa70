"""Runs the command line as people do: a process of its own, in an empty directory, watched from outside."""

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def environment(**more: str) -> dict[str, str]:
    """This process's, without settings of ours, and with the repository importable."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TRIMARAN_", "PG", "COVERAGE"))}
    return kept | {"PYTHONPATH": str(REPOSITORY), "COLUMNS": "200"} | more


def trimaran(directory: Path, *arguments: str, stdin: str = "", env: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    """`trimaran …` to its end."""
    return subprocess.run(
        [sys.executable, "-c", "from cli.main import main; main()", *arguments],
        cwd=directory,
        env=environment(**(env or {})),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def started(directory: Path, *arguments: str, module: str = "", env: dict[str, str] | None = None) -> "subprocess.Popen[str]":
    """`trimaran …` (or `python -m module …`) in the background."""
    start = ["-m", module] if module else ["-c", "from cli.main import main; main()"]
    return subprocess.Popen(
        [sys.executable, *start, *arguments],
        cwd=directory,
        env=environment(PYTHONUNBUFFERED="1", **(env or {})),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
