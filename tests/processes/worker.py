"""A process of a test: `python -m tests.processes.worker ROLE OPTIONS`, the shipped hosts with faults in their ports, or a writer.

Relay and projector are `hosts.relay` and `hosts.projector` as they are deployed; only what they open is wrapped, and a test may
ask for smaller batches. OPTIONS is JSON; where things are is told by the hosts' own environment variables.
"""

import faulthandler
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from threading import Event
from types import ModuleType
from typing import Any

import msgspec
from msgspec import Struct

from hosts.process import host
from hosts.providers import Events, open_events
from hosts.settings import load_app, settings
from hosts.stopping import stop_on_signals
from runtime.flow.command import Commands
from tests.processes.domain import AddValues
from tests.processes.failing import Fault, failing


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


def break_ports(module: ModuleType, fault: Fault | None) -> None:
    """Put the fault into whatever this host opens."""
    if fault is None:
        return

    def broken_events(*args: Any) -> Events:
        events: Events = opened["open_events"](*args)
        events.relay = failing(events.relay, "relay", fault)
        events.store = failing(events.store, "store", fault)
        return events

    def broken_rows(*args: Any) -> Any:
        return failing(opened["open_rows"](*args), "rows", fault)

    def broken_bus(*args: Any) -> tuple[Any, Any]:
        bus, signals = opened["open_bus"](*args)
        return failing(bus, "bus", fault), failing(signals, "signals", fault)

    broken = {"open_events": broken_events, "open_rows": broken_rows, "open_bus": broken_bus}
    opened = {name: getattr(module, name) for name in broken if hasattr(module, name)}
    for name in opened:
        setattr(module, name, broken[name])


def relay(options: Options) -> None:
    """The shipped relay."""
    import hosts.relay as shipped

    break_ports(shipped, options.fault)
    sys.argv = ["relay"]
    host("relay", ("events", "bus"), shipped.run)


def projector(options: Options) -> None:
    """The shipped projector, and for a saga its dispatcher."""
    import hosts.generations
    import hosts.projector as shipped
    from runtime.flow.project import Projector

    break_ports(shipped, options.fault)
    setattr(hosts.generations, "Projector", partial(Projector, batch=options.batch, sync_every_s=options.sync_every_s))  # noqa: B010  it is a type there
    sys.argv = ["projector", "--group", options.group]
    host("projector", ("events", "rows", "bus"), shipped.run, shipped.options)


def writer(options: Options) -> None:
    """Commands at a rate, one after the other; every acknowledged one is told in the log before the next is sent."""
    stop = Event()
    stop_on_signals(stop)
    told = settings()
    app = load_app(told.app)
    commands = Commands(app, open_events(told.events, app).store)
    commands.deadline_s = 30.0
    began, number = time.monotonic(), 0
    with open(options.log, "a", buffering=1) as log:
        print("ready", flush=True)  # noqa: T201
        while not stop.is_set() and (not options.commands or number < options.commands):
            if options.rate:
                stop.wait(max(0.0, began + number / options.rate - time.monotonic()))
            started = time.monotonic()
            command = AddValues(f"{options.writer}{number % options.tallies}", (number,))
            answer = commands.send(command, key=f"{options.writer}{number}")
            log.write(msgspec.json.encode((started, time.monotonic() - started, answer.stream, answer.last, number)).decode() + "\n")
            number += 1


def rebuild(options: Options) -> None:
    """A rebuild as `trimaran rebuild start` does it, that says how long each part took, and waits for the readers of the old rows."""
    from hosts.providers import open_bus, open_rows
    from runtime.flow.rebuild import Rebuild
    from runtime.steps import run

    told = settings()
    app = load_app(told.app)
    bus, signals = open_bus(told.bus, app)
    work = Rebuild(app, options.group, open_events(told.events, app).store, open_rows(told.rows, app), bus, signals)
    times = [time.monotonic()]
    green = run(work.start())
    print("ready", flush=True)  # noqa: T201
    folded = run(work.fill(green))
    times.append(time.monotonic())
    run(work.swap())
    times.append(time.monotonic())
    print("swapped", flush=True)  # noqa: T201
    while not run(work.finish()):
        time.sleep(0.05)
    times.append(time.monotonic())
    figures = {"generation": green.number, "folded": folded, "times": [later - times[0] for later in times[1:]]}
    print(msgspec.json.encode(figures).decode(), flush=True)  # noqa: T201
    bus.close()
    signals.close()


ROLES: dict[str, Callable[[Options], None]] = {"relay": relay, "projector": projector, "writer": writer, "rebuild": rebuild}

if __name__ == "__main__":
    faulthandler.register(signal.SIGUSR1)  # a fleet that failed asks where everybody stands
    ROLES[sys.argv[1]](msgspec.json.decode(sys.argv[2], type=Options))
