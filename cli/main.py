"""`trimaran`: every command, its options, and nothing else; what a command does is imported when it runs.

Exit codes: 0 done · 1 a check failed · 2 wrong usage or settings · 3 rejected · 4 something is not reachable ·
5 an operator must act · 130 interrupted. Errors are one line on stderr.
"""

from pathlib import Path
from typing import Annotated

import typer

from cli.dlq import dlq
from cli.options import (
    App,
    Bus,
    Events,
    First,
    Flights,
    Host,
    Json,
    Last,
    NoOpen,
    Part,
    Port,
    Rows,
    Speed,
    Stream,
    guarded,
    settings,
)
from cli.rebuild import rebuilding
from cli.scale import scaling

cli = typer.Typer(
    name="trimaran",
    help="One event-sourced domain in plain Python functions, live, on one machine or three clouds.",
    epilog="Exit codes: 0 done, 1 a check failed, 2 wrong usage or settings, 3 rejected, 4 not reachable, 5 an operator must act, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
cli.add_typer(dlq, name="dlq")
cli.add_typer(rebuilding, name="rebuild")
cli.add_typer(scaling, name="scale")

# --- running


@cli.command()
def dev(
    app: App = "", events: Events = "", rows: Rows = "", bus: Bus = "", host: Host = "", port: Port = None, no_open: NoOpen = False
) -> None:
    """Run an app in one process: commands, relay, projectors, sagas, live GraphQL, and the studio to see it at work."""

    def work() -> None:
        from cli.dev import dev as run

        run(settings(app, events, rows, bus, host, port), browser=not no_open)

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
    stay: Annotated[bool, typer.Option("--stay", help="go on with studio and GraphQL when the last flight is there, until Ctrl-C")] = False,
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

        told = settings(app, events, rows, bus, host, demo.port(port))
        demo.check_name(name, told)
        days = demo.parse_day("from", first), demo.parse_day("to", last)
        demo.demo(told, *days, demo.parse_speed(speed), json=json, fresh=fresh, chaos=chaos, stay=stay, browser=not no_open)

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


# --- GraphQL


@cli.command()
def schema(app: App = "") -> None:
    """Print the GraphQL schema that the gateway makes of an app."""

    def work() -> None:
        from cli.gateway import schema as run

        run(settings(app))

    guarded(work)


@cli.command()
def token(
    subject: Annotated[str, typer.Argument(help="who the bearer is, such as ann")],
    role: Annotated[list[str] | None, typer.Option("--role", help="a role of theirs; may be said again")] = None,
    claim: Annotated[list[str] | None, typer.Option("--claim", help="name=value, the value JSON or text; may be said again")] = None,
    hours: Annotated[float, typer.Option("--hours", help="how long it is good", min=0.001, max=720.0)] = 12.0,
    app: App = "",
) -> None:
    """Sign a token that `trimaran dev` and `trimaran demo` believe, in this working directory."""

    def work() -> None:
        from cli.gateway import token as run

        run(settings(app), subject, role or [], claim or [], hours)

    guarded(work)


# --- operating


@cli.command()
def doctor(json: Json = False, app: App = "", events: Events = "", rows: Rows = "", bus: Bus = "") -> None:
    """Check versions, privileges and schemas of the stores and the bus, and say the way out."""

    def work() -> None:
        from cli.doctor import doctor as run

        run(settings(app, events, rows, bus), json=json)

    guarded(work)


@cli.command()
def graph(stack: Annotated[str, typer.Argument(help="the stack of Pulumi.<stack>.yaml")] = "k8s", json: Json = False) -> None:
    """Show what `pulumi up` would make: the recorded graph of a stack. Needs no cluster, no engine and no passphrase."""

    def work() -> None:
        from cli.graph import graph as show

        show(stack, json=json)

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


@cli.command()
def screenshots(to: Annotated[Path, typer.Option("--to", help="the folder that they go to")] = Path("docs/pictures")) -> None:
    """Take the pictures of README and docs, in Chromium, from a week of real flights."""

    def work() -> None:
        from cli.screenshots import run

        run(to)

    guarded(work)


@cli.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def test(
    context: typer.Context,
    full: Annotated[bool, typer.Option("--full", help="only what the default leaves out: remaining rounds, and what takes long")] = False,
    cluster: Annotated[bool, typer.Option("--cluster", help="only what runs on a Kubernetes with KEDA of its own, built once")] = False,
) -> None:
    """Run the checks and tests, on real PostgreSQL and real Apache Kafka that it starts on loopback.

    Whatever else is said (-k outbox, a file) goes to pytest, which then runs alone.
    """

    def work() -> None:
        from cli.output import Exit
        from cli.test import run

        raise Exit(run(full=full, extra=context.args, cluster=cluster))

    guarded(work)


def main() -> None:
    """The entry point."""
    cli()
