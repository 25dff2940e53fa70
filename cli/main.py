"""`trimaran`: every command, its options, and nothing else; what a command does is imported when it runs.

Exit codes: 0 done · 1 a check failed · 2 wrong usage or settings · 3 rejected · 4 something is not reachable ·
5 an operator must act · 130 interrupted. Errors are one line on stderr.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hosts.settings import Settings

cli = typer.Typer(
    name="trimaran",
    help="One event-sourced domain in plain Python functions, live, on one machine or three clouds.",
    epilog="Exit codes: 0 done, 1 a check failed, 2 wrong usage or settings, 3 rejected, 4 not reachable, 5 an operator must act, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
dlq = typer.Typer(help="Dead letters and stuck sagas: what could not be done, and what to do about it.", no_args_is_help=True)
rebuilding = typer.Typer(help="Rebuild the rows of a group beside the live ones, then let them take over.", invoke_without_command=True)
cli.add_typer(dlq, name="dlq")
cli.add_typer(rebuilding, name="rebuild")

App = Annotated[str, typer.Option("--app", envvar="TRIMARAN_APP", help="shop, flights or module:name [default: shop]", show_default=False)]
Flights = Annotated[str, typer.Option("--app", help="the app that is fed", show_default=False)]
Events = Annotated[
    str, typer.Option("--events", help="event store: sqlite:///…, postgresql://…, memory:// [env: TRIMARAN_EVENTS]", show_default=False)
]
Rows = Annotated[
    str, typer.Option("--rows", help="read store: sqlite:///…, postgresql://…, memory:// [env: TRIMARAN_ROWS]", show_default=False)
]
Bus = Annotated[str, typer.Option("--bus", help="memory://, kafka://… [env: TRIMARAN_BUS]", show_default=False)]
Host = Annotated[str, typer.Option("--host", help="address to listen on [env: TRIMARAN_HOST; default: 127.0.0.1]", show_default=False)]
Port = Annotated[
    int | None, typer.Option("--port", help="port to listen on, 0: any free one [env: TRIMARAN_PORT; default: 8000]", show_default=False)
]
NoOpen = Annotated[bool, typer.Option("--no-open", help="open no browser (there is no page yet)")]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout")]
First = Annotated[str, typer.Option("--from", help="first day of 2013")]
Last = Annotated[str, typer.Option("--to", help="last day of 2013")]
Speed = Annotated[str, typer.Option("--speed", help="seconds of 2013 a second, or max")]
Part = Annotated[str, typer.Argument(help="the part, such as ticket")]
Stream = Annotated[str, typer.Argument(help="the stream, such as order-7")]


def guarded(work: Callable[[], object]) -> None:
    """Errors become one line and an exit code."""
    from cli.output import guarded as run

    run(work)


def settings(app: str = "", events: str = "", rows: str = "", bus: str = "", host: str = "", port: int | None = None) -> "Settings":
    """What was said, the environment, the defaults."""
    from hosts.settings import settings as say

    return say(app, events, rows, bus, host, port)


# --- running


@cli.command()
def dev(
    app: App = "", events: Events = "", rows: Rows = "", bus: Bus = "", host: Host = "", port: Port = None, no_open: NoOpen = False
) -> None:
    """Run an app in one process: commands, relay, projectors, sagas, and a plain HTTP face."""

    def work() -> None:
        from cli.dev import dev as run

        run(settings(app, events, rows, bus, host, port))

    guarded(work)


@cli.command()
def demo(
    name: Annotated[str, typer.Argument(help="what is fed")] = "flights",
    first: First = "2013-01-01",
    last: Last = "2013-01-07",
    speed: Speed = "14400",
    json: Json = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="remove what an earlier run left and start from nothing")] = False,
    chaos: Annotated[int | None, typer.Option("--chaos", help="seed of a bus that repeats, shuffles and loses messages")] = None,
    app: Flights = "flights",
    events: Events = "",
    rows: Rows = "",
    bus: Bus = "",
    host: Host = "",
    port: Port = None,
    no_open: NoOpen = False,
) -> None:
    """Replay real flights of 2013 through the whole path and show the delay board live."""

    def work() -> None:
        from cli import demo

        told = settings(app, events, rows, bus, host, port)
        demo.check_name(name, told)
        days = demo.parse_day("from", first), demo.parse_day("to", last)
        demo.demo(told, *days, demo.parse_speed(speed), json=json, fresh=fresh, chaos=chaos)

    guarded(work)


@cli.command()
def feed(
    name: Annotated[str, typer.Argument(help="what is fed: flights")],
    first: First = "2013-01-01",
    last: Last = "2013-12-31",
    speed: Speed = "max",
    json: Json = False,
    app: Flights = "flights",
    events: Events = "",
    rows: Rows = "",
) -> None:
    """Send the commands of real flights to a store that others project from."""

    def work() -> None:
        from cli import demo

        told = settings(app, events, rows)
        demo.check_name(name, told)
        demo.feed(told, demo.parse_day("from", first), demo.parse_day("to", last), demo.parse_speed(speed), json=json)

    guarded(work)


# --- streams and rows


@cli.command()
def send(
    command: Annotated[str, typer.Argument(help='JSON such as {"type":"Restock","sku":"cup","quantity":5}, or - for one a line on stdin')],
    key: Annotated[str, typer.Option("--key", help="idempotency key")] = "",
    tenant: Annotated[str, typer.Option("--tenant")] = "",
    json: Json = False,
    app: App = "",
    events: Events = "",
    rows: Rows = "",
) -> None:
    """Send a command and print its token, stream@version."""

    def work() -> None:
        from cli.data import send as run

        run(settings(app, events, rows), command, key, tenant, json=json)

    guarded(work)


@cli.command()
def watch(
    part: Part,
    seconds: Annotated[float, typer.Option("--seconds", help="end after so long; 0: never")] = 0.0,
    json: Json = False,
    app: App = "",
    events: Events = "",
    rows: Rows = "",
) -> None:
    """Print the rows of a part as they change."""

    def work() -> None:
        from cli.data import watch as run

        run(settings(app, events, rows), part, seconds, json=json)

    guarded(work)


@cli.command()
def streams(
    stream: Annotated[str, typer.Argument(help="show the events of this one")] = "",
    prefix: Annotated[str, typer.Option("--prefix", help="only streams that begin so")] = "",
    json: Json = False,
    app: App = "",
    events: Events = "",
) -> None:
    """List streams with their versions, or the events of one."""

    def work() -> None:
        from cli.data import streams as run

        run(settings(app, events), stream, prefix, json=json)

    guarded(work)


@cli.command()
def replay(
    stream: Stream,
    to: Annotated[int, typer.Option("--to", help="stop after this version; 0: at the end")] = 0,
    json: Json = False,
    app: App = "",
    events: Events = "",
) -> None:
    """Fold a stream again and show the state after each event."""

    def work() -> None:
        from cli.data import replay as run

        run(settings(app, events), stream, to, json=json)

    guarded(work)


@cli.command()
def export(
    file: Annotated[str, typer.Argument(help="JSON Lines; - for stdout")], app: App = "", events: Events = "", rows: Rows = ""
) -> None:
    """Write all streams with versions, keys and saga outputs; goes on with a file that is not whole."""

    def work() -> None:
        from cli.data import export as run

        run(settings(app, events, rows), file)

    guarded(work)


@cli.command(name="import")
def load(file: Annotated[str, typer.Argument(help="an export; - for stdin")], app: App = "", events: Events = "", rows: Rows = "") -> None:
    """Store an export; what is there already is skipped."""

    def work() -> None:
        from cli.data import load as run

        run(settings(app, events, rows), file)

    guarded(work)


# --- operating


@dlq.command(name="list")
def dlq_list(json: Json = False, app: App = "", events: Events = "", rows: Rows = "") -> None:
    """What is parked, and which sagas are stuck."""

    def work() -> None:
        from cli.operate import dlq_list as run

        run(settings(app, events, rows), json=json)

    guarded(work)


@dlq.command(name="show")
def dlq_show(part: Part, stream: Stream, json: Json = False, app: App = "", events: Events = "", rows: Rows = "") -> None:
    """One letter with its error and its event."""

    def work() -> None:
        from cli.operate import dlq_show as run

        run(settings(app, events, rows), part, stream, json=json)

    guarded(work)


@dlq.command(name="redrive")
def dlq_redrive(
    part: Annotated[str, typer.Argument(help="the part")] = "",
    stream: Annotated[str, typer.Argument(help="the stream")] = "",
    every: Annotated[bool, typer.Option("--all", help="everything that is parked")] = False,
    app: App = "",
    events: Events = "",
    rows: Rows = "",
) -> None:
    """Try again what was parked, after the code was mended."""

    def work() -> None:
        from cli.operate import dlq_redrive as run

        if not every and not (part and stream):
            raise typer.BadParameter("say PART and STREAM, or --all")
        run(settings(app, events, rows), part, stream, every=every)

    guarded(work)


@dlq.command(name="drop")
def dlq_drop(part: Part, stream: Stream, app: App = "", events: Events = "", rows: Rows = "") -> None:
    """Give up the one event that a letter stands at, and fold what came after it."""

    def work() -> None:
        from cli.operate import dlq_drop as run

        run(settings(app, events, rows), part, stream)

    guarded(work)


Which = Annotated[str, typer.Option("--group", help="the group of parts")]
Dollars = Annotated[float, typer.Option("--dollars-per-hour", help="price of one projector pod")]
Replicas = Annotated[int, typer.Option("--replicas", min=1, help="projectors at work")]


def _rebuild(
    what: str,
    told: "Callable[[], Settings]",
    group: str,
    *,
    dollars: float = 0.05,
    replicas: int = 1,
    json: bool = False,
    silent: bool | None = None,
    force: bool = False,
) -> None:
    def work() -> None:
        from cli.operate import rebuild as run

        run(told(), what, group, dollars, replicas, json=json, silent=silent, force=force)

    guarded(work)


@rebuilding.callback()
def rebuild(
    context: typer.Context,
    plan: Annotated[bool, typer.Option("--plan", help="the same as `rebuild plan`")] = False,
    group: Which = "",
    json: Json = False,
    app: App = "",
    events: Events = "",
    rows: Rows = "",
) -> None:
    """Rebuild the rows of a group beside the live ones, then let them take over."""
    if context.invoked_subcommand is not None:
        return
    if not plan:
        raise typer.BadParameter("say plan, start, status, finish or abort")
    _rebuild("plan", lambda: settings(app, events, rows), group, json=json)


@rebuilding.command(name="plan")
def rebuild_plan(
    group: Which = "",
    dollars: Dollars = 0.05,
    replicas: Replicas = 1,
    json: Json = False,
    app: App = "",
    events: Events = "",
    rows: Rows = "",
    bus: Bus = "",
) -> None:
    """Events, minutes, replicas and money, before anything is done."""
    _rebuild("plan", lambda: settings(app, events, rows, bus), group, dollars=dollars, replicas=replicas, json=json)


@rebuilding.command(name="start")
def rebuild_start(
    group: Which = "",
    silent: Annotated[
        bool | None, typer.Option("--silent/--resend", help="a saga whose rows were lost: send nothing of the past, or all of it again")
    ] = None,
    app: App = "",
    events: Events = "",
    rows: Rows = "",
    bus: Bus = "",
) -> None:
    """Fill new rows from the store, then let them take over; stopped anywhere, it goes on."""
    _rebuild("start", lambda: settings(app, events, rows, bus), group, silent=silent)


@rebuilding.command(name="status")
def rebuild_status(group: Which = "", json: Json = False, app: App = "", events: Events = "", rows: Rows = "", bus: Bus = "") -> None:
    """How far it is."""
    _rebuild("status", lambda: settings(app, events, rows, bus), group, json=json)


@rebuilding.command(name="abort")
def rebuild_abort(group: Which = "", app: App = "", events: Events = "", rows: Rows = "", bus: Bus = "") -> None:
    """Drop what was filled; the live rows were never touched."""
    _rebuild("abort", lambda: settings(app, events, rows, bus), group)


@rebuilding.command(name="finish")
def rebuild_finish(
    group: Which = "",
    force: Annotated[bool, typer.Option("--force", help="also what somebody still reads")] = False,
    app: App = "",
    events: Events = "",
    rows: Rows = "",
    bus: Bus = "",
) -> None:
    """Drop rows that were taken over and that nobody reads any more."""
    _rebuild("finish", lambda: settings(app, events, rows, bus), group, force=force)


@cli.command()
def doctor(json: Json = False, app: App = "", events: Events = "", rows: Rows = "", bus: Bus = "") -> None:
    """Check versions, privileges and schemas of the stores and the bus, and say the way out."""

    def work() -> None:
        from cli.doctor import doctor as run

        run(settings(app, events, rows, bus), json=json)

    guarded(work)


@cli.command()
def bench(
    names: Annotated[list[str] | None, typer.Argument(help="lines to measure; none: all")] = None,
    rounds: Annotated[int, typer.Option("--rounds", min=1)] = 5,
    json: Json = False,
) -> None:
    """Measure against the named peers and the goals."""

    def work() -> None:
        from bench import run
        from cli.output import Exit

        raise Exit(run(names or None, rounds, json))

    guarded(work)


@cli.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def test(
    context: typer.Context,
    full: Annotated[bool, typer.Option("--full", help="only the remaining rounds of the fault tests")] = False,
) -> None:
    """Run the checks and tests, on real PostgreSQL and real Apache Kafka that it starts on loopback.

    Whatever else is said (-k outbox, a file) goes to pytest, which then runs alone.
    """

    def work() -> None:
        from cli.output import Exit
        from cli.test import run

        raise Exit(run(full=full, extra=context.args))

    guarded(work)


def main() -> None:
    """The entry point."""
    cli()
