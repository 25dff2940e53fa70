"""`trimaran dlq`: what could not be done, and what to do about it."""

from typing import Annotated

import typer

from cli.options import App, Events, Json, Part, Rows, Stream, guarded, settings

dlq = typer.Typer(help="Dead letters and stuck sagas: what could not be done, and what to do about it.", no_args_is_help=True)


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
