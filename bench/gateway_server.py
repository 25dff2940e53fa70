"""Our gateway as a process under measurement: `python -m bench.gateway_server memory|FOLDER [LIMITS]`, wired as hosts.gateway wires it.

`memory`: rows in memory, changed by a sink when ordered to, so that what is measured is the gateway. FOLDER: the embedded defaults, SQLite
and the in-process bus with relay and projector, and mutations that really do all of it.
"""

import sys
from contextlib import ExitStack

import msgspec

from bench import domain
from bench.gateway_child import Answer, obey, raise_open_files
from bench.gateway_domain import app
from hosts.gateway import Ports, open_gateway, sender_of
from hosts.gateway_settings import GatewaySettings
from hosts.http import Face
from hosts.local import open_local
from hosts.settings import Settings
from providers.memory.rows import MemoryReadStore
from providers.memory.signals import MemorySignals
from runtime.errors import Misconfigured
from runtime.flow.sink import Sink
from runtime.live.callers.identity import Anonymous
from runtime.live.limits import Limits
from runtime.ports import Answer as Answered
from runtime.ports import Phase, Recorded
from runtime.steps import run

TIME = "2026-11-23T22:10:42.454601+00:00"


class Rows:
    """Rows that change when they are told to: from an event on, what every projector does."""

    def __init__(self) -> None:
        self.rows, self.signals = MemoryReadStore(), MemorySignals()
        generation = self.rows.create(app.groups["rows"], Phase.LIVE, 1)
        # what arrives is whole, so the event store is never asked
        self._sink = Sink(app, "rows", generation.number, None, self.rows, self.signals, epoch=1)  # type: ignore[arg-type]
        self._versions: dict[str, int] = {}

    def enter(self, account: str) -> None:
        """One event more for this account."""
        version = self._versions[account] = self._versions.get(account, 0) + 1
        data = app.encode(domain.entered(account, version))
        stream = f"account-{account}"
        run(self._sink.apply({stream: [Recorded(stream, version, "Entered", data, f"{account}-{version:020}", time=TIME)]}))

    def publish(self, accounts: list[str]) -> Answer:
        """One change after the other."""
        for account in accounts:
            self.enter(account)
        return {}


def nothing_sent(*_: object) -> Answered:
    """There is no event store behind these rows."""
    raise Misconfigured("this gateway carries out no command")


def opened(where: str, stack: ExitStack) -> tuple[Ports, Rows | None]:
    """The ports, and what changes the rows when it is not commands."""
    if where == "memory":
        rows = Rows()
        return Ports(rows.rows, rows.signals, nothing_sent, Face(app, None, None, lambda: (True, {}))), rows
    told = Settings(app.name, f"sqlite:///{where}/events.db", f"sqlite:///{where}/rows.db", "memory://")
    local = open_local(told, app, stack)
    local.start()
    return Ports(local.rows, local.signals, sender_of(local.commands), Face(app, None, None, lambda: (True, {}))), None


def main(where: str, limits: str = "{}") -> None:
    """Serve until the pipe is closed."""
    raise_open_files()
    bounds = msgspec.json.decode(limits, type=Limits)
    with ExitStack() as stack:
        ports, rows = opened(where, stack)
        told = Settings(app.name, "", "", "", port=0)
        serving = open_gateway(app, ports, told, GatewaySettings(limits=bounds, production=True), Anonymous())
        stack.callback(serving.stop)
        serving.start()
        obey(serving.port, {"publish": rows.publish} if rows else {})


if __name__ == "__main__":
    main(*sys.argv[1:])
