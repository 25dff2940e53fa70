"""`trimaran demo` and `trimaran feed`: real flights through the whole path, watched, stopped cleanly, gone on with, and checked."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import date
from typing import Any

from msgspec import structs

from cli.dev import health, introduce
from cli.opening import opened, prepare
from cli.output import FAILED, INTERRUPTED, Exit, as_json, remark, say
from cli.progress import bar
from hosts.audit import Audit, audit
from hosts.feed import Fed, Feed
from hosts.local import Local, open_local
from hosts.local_gateway import open_local_gateway
from hosts.pages.graphiql import Example
from hosts.settings import Settings, load_app
from hosts.stopping import stop_on_signals
from hosts.timeline import begin, last_due
from hosts.timetable import check_days
from runtime.errors import Misconfigured
from runtime.flow.command import Commands
from runtime.ports import Phase

SAGA = "flagging"
IN_THE_AIR = Example(
    """# Late flights in the air: they come, change and go.
subscription InTheAir(
  $where: BoardFilter
  $after: String
) {
  boardRows(where: $where, after: $after) {
    snapshot
    changed {
      key
      row {
        carrier
        number
        origin
        destination
        scheduled
        depDelay
      }
    }
    removed { key }
    cursor
  }
}""",
    {"where": {"status": {"eq": "departed"}, "depDelay": {"gt": 60}}},
)
LINE_EVERY_S = 2.0


def parse_speed(text: str) -> float:
    """`max` is 0; a number is seconds of 2013 a second."""
    if text == "max":
        return 0.0
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise Misconfigured(f"--speed {text!r}: a number such as 3600 (an hour a second), or max")
    return speed


def parse_day(option: str, text: str) -> date:
    """A date as ISO 8601 writes it."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Misconfigured(f"--{option} {text!r} is not a date: write it like 2013-01-07") from None


def port(said: int | None) -> int | None:
    """Any free one, unless somebody said which: a demo should not fail because a port is taken."""
    return 0 if said is None and not os.environ.get("TRIMARAN_PORT") else said


def check_name(name: str, told: Settings) -> None:
    """There is one feed, for one app."""
    if name != "flights":
        raise Misconfigured(f"there is no feed {name!r}: `flights` is the one there is")
    if told.app not in ("flights", "apps.flights:app"):
        raise Misconfigured(f"the feed of flights is for --app flights, not {told.app!r}")


def feed(told: Settings, first: date, last: date, speed: float, *, json: bool) -> None:
    """Send the commands of a range of days; projectors run elsewhere, or later."""
    stop = threading.Event()
    stop_on_signals(stop, insisting=True)
    check_days(first, last)
    with opened(told) as it:
        prepare(it.app, it.events.store, told.rows)
        live = [each.number for each in it.rows.generations(SAGA) if each.phase is Phase.LIVE]

        def follow(stream: str, version: int) -> bool:
            return it.rows.watermarks_of(SAGA, live[-1], [stream]).get(stream, 0) >= version

        commands = Commands(it.app, it.events.store, it.events.snapshots)
        feeding = Feed(commands, it.events.store, it.rows, first, last, speed=speed, follow=follow if live else None)
        started = time.monotonic()
        with _progress(first, last, json=json) as show:
            whole = feeding.run(stop, show)
        seconds = time.monotonic() - started
    fed = feeding.fed
    if json:
        as_json({"commands": fed.commands, "repeated": fed.repeated, "at": fed.at, "whole": whole, "seconds": round(seconds, 3)})
    else:
        say(f"{fed.commands:,} commands in {seconds:.1f} s, {fed.repeated:,} of them known already")
    if not whole:
        remark("stopped: the same command goes on where it stopped")
        raise Exit(INTERRUPTED)


@contextmanager
def _progress(first: date, last: date, *, json: bool) -> Iterator[Callable[[Fed], None]]:
    """A bar on a terminal, plain lines elsewhere."""
    if not sys.stderr.isatty():
        yield Lines(json=json).show
        return
    begun = begin(first)
    with bar("hours fed", round((last_due(last) - begun).total_seconds() / 3600)) as show:
        yield lambda fed: show(max(0, round((fed.at - begun).total_seconds() / 3600)) if fed.at else 0)


