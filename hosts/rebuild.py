"""A slice of a rebuild as a process: `trimaran rebuild start --workers 2` starts two of them, each with streams of its own.

It may be killed anywhere: what it folded stays, and the next `rebuild start` goes on from there.
"""

import argparse
import signal
import sys
import threading
from contextlib import ExitStack

from hosts.process import host
from hosts.providers import open_events, open_rows
from hosts.settings import Settings
from providers.memory.bus import MemoryBus  # a slice reads the store alone, and nobody listens to a generation that is not live
from providers.memory.signals import MemorySignals
from runtime.domain import App
from runtime.errors import Misconfigured
from runtime.flow.rebuild import Rebuild
from runtime.ports import Phase
from runtime.steps import run as drive


def options(parser: argparse.ArgumentParser) -> None:
    """Which slice of which generation."""
    parser.add_argument("--group", default="rows", help="the group that is rebuilt")
    parser.add_argument("--generation", type=int, required=True, help="the green generation")
    parser.add_argument("--after", default="", help="fill streams after this one")
    parser.add_argument("--until", default="", help="and before this one")
    parser.add_argument("--worker", type=int, default=0, help="which of the workers this is, from 0")
    parser.add_argument("--workers", type=int, default=1, help="how many there are")


def run(told: Settings, app: App, asked: argparse.Namespace, stop: threading.Event, stack: ExitStack) -> None:
    """Fill it, and say how many events that were."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    events = open_events(told.events, app)
    stack.callback(events.store.close)
    rows = open_rows(told.rows, app)
    stack.callback(rows.close)
    work = Rebuild(app, asked.group, events.store, rows, MemoryBus(1), MemorySignals())
    green = next((one for one in rows.generations(asked.group) if (one.number, one.phase) == (asked.generation, Phase.GREEN)), None)
    if green is None:
        raise Misconfigured(f"group {asked.group!r} has no green generation {asked.generation}: `trimaran rebuild start` makes one")
    sys.stdout.write(f"{drive(work.fill(green, asked.after, asked.until, asked.worker, asked.workers))}\n")


if __name__ == "__main__":
    host("rebuild", ("events", "rows"), run, options)
