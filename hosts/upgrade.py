"""Jobs that bring a new version of a group's code to its rows, blue/green, before its pods are replaced and after.

    python -m hosts.upgrade start --group=rows     the live generation was folded by other code: fill green, let it take over
    python -m hosts.upgrade finish --group=rows    drop the generations that nobody reads any more

`start` changes nothing, and says so, where the live generation is this code's already, where there is none yet, and where only an
operator can decide. It may be killed anywhere: the next one goes on with the same green.
"""

import argparse
import threading
import time
from contextlib import ExitStack

from hosts.process import host, killable, say
from hosts.providers import open_bus, open_events, open_rows
from hosts.settings import Settings, bus_settings
from runtime.domain import App
from runtime.errors import Misconfigured
from runtime.flow.project import LOOK_EVERY_S, consumer_group, unsure, watched_group
from runtime.flow.rebuild import Rebuild
from runtime.ports import Bus, EventStore, Generation, Phase, ReadStore
from runtime.steps import run as drive

LOOK_S = 1.0


def options(parser: argparse.ArgumentParser) -> None:
    """Which end of it."""
    parser.add_argument("what", choices=("start", "finish"), help="before the new pods, or after")
    parser.add_argument("--group", default="rows", help="the group")
    parser.add_argument("--within", type=float, default=300.0, help="how many seconds `finish` waits for readers of old generations to go")


def run(told: Settings, app: App, asked: argparse.Namespace, stop: threading.Event, stack: ExitStack) -> None:
    """Let a group's rows be those of this code, or drop what they were before."""
    killable()
    if asked.group not in app.groups:
        raise Misconfigured(f"--group {asked.group!r}: {app.name} has {', '.join(app.groups)}")
    events = open_events(told.events, app)
    stack.callback(events.store.close)
    rows = open_rows(told.rows, app)
    stack.callback(rows.close)
    bus, signals = open_bus(told.bus, app)  # connects when it is needed
    stack.callback(signals.close)
    stack.callback(bus.close)
    work = Rebuild(app, asked.group, events.store, rows, bus, signals)
    if asked.what == "finish":
        finish(work, rows, asked.group, asked.within)
    elif reason := nothing_to_do(app, asked.group, events.store, rows):
        say(f"{asked.group}: {reason}")
        if bus_settings().watched:
            show(app, asked.group, bus, rows)  # the job that swapped may have been killed before it came to this
    else:
        start(work, rows, (app.groups[asked.group].schema, events.store.epoch()), asked.group)
        if bus_settings().watched:
            time.sleep(2 * LOOK_EVERY_S)  # blue's pods have looked by then, and show no more what blue has done
            show(app, asked.group, bus, rows)


def nothing_to_do(app: App, group: str, store: EventStore, rows: ReadStore) -> str:
    """Why no rebuild is begun; empty when one is due."""
    mine, live = app.groups[group], live_one(rows, group)
    if live is None and drive(unsure(app, group, store, rows)):
        return (
            "a saga without rows, while the store has events: nothing is sent until you decide what is sent for those; "
            f"run `trimaran rebuild start --group {group}` with --silent (nothing) or --resend (all of it)"
        )
    if live is None:
        return "there is no generation yet: the first projector makes it"
    if live.epoch != (epoch := store.epoch()) and (mine.saga or live.schema == mine.schema):
        return (
            f"the store was restored (its epoch is {epoch}, generation {live.number} was folded from {live.epoch}): "
            f"that is not an upgrade, run `trimaran rebuild start --group {group}`"
        )
    if live.schema == mine.schema:
        return f"generation {live.number} is live and of this code"
    return ""


def start(work: Rebuild, rows: ReadStore, mine: tuple[str, int], group: str) -> None:
    """Fill green, or go on filling it; swap. A green of yet other code (or of another store) was never live, and goes."""
    left = next((one for one in rows.generations(group) if one.phase is Phase.GREEN), None)
    if left is not None and (left.schema, left.epoch) != mine:
        drive(work.abort())
        say(f"{group}: generation {left.number}, begun by other code and never live, is dropped")
    green = drive(work.start())
    say(f"{group}: filling generation {green.number}")
    folded = drive(work.fill(green))
    say(f"{group}: {folded:,} events folded, generation {green.number} takes over")
    drive(work.swap())
    say(f"{group}: generation {green.number} is live")


def show(app: App, group: str, bus: Bus, rows: ReadStore) -> None:
    """Let the group that is watched be where the live generation of this code is."""
    live = live_one(rows, group)
    if live is not None and live.schema == app.groups[group].schema:
        bus.commit_like(watched_group(app, group), consumer_group(app, live))


def finish(work: Rebuild, rows: ReadStore, group: str, within_s: float) -> None:
    """Drop old generations as their readers go, for so many seconds; what is read still stays for another time."""
    until = time.monotonic() + within_s
    while True:
        for number in drive(work.finish()):
            say(f"{group}: generation {number} is dropped")
        left = [one.number for one in rows.generations(group) if one.phase in (Phase.BLUE, Phase.FENCED)]
        if not left:
            say(f"{group}: nothing old is left")
            return
        if time.monotonic() >= until:
            say(f"{group}: generation {', '.join(map(str, left))} is still read: `trimaran rebuild finish` drops it later, --force now")
            return
        time.sleep(LOOK_S)


def live_one(rows: ReadStore, group: str) -> Generation | None:
    """The live generation."""
    return next((one for one in rows.generations(group) if one.phase is Phase.LIVE), None)


if __name__ == "__main__":
    host("upgrade", ("events", "rows", "bus"), run, options)