def demo(
    told: Settings, first: date, last: date, speed: float, *, json: bool, fresh: bool, chaos: int | None, stay: bool, browser: bool
) -> None:
    """Everything in one process, the feed, and the board; then the whole is compared with the csv."""
    stop = threading.Event()
    stop_on_signals(stop, insisting=True)
    check_days(first, last)  # before --fresh removes anything
    app = load_app(told.app)
    with ExitStack() as stack:
        local = open_local(told, app, stack, fresh=fresh, chaos=chaos)
        if local.events.store.heads("flight-", 1):
            remark(f"flights of an earlier run are in {told.events}: going on after them (--fresh starts again from nothing)")
        gateway = open_local_gateway(local, told, lambda: health(local), (IN_THE_AIR,))
        stack.callback(gateway.serving.stop)
        local.start()
        gateway.serving.start()
        introduce(app.name, gateway, remark, browser=browser)
        feeding = Feed(
            local.commands, local.events.store, local.rows, first, last, speed=speed, follow=local.follow(SAGA), turns=local.turns
        )
        started = time.monotonic()
        whole = _go(local, feeding, stop, json=json)
        seconds = time.monotonic() - started
        if whole and stay:
            remark("every flight is there; the studio and GraphQL go on until Ctrl-C")
            stop.wait()
        local.stop()
        if local.failure is not None:
            raise local.failure
        if not whole:
            at = f"{feeding.fed.at:%Y-%m-%d %H:%M} UTC" if feeding.fed.at else "the beginning"
            remark(f"stopped cleanly at {at}: the same command goes on from there")
            raise Exit(INTERRUPTED)
        remark("comparing everything with the csv …")
        with bar("days", (last - first).days + 1) as show:
            found = audit(local.events.store, local.reading, first, last, lambda day: show((day - first).days + 1))
    _tell(found, feeding.fed, seconds, json=json)
    if found.lost or found.doubled:
        raise Exit(FAILED)


def _go(local: Local, feeding: Feed, stop: threading.Event, *, json: bool) -> bool:
    """Feed and settle; whether it came to the end."""
    _stop_together(local.stop_event, stop)
    shown = _face(local, feeding, json=json)
    with shown or nullcontext():
        show: Callable[[Fed], None] = shown.show if shown is not None else Lines(json=json).show
        return feeding.run(stop, show) and local.settle(stop, lambda: show(feeding.fed))


def _face(local: Local, feeding: Feed, *, json: bool) -> Any:
    if json or not sys.stdout.isatty():
        return None
    from cli.board import LiveBoard

    return LiveBoard(local, feeding)


def _stop_together(failed: threading.Event, stop: threading.Event) -> None:
    """A part that failed stops the feed."""

    def body() -> None:
        failed.wait()
        stop.set()

    threading.Thread(target=body, name="stop together", daemon=True).start()


def _tell(found: Audit, fed: Fed, seconds: float, *, json: bool) -> None:
    per_s = round((fed.commands - fed.repeated) / seconds, 1) if seconds else 0.0
    if json:
        counts = {name: value for name, value in structs.asdict(found).items() if name != "tables"}
        as_json(counts | {"seconds": round(seconds, 3), "events_per_s": per_s, "tables": found.tables})
        return
    say(
        f"{found.flights:,} flights, {found.events:,} events and {found.flagged:,} late flags on {found.rows:,} rows: "
        f"{found.lost:,} lost, {found.doubled:,} doubled against the csv"
    )
    say(f"{fed.commands - fed.repeated:,} commands in this run, {seconds:.1f} s, {per_s:,.0f} a second")


class Lines:
    """Progress as plain lines, where there is no terminal to draw on; on stderr when stdout is for JSON."""

    def __init__(self, *, json: bool) -> None:
        self._write = remark if json else say
        self._shown_s = time.monotonic()

    def show(self, fed: Fed) -> None:
        """A line now and then."""
        now = time.monotonic()
        if now - self._shown_s >= LINE_EVERY_S:
            self._shown_s = now
            self._write(f"{fed.at:%Y-%m-%d %H:%M} UTC  {fed.commands:,} commands" if fed.at else "catching up")
