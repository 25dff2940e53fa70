"""The gateway as a process: GraphQL over HTTP and WebSocket on rows that others project, commands carried out by others.

`python -m hosts.gateway --app shop --rows postgresql://… --bus kafka://… --events postgresql://… --port 8000`

With TRIMARAN_COMMANDS=https://… mutations go to the command functions and `--events` is not opened. Until TRIMARAN_JWKS
says who signs tokens nobody can sign in, and callers get what `allow=anyone` gives (hosts.gateway_settings); `trimaran dev` signs its own.
Where it says so and commands are carried out here, POST /commands takes them, too (hosts.commanding).

SIGTERM ▸ /ready 503 ▸ TRIMARAN_LINGER_S (0) more, until whoever sends clients here has noticed ▸ no new connections ▸ operations in hand
end, sockets close with 1001 ▸ exit 0; all of it within 40 s, of which the lingering is at most 5.
"""

import argparse
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from msgspec import Struct
from starlette.routing import BaseRoute

from hosts.admission import Admission, verifier_of
from hosts.commanding import Commanding
from hosts.gateway_settings import GatewaySettings, gateway_settings
from hosts.http import Face, Health
from hosts.opening import Opening
from hosts.probes import seconds
from hosts.probing import Probe
from hosts.process import host, ready
from hosts.providers import Events, open_bus, open_events, open_rows
from hosts.remote_commands import RemoteCommands
from hosts.serving import Serving
from hosts.settings import Settings
from hosts.site import Site, silent
from hosts.telemetry import telemetry
from hosts.turning import Turning
from hosts.vitals import VITALS
from runtime.domain import App
from runtime.flow.command import Commands
from runtime.flow.reading import Reading
from runtime.live.answers.engine import Engine, Sender
from runtime.live.callers.identity import Verifier
from runtime.live.callers.quotas import Quotas
from runtime.live.follow.hub import Hub
from runtime.live.requests import CALLER_TOKEN
from runtime.live.wire.asgi import Gateway
from runtime.ports import ReadStore, Signals

LINGER_MAX_S = 5.0  # with what is finished afterwards (hosts.serving.STOP_S) within 40 s


class Ports(Struct):
    """What a gateway works on, opened."""

    rows: ReadStore
    signals: Signals
    sender: Sender
    face: Face
    commanding: Commanding | None = None


type Figures = Callable[[], dict[str, int]]
type Pages = Callable[[Figures], list[BaseRoute]]  # for people and for what those pages ask, made of the gateway's figures


def no_pages(_: Figures) -> list[BaseRoute]:
    """A gateway for programs only."""
    return []


def sender_of(commands: Commands) -> Sender:
    """Mutations that are carried out in this process."""
    return lambda command, key, tenant, trace: commands.send(command, key, tenant, "", trace)


def open_gateway(
    app: App,
    ports: Ports,
    told: Settings,
    rules: GatewaySettings,
    verifier: Verifier,
    *,
    pages: Pages = no_pages,
    plain: bool = False,
) -> Serving:
    """The gateway on its port, bound but not started."""
    engine = Engine(
        app,
        Reading(app, ports.rows),
        ports.sender,
        limits=rules.limits,
        production=rules.production,
        telemetry=telemetry(),
    )
    hub = Hub(app, ports.rows, ports.signals, limits=rules.limits)
    gateway = Gateway(
        engine,
        hub,
        verifier,
        limits=rules.limits,
        origins=rules.origins,
        production=rules.production,
        quotas=Quotas(rules.limits),
    )

    async def end() -> None:
        await hub.stop()
        engine.close()
        if ports.commanding is not None:
            ports.commanding.close()

    def figures() -> dict[str, int]:
        return {} if rules.production else gateway.figures() | hub.figures()

    def load() -> dict[str, int]:
        now = gateway.figures()
        return {"sockets": now["connections"], "operations": now["operations"]}

    site = Site(
        gateway,
        ports.face,
        figures,
        begin=hub.start,
        end=end,
        pages=pages(figures),
        plain=plain,
        origins=rules.origins,
        commands=ports.commanding.answer if ports.commanding is not None else None,
    )
    return Serving(
        site,
        told.host,
        told.port,
        message_bytes=rules.limits.message_bytes,
        keep_alive_s=rules.limits.keep_alive_s,
        drain=gateway.drain,
        load=load,
    )


