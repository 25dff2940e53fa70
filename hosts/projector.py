"""A projector as a process: one member of a group's consumer group, and for a saga the dispatcher of what it sends, too.

`python -m hosts.projector --app shop --events postgresql://… --rows postgresql://… --bus kafka://… --group rows`; any number of
them may run, for one group or for several. SIGTERM lets the batch in hand finish and leaves the group at once.
"""

import argparse
import os
import threading
from contextlib import ExitStack

from hosts.process import host, ready
from hosts.providers import open_bus, open_events, open_rows
from hosts.settings import Settings
from runtime.domain import App
from runtime.errors import Misconfigured
from runtime.flow.command import Commands
from runtime.flow.dispatch import Dispatcher
from runtime.flow.project import Projector, open_generation
from runtime.steps import run as perform

AGAIN_S = 0.2
JOIN_S = 30.0


def options(parser: argparse.ArgumentParser) -> None:
    """What only a projector asks."""
    parser.add_argument("--group", default="rows", help="the group of parts to project; a saga's name projects and dispatches it")


def run(told: Settings, app: App, asked: argparse.Namespace, stop: threading.Event, stack: ExitStack) -> None:
    """Project one group until SIGTERM."""
    if asked.group not in app.groups:
        raise Misconfigured(f"--group {asked.group!r}: {app.name} has {', '.join(app.groups)}")
    events = open_events(told.events, app)
    stack.callback(events.store.close)
    rows = open_rows(told.rows, app)
    stack.callback(rows.close)
    bus, signals = open_bus(told.bus, app)
    stack.callback(signals.close)
    stack.callback(bus.close)
    failed: list[Exception] = []
    if app.groups[asked.group].saga:
        dispatcher = Dispatcher(app, asked.group, rows, Commands(app, events.store, events.snapshots))
        thread = threading.Thread(target=guard, args=(dispatcher, stop, failed), name="dispatcher", daemon=True)
        thread.start()
        stack.callback(thread.join, JOIN_S)
        stack.callback(stop.set)
    while not stop.is_set():
        generation = perform(open_generation(app, asked.group, events.store, rows))
        holder = f"{os.uname().nodename}-{os.getpid()}"
        projector = Projector(app, generation, events.store, rows, bus, signals, holder=holder)
        ready(f"projector of {app.name}, group {asked.group}, generation {generation.number}")
        projector.loop(stop)  # returns when a rebuild took over, too
        stop.wait(AGAIN_S)
    if failed:
        raise failed[0]


def guard(dispatcher: Dispatcher, stop: threading.Event, failed: list[Exception]) -> None:
    """A dispatcher that ends in an error stops the process, which says why."""
    try:
        dispatcher.loop(stop)
    except Exception as error:  # noqa: BLE001  raised by the main thread
        failed.append(error)
        stop.set()


if __name__ == "__main__":
    host("projector", ("events", "rows", "bus"), run, options)
