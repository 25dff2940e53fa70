"""The command functions as a process: POST /commands over an event store, and nothing that projects.

`python -m hosts.command --app shop --events postgresql://… --port 8000`

With TRIMARAN_JWKS, TRIMARAN_ISSUER and TRIMARAN_AUDIENCE a caller needs a token that `send(…, allow=…)` lets through; without them this
answers programs of its own machine only.
"""

import argparse
import threading
from contextlib import ExitStack

from hosts.admission import Admission, refuse_strangers, verifier_of
from hosts.gateway_settings import gateway_settings
from hosts.http import Face, Server
from hosts.process import host, ready
from hosts.providers import open_events
from hosts.settings import Settings
from hosts.telemetry import telemetry
from runtime.domain import App
from runtime.flow.command import Commands


def run(told: Settings, app: App, asked: argparse.Namespace, stop: threading.Event, stack: ExitStack) -> None:
    """Carry out commands over HTTP until SIGTERM."""
    rules = gateway_settings(production=True)
    refuse_strangers(told.host, verified=bool(rules.jwks))
    admission = Admission(app, verifier_of(rules)) if rules.jwks else None
    events = open_events(told.events, app)
    stack.callback(events.store.close)
    commands = Commands(app, events.store, events.snapshots, telemetry=telemetry())
    server = Server(Face(app, commands, None, lambda: (True, {"app": app.name}), admission), told.host, told.port)
    stack.callback(server.stop)
    server.start()
    ready(f"commands of {app.name} on {server.url}")
    stop.wait()


if __name__ == "__main__":
    host("command", ("events",), run)
