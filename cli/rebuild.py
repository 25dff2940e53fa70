"""`trimaran rebuild`: new rows beside the live ones, which then take over."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import App, Bus, Events, Json, Rows, guarded, settings

if TYPE_CHECKING:
    from hosts.settings import Settings

rebuilding = typer.Typer(help="Rebuild the rows of a group beside the live ones, then let them take over.", invoke_without_command=True)

Which = Annotated[str, typer.Option("--group", help="the group of parts")]
Dollars = Annotated[float, typer.Option("--dollars-per-hour", help="price of one projector pod")]
Replicas = Annotated[int, typer.Option("--replicas", min=1, help="projectors at work")]
Workers = Annotated[int, typer.Option("--workers", min=1, help="processes that fill at the same time; a saga is filled by one")]


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
    workers: int = 1,
) -> None:
    def work() -> None:
        from cli.operate import rebuild as run

        run(told(), what, group, dollars, replicas, json=json, silent=silent, force=force, workers=workers)

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
        if plan or group or json or events or rows or "COMMANDLINE" in str(context.get_parameter_source("app")):
            raise typer.BadParameter(f"write the options after `{context.invoked_subcommand}`")
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
    workers: Workers = 1,
    app: App = "",
    events: Events = "",
    rows: Rows = "",
    bus: Bus = "",
) -> None:
    """Fill new rows from the store, then let them take over; stopped anywhere, it goes on."""
    _rebuild("start", lambda: settings(app, events, rows, bus), group, silent=silent, workers=workers)


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
