"""The options that commands share, and how every command is run: errors become one line and an exit code."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hosts.settings import Settings

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
NoOpen = Annotated[bool, typer.Option("--no-open", help="open no browser")]
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
