"""The command functions as a process: POST /commands over an event store, and nothing that projects.

`python -m hosts.command --app shop --events postgresql://… --port 8000`
"""

import argparse
import threading
from contextlib import ExitStack

from hosts.http import Face, Server
from hosts.process import host, ready
from hosts.providers import open_events
from hosts.settings import Settings
from hosts.telemetry import telemetry
from runtime.domain import App
from runtime.flow.command import Commands


def run(told: Settings, app: App, asked: argparse.Namespace, stop: threading.Event, stack: ExitStack) -> None:
    """Carry out commands over HTTP until SIGTERM."""
    events = open_events(told.events, app)
    stack.callback(events.store.close)
    commands = Commands(app, events.store, events.snapshots, telemetry=telemetry())
    server = Server(Face(app, commands, None, lambda: (True, {"app": app.name})), told.host, told.port)
    stack.callback(server.stop)
    server.start()
    ready(f"commands of {app.name} on {server.url}")
    stop.wait()


if __name__ == "__main__":
    host("command", ("events",), run)
