"""The studio: how smoothly its rows run when they are very full, and how soon a newcomer sees it.

Both are driven in Chromium with the programs of tests/studio, against `trimaran dev` in a process of its own. They are bounds on what a
person waits for, so they mean something on a machine that does nothing else.
"""

import contextlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench.measure import Line, Round, bounded
from bench.missing import Missing

FRAME_MS, PAINT_MS, VISIT_KB = 50.0, 500.0, 200.0
LOADS = 5
PHASES = ("windowed", "live", "sorted")


@contextlib.contextmanager
def _chromium(folder: Path) -> Iterator[dict[str, str]]:
    """A browser that runs, as the programs are told of it."""
    from tests.servers import chromium, npm

    programs = Path(__file__).parent.parent / "tests" / "studio"
    try:
        words, told = npm.program(programs / "browser.mjs", folder / "chromium"), chromium.started()
    except npm.Missing as error:
        raise Missing(str(error)) from None
    with subprocess.Popen(words, env=os.environ | told, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield {"BROWSER": json.loads(process.stdout.readline())["endpoint"], "SHOTS": str(folder)}


def _driven(program: str, folder: Path, told: dict[str, str], deeds: dict[str, Callable[[], object]]) -> dict[str, Any]:
    """What a program reports; in between it asks for deeds, by name."""
    from tests.servers import npm

    words = npm.program(Path(__file__).parent.parent / "tests" / "studio" / program, folder / "program")
    with subprocess.Popen(words, env=os.environ | told, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for said in process.stdout:
            if said.startswith("{"):
                report: dict[str, Any] = json.loads(said)
                return report
            deeds[said.strip()]()
            process.stdin.write("done\n")
            process.stdin.flush()
    raise RuntimeError(f"{program} ended without a report")


@contextlib.contextmanager
def frames(seconds: int = 10) -> Iterator[Round]:
    """The gap between two frames that 99 of 100 stay below, in the worst phase: a window, all live, and sorted by what changes."""
    from tests.studio import bed, crowd

    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="trimaran-bench-")))
        told = stack.enter_context(_chromium(folder))
        running = stack.enter_context(bed.running(folder, crowd.APP))
        crowd.fill(running)

        def worst() -> float:
            with crowd.moving(running) as mover:
                deeds: dict[str, Callable[[], object]] = {"MOVE": mover.start, "REST": mover.stop}
                report = _driven("crowded.mjs", folder, told | {"URL": running.url, "SECONDS": str(seconds)}, deeds)
            return max(float(report[phase]["p99"]) for phase in PHASES)

        yield bounded(worst, FRAME_MS)


def _loads(value: Callable[[dict[str, Any]], float], most: float) -> Callable[[], AbstractContextManager[Round]]:
    @contextlib.contextmanager
    def opened() -> Iterator[Round]:
        from tests.studio import bed

        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="trimaran-bench-")))
            told = stack.enter_context(_chromium(folder))
            running = stack.enter_context(bed.running(folder, "flights"))

            def turn() -> float:
                return value(_driven("paint.mjs", folder, told | {"URL": running.url, "LOADS": str(LOADS)}, {}))

            yield bounded(turn, most)

    return opened


def used(most: float, unit: str) -> str:
    """The peer of a line against a bound."""
    return f"at most {most:g} {unit}"


LINES = (
    Line("studio-frames", 1, "lower", used(FRAME_MS, "ms"), "ms, p99 at 100,000 rows and 1,000 changes/s", frames, rounds_max=3),
    Line(
        "studio-paint", 1, "lower", used(PAINT_MS, "ms"), "ms to first paint", _loads(lambda told: float(median(told["paints"])), PAINT_MS)
    ),
    Line("studio-bytes", 1, "lower", used(VISIT_KB, "kB"), "kB of a first visit", _loads(lambda told: max(told["bytes"]) / 1000, VISIT_KB)),
)
