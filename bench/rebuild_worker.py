"""One slice of a rebuild in a process of its own: `python -m bench.rebuild_worker EVENTS ROWS NUMBER AFTER UNTIL WORKER WORKERS`.

It waits for a line on stdin, so that starting Python is not measured, folds its slice and says how many events that were.
"""

import sys

from bench.year import app
from hosts.providers import open_events, open_rows
from providers.memory.bus import MemoryBus
from providers.memory.signals import MemorySignals
from runtime.flow.rebuild import Rebuild
from runtime.steps import run


def main(events_url: str, rows_url: str, number: str, after: str, until: str, worker: str, workers: str) -> None:
    """Fold the streams after `after` and before `until` into generation `number`."""
    store, rows = open_events(events_url, app).store, open_rows(rows_url, app)
    rebuild = Rebuild(app, "rows", store, rows, MemoryBus(8), MemorySignals())
    (green,) = [one for one in rows.generations("rows") if one.number == int(number)]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sys.stdout.write(f"{run(rebuild.fill(green, after, until, int(worker), int(workers)))}\n")
    sys.stdout.flush()
    rows.close()
    store.close()


main(*sys.argv[1:])
