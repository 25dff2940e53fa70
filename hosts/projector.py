"""A projector as a process: one member of a group's consumer group, and for a saga the dispatcher of what it sends, too.

`python -m hosts.projector --app shop --events postgresql://… --rows postgresql://… --bus kafka://… --group rows`; any number of
them may run, for one group or for several. SIGTERM lets the batch in hand finish and leaves the group at once.
"""

import argparse
import threading
from contextlib import ExitStack

from hosts.generations import Folding
from hosts.opening import Opening
from hosts.process import host, ready
from hosts.providers import open_bus, open_events, open_rows
from hosts.reach import Reach
from hosts.settings import Settings
from hosts.telemetry import telemetry
from hosts.vitals import VITALS
from runtime.domain import App
from runtime.errors import Misconfigured
from runtime.flow.command import Commands
from runtime.flow.dispatch import Dispatcher

JOIN_S = 30.0


def options(parser: argparse.ArgumentParser) -> None:
    """What only a projector asks."""
    parser.add_argument("--group", default="rows", help="the group of parts to project; a saga's name projects and dispatches it")


def run(told: Settings, app: App, asked: argparse.Namespace, stop: threading.Event, stack: ExitStack) -> None:
    """Project one group until SIGTERM."""
    if asked.group not in app.groups:
        raise Misconfigured(f"--group {asked.group!r}: {app.name} has {', '.join(app.groups)}")
    with Opening(stack) as opening:
        opened_events = opening.events(lambda: open_events(told.events, app))
        opened_rows = opening.rows(lambda: open_rows(told.rows, app))
        opened_bus = opening.bus(lambda: open_bus(told.bus, app))
    events, rows, (bus, signals) = opened_events.it, opened_rows.it, opened_bus.it
    for url, what in ((told.events, "the event store"), (told.rows, "the read database"), (told.bus, "the bus")):
        VITALS.need(Reach(url, what))
    failed: list[Exception] = []
    watch = telemetry()
    if app.groups[asked.group].saga:
        commands = Commands(app, events.store, events.snapshots, telemetry=watch)
        dispatcher = Dispatcher(app, asked.group, rows, commands, telemetry=watch, pulse=VITALS.watch("dispatcher"))
        thread = threading.Thread(target=guard, args=(dispatcher, stop, failed), name="dispatcher", daemon=True)
        thread.start()
        stack.callback(thread.join, JOIN_S)
        stack.callback(stop.set)
    folding = Folding(app, asked.group, events.store, rows, bus, signals)
    numbers = folding.start(stop)
    ready(f"projector of {app.name}, group {asked.group}, generation {', '.join(map(str, numbers))}")
    folding.loop(stop)
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