def open_silent(ports: Ports, told: Settings, rules: GatewaySettings, *, pages: Pages = no_pages, plain: bool) -> Serving:
    """The same place for an app that shows nothing over GraphQL (yet): it says so there, and the rest works."""

    async def nothing() -> None:
        return

    site = Site(silent, ports.face, dict, begin=nothing, end=nothing, pages=pages(dict), plain=plain, origins=rules.origins)
    limits = rules.limits
    return Serving(site, told.host, told.port, message_bytes=limits.message_bytes, keep_alive_s=limits.keep_alive_s)


def run(told: Settings, app: App, asked: argparse.Namespace, stop: threading.Event, stack: ExitStack) -> None:
    """Answer GraphQL over HTTP and WebSocket until SIGTERM, then close every socket with 1001."""
    rules, linger_s = gateway_settings(production=True), seconds("LINGER_S", 0.0, most=LINGER_MAX_S)
    with Opening(stack) as opening:
        opened_rows = opening.rows(lambda: open_rows(told.rows, app))
        opened_bus = opening.bus(lambda: open_bus(told.bus, app))
        opened_events = None if rules.commands else opening.events(lambda: open_events(told.events, app))
    rows, (bus, signals) = opened_rows.it, opened_bus.it
    bus.close()  # only the signals that travel beside it are heard here
    verifier, probe = verifier_of(rules), Probe(app, rows)
    sender, commands = _carrying_out(rules, app, opened_events.it if opened_events else None, stack)
    admitted = None
    if commands is not None and rules.jwks:
        admitted = Commanding(Face(app, commands, None, probe, Admission(app, verifier)), verifier, rules.origins)
    ports = Ports(rows, signals, sender, Face(app, None, None, _unless_stopped(stop, probe)), admitted)
    serving = open_gateway(app, ports, told, rules, verifier)
    stack.callback(serving.stop)
    serving.start()
    turning = Turning(serving)
    VITALS.look("the event loop", turning)
    VITALS.need(turning.health)
    VITALS.need(once_well(probe))
    VITALS.load = serving.load
    ready(f"gateway of {app.name} on {serving.url}/graphql")
    stop.wait()
    time.sleep(linger_s)


def once_well(health: Health) -> Health:
    """Ready is who could read once. What every gateway shares may be away later: callers are told so (`unavailable`), and would find
    nobody who tells them if all of them left the service for it.
    """
    met = threading.Event()

    def asked() -> tuple[bool, dict[str, Any]]:
        if met.is_set():
            return True, {"failure": None}
        well, told = health()
        if well:
            met.set()
        return well, told

    return asked


def _unless_stopped(stop: threading.Event, health: Health) -> Health:
    """Whoever sends clients here by /health sends no more once it is shutting down."""
    return lambda: (False, {"app": health()[1].get("app"), "failure": "shutting down"}) if stop.is_set() else health()


def _carrying_out(rules: GatewaySettings, app: App, events: Events | None, stack: ExitStack) -> tuple[Sender, Commands | None]:
    """Who carries out mutations, and this process's own command path if that is it."""
    if events is None:
        remote = RemoteCommands(app, rules.commands, CALLER_TOKEN.get)
        stack.callback(remote.close)
        return remote.send, None
    commands = Commands(app, events.store, events.snapshots, telemetry=telemetry())
    return sender_of(commands), commands


if __name__ == "__main__":
    host("gateway", ("rows", "bus"), run)
