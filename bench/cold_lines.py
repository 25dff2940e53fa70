"""A fresh process to its first durable command on SQLite, against the same written by hand with msgspec and sqlite3.

That is the part of a cold start that a command function can do something about: what it imports, and what it does before its
first commit. The file exists already, as a store does; bytecode is compiled, as in a function's archive.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from time import perf_counter

from bench.measure import Line, Round, Sample, cost

PEER = "bare msgspec + sqlite3"
ROOT = Path(__file__).parent.parent


class Starts:
    """Starts either program again and again on its own file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ids = (f"a{number}" for number in count())
        # compiled bytecode for both, wherever the caller's environment keeps it or not
        self._environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self._environment["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
        for which in ("ours", "bare"):  # makes the tables and the bytecode
            self.seconds(which)

    def seconds(self, which: str) -> float:
        """From the start of a process to the line it prints after its commit."""
        start = perf_counter()
        with self._process(which, "") as child:
            assert child.stdout is not None
            said = child.stdout.readline()
            taken = perf_counter() - start
        if not said.endswith("@1\n"):
            raise RuntimeError(f"the {which} program said {said!r}")
        return taken

    def report(self, which: str) -> tuple[float, list[str]]:
        """Peak memory in MB after the command, and foreign packages."""
        with self._process(which, "; import bench.start.report") as child:
            assert child.stdout is not None
            told = child.stdout.read().splitlines()
        peak_kib, _, found = told[-1].partition(" ")
        return int(peak_kib) / 1024, [name for name in found.split(",") if name]

    def _process(self, which: str, also: str) -> subprocess.Popen[str]:
        words = [sys.executable, "-c", f"import bench.start.{which}{also}", str(self._folder / f"{which}.db"), next(self._ids)]
        return subprocess.Popen(words, cwd=ROOT, env=self._environment, stdout=subprocess.PIPE, text=True)


@contextlib.contextmanager
def starts() -> Iterator[Starts]:
    """Both programs with a folder of their own."""
    with tempfile.TemporaryDirectory(prefix="trimaran-bench-") as folder:
        yield Starts(Path(folder))


@contextlib.contextmanager
def time() -> Iterator[Round]:
    """Milliseconds to the first durable command."""
    with starts() as programs:
        yield cost(partial(programs.seconds, "ours"), partial(programs.seconds, "bare"), turns=9, scale=1000)


@contextlib.contextmanager
def memory() -> Iterator[Round]:
    """Megabytes more at the peak."""
    with starts() as programs:

        def measure() -> Sample:
            ours = min(programs.report("ours")[0] for _ in range(3))
            bare = min(programs.report("bare")[0] for _ in range(3))
            return Sample(ours - bare, ours, bare)

        yield measure


@contextlib.contextmanager
def modules() -> Iterator[Round]:
    """How many foreign packages were imported."""
    with starts() as programs:

        def measure() -> Sample:
            found = programs.report("ours")[1]
            if found:
                print(f"imported: {', '.join(found)}", file=sys.stderr)
            return Sample(len(found), len(found), len(programs.report("bare")[1]))

        yield measure


LINES = (
    Line("cold-start", 1.35, "lower", PEER, "ms", time),
    Line("cold-start-memory", 4.0, "lower", PEER, "MB (ratio: MB more)", memory),
    Line("cold-start-foreign-modules", 0, "lower", PEER, "packages (ratio: how many)", modules, rounds_max=1),
)
