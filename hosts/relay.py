"""The relay as a process: what the event store holds and the bus does not.

`python -m hosts.relay --app shop --events postgresql://… --bus kafka://…`; any number of them may run.
"""

import argparse
import threading
from contextlib import ExitStack

from hosts.opening import Opening
from hosts.process import host, ready
from hosts.providers import open_bus, open_events
from hosts.reach import Reach
from hosts.settings import Settings
from hosts.telemetry import telemetry
from hosts.vitals import VITALS
from runtime.domain import App
from runtime.flow.relay import Relaying


def run(told: Settings, app: App, asked: argparse.Namespace, stop: threading.Event, stack: ExitStack) -> None:
    """Relay until SIGTERM, then finish the round in hand."""
    with Opening(stack) as opening:
        opened_events = opening.events(lambda: open_events(told.events, app))
        opened_bus = opening.bus(lambda: open_bus(told.bus, app))
    events, (bus, _) = opened_events.it, opened_bus.it
    for url, what in ((told.events, "the event store"), (told.bus, "the bus")):
        VITALS.need(Reach(url, what))
    pulse = VITALS.watch("relay")
    ready(f"relay of {app.name}")
    Relaying(app, events.relay, bus, telemetry=telemetry(), pulse=pulse).loop(stop)


if __name__ == "__main__":
    host("relay", ("events", "bus"), run)
