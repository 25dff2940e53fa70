"""A process of a test: `python -m tests.processes.worker ROLE OPTIONS` with the hosts' environment and JSON options.

It says `ready` once it works, ends with 0 after SIGTERM, with 3 when an operator must act (`Stopped`), and by its fault otherwise.
"""

import faulthandler
import signal
import sys
import time
from collections.abc import Callable
from threading import Event
from typing import Any

import msgspec
from msgspec import Struct

from hosts.providers import open_bus, open_events, open_rows
from hosts.settings import load_app, settings
from runtime.errors import Stopped
from runtime.flow.command import Commands
from runtime.flow.dispatch import Dispatcher
from runtime.flow.project import Projector, open_generation
from runtime.flow.relay import Relaying
from runtime.steps import run
from tests.processes.domain import AddValues
from tests.processes.failing import Fault, failing

STOPPED = 3


class Options(Struct, frozen=True):
    """What a test asks of a process."""

    group: str = "rows"
    batch: int = 2_000
    sync_every_s: float = 60.0
    fault: Fault | None = None
    # of a writer
    writer: str = "w"
    tallies: int = 100
    rate: float = 0.0  # commands a second; 0: as many as it can
    commands: int = 0  # 0: until told to stop
    log: str = ""  # a line for each acknowledged command: started, seconds, stream, last, value


class Ship:
    """The ports of this process, opened when they are needed."""

    def __init__(self, options: Options) -> None:
        self.settings, self.options = settings(), options
        self.app = load_app(self.settings.app)
        self.stop = Event()
        signal.signal(signal.SIGTERM, lambda *_: self.stop.set())
        events = open_events(self.settings.events, self.app)
        self.store = events.store
        self.relay = failing(events.relay, "relay", options.fault)

    def open_rows(self) -> Any:
        """The read store."""
        return failing(open_rows(self.settings.rows, self.app), "rows", self.options.fault)

    def open_bus(self) -> tuple[Any, Any]:
        """The bus and the signals."""
        bus, signals = open_bus(self.settings.bus, self.app)
        return failing(bus, "bus", self.options.fault), failing(signals, "signals", self.options.fault)


def relay(ship: Ship) -> None:
    """The relay."""
    bus, _ = ship.open_bus()
    relaying = Relaying(ship.app, ship.relay, bus)
    _ready()
    relaying.loop(ship.stop)
    bus.close()


def projector(ship: Ship) -> None:
    """A projector of one group."""
    rows = ship.open_rows()
    bus, signals = ship.open_bus()
    options = ship.options
    generation = run(open_generation(ship.app, options.group, ship.store, rows))
    member = Projector(ship.app, generation, ship.store, rows, bus, signals, batch=options.batch, sync_every_s=options.sync_every_s)
    _ready()
    member.loop(ship.stop)
    signals.close()
    bus.close()


def dispatcher(ship: Ship) -> None:
    """A dispatcher of one saga."""
    rows = ship.open_rows()
    sending = Dispatcher(ship.app, ship.options.group, rows, Commands(ship.app, ship.store))
    _ready()
    sending.loop(ship.stop)


def writer(ship: Ship) -> None:
    """Commands at a rate, one after the other; every acknowledged one is told in the log before the next is sent."""
    options, commands = ship.options, Commands(ship.app, ship.store)
    commands.deadline_s = 30.0
    began, number = time.monotonic(), 0
    with open(options.log, "a", buffering=1) as log:
        _ready()
        while not ship.stop.is_set() and (not options.commands or number < options.commands):
            if options.rate:
                ship.stop.wait(max(0.0, began + number / options.rate - time.monotonic()))
            started = time.monotonic()
            command = AddValues(f"{options.writer}{number % options.tallies}", (number,))
            answer = commands.send(command, key=f"{options.writer}{number}")
            log.write(msgspec.json.encode((started, time.monotonic() - started, answer.stream, answer.last, number)).decode() + "\n")
            number += 1


def _ready() -> None:
    print("ready", flush=True)  # noqa: T201


ROLES: dict[str, Callable[[Ship], None]] = {"relay": relay, "projector": projector, "dispatcher": dispatcher, "writer": writer}


def main() -> int:
    """Carry out the role."""
    faulthandler.register(signal.SIGUSR1)  # a fleet that failed asks where everybody stands
    role, options = ROLES[sys.argv[1]], msgspec.json.decode(sys.argv[2], type=Options)
    try:
        role(Ship(options))
    except Stopped as error:
        print(f"{type(error).__name__}: {error}", flush=True)  # noqa: T201
        return STOPPED
    return 0


if __name__ == "__main__":
    sys.exit(main())
