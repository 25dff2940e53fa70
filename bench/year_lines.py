"""The year of flights: end to end on the embedded defaults, and the rebuild of one projection over it.

These lines have no peer but a figure: the ratio is events a second over it.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

from bench import servers
from bench.measure import Line, Round, Sample
from runtime.ports import EventStore, ReadStore
from runtime.steps import run

ROOT = Path(__file__).parent.parent
YEAR_GOAL = 5_000
REBUILD_GOAL = 100_000
WORKERS = 2
SLICES = ("flight-2013-01-01", "flight-2013-07-01", "")  # where each worker's slice begins; it ends where the next begins
YEAR_S = 1_800


@contextlib.contextmanager
def flights_year() -> Iterator[Round]:
    """`trimaran demo --speed max` over the whole year, commands included; lost and doubled must be 0."""
    with tempfile.TemporaryDirectory(prefix="trimaran-bench-") as folder:

        def measure() -> Sample:
            stores = [f"--events=sqlite:///{folder}/events.db", f"--rows=sqlite:///{folder}/rows.db", "--fresh"]
            words = [
                sys.executable,
                "-c",
                "from cli.main import main; main()",
                "demo",
                "--speed=max",
                "--json",
                "--from=2013-01-01",
                "--to=2013-12-31",
                *stores,
            ]
            done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=YEAR_S, check=True)
            told = json.loads(done.stdout.splitlines()[-1])
            if told["lost"] or told["doubled"] or told["events"] != 1_002_073:
                raise RuntimeError(f"the year came out wrong: {told['events']} events, {told['lost']} lost, {told['doubled']} doubled")
            per_s = told["events"] / told["seconds"]
            return Sample(per_s / YEAR_GOAL, per_s)

        yield measure


class Rebuilding:
    """A read store that rebuilds the board of the year again and again, with worker processes."""

    def __init__(self, store: EventStore, rows: ReadStore, events_url: str, rows_url: str) -> None:
        from bench import year
        from providers.memory.bus import MemoryBus
        from providers.memory.signals import MemorySignals
        from runtime.flow.rebuild import Rebuild

        self._urls = (events_url, rows_url)
        self._rebuild = Rebuild(year.app, "rows", store, rows, MemoryBus(8), MemorySignals())
        print("storing the year …", file=sys.stderr, flush=True)
        self._events = year.fill(store)

    def measure(self) -> Sample:
        """From the first event read to the swap; Python's start is not measured, dropping the old generation neither."""
        green = run(self._rebuild.start())
        with contextlib.ExitStack() as stack:
            workers = [stack.enter_context(self._worker(str(green.number), place)) for place in range(WORKERS)]
            for worker in workers:
                assert answer(worker) == "ready"
            start = perf_counter()
            for worker in workers:
                assert worker.stdin is not None
                worker.stdin.write("go\n")
                worker.stdin.flush()
            folded = sum(int(answer(worker)) for worker in workers)
            run(self._rebuild.swap())
            seconds = perf_counter() - start
        if folded != self._events:
            raise RuntimeError(f"{folded:,} of {self._events:,} events were folded")
        run(self._rebuild.finish(force=True))
        return Sample(folded / seconds / REBUILD_GOAL, folded / seconds)

    def _worker(self, number: str, place: int) -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "bench.rebuild_worker", *self._urls, number, SLICES[place], SLICES[place + 1]]
        words += [str(place), str(WORKERS)]
        return subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def answer(worker: subprocess.Popen[str]) -> str:
    """The next line of a worker."""
    assert worker.stdout is not None
    return worker.stdout.readline().strip()


@contextlib.contextmanager
def rebuild(url: Callable[[], contextlib.AbstractContextManager[tuple[str, str]]]) -> Iterator[Round]:
    """A rebuild on the stores of these URLs."""
    from bench import year
    from hosts.providers import open_events, open_rows

    with url() as (events_url, rows_url):
        store, rows = open_events(events_url, year.app).store, open_rows(rows_url, year.app)
        with contextlib.closing(store), contextlib.closing(rows):
            yield Rebuilding(store, rows, events_url, rows_url).measure


@contextlib.contextmanager
def on_sqlite() -> Iterator[tuple[str, str]]:
    """Two files, as the embedded defaults have them."""
    with tempfile.TemporaryDirectory(prefix="trimaran-bench-") as folder:
        yield f"sqlite:///{folder}/events.db", f"sqlite:///{folder}/rows.db"


@contextlib.contextmanager
def on_postgres() -> Iterator[tuple[str, str]]:
    """One database."""
    with servers.postgres() as url:
        yield url, url


LINES = (
    Line("flights-year", 1.0, "higher", f"{YEAR_GOAL:,} events/s", "events/s", flights_year, rounds_max=1),
    Line("rebuild-sqlite", 1.0, "higher", f"{REBUILD_GOAL:,} events/s", "events/s", lambda: rebuild(on_sqlite), rounds_max=3),
    Line("rebuild-postgres", 1.0, "higher", f"{REBUILD_GOAL:,} events/s", "events/s", lambda: rebuild(on_postgres), rounds_max=3),
)
