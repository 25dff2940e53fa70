"""`trimaran dev`: the whole app in one process, with the studio, live GraphQL, a page to try it, and a plain HTTP face."""

import os
import sys
import threading
import webbrowser
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from cli.output import remark, say
from hosts.local import Local, open_local
from hosts.local_gateway import LocalGateway, open_local_gateway
from hosts.settings import Settings, load_app
from hosts.stopping import stop_on_signals


def dev(told: Settings, *, browser: bool) -> None:
    """Run until Ctrl-C."""
    stop = threading.Event()
    stop_on_signals(stop, insisting=True)
    app = load_app(told.app)
    with ExitStack() as stack:
        local = open_local(told, app, stack)
        gateway = open_local_gateway(local, told, lambda: health(local))
        stack.callback(gateway.serving.stop)
        local.start()
        gateway.serving.start()
        introduce(app.name, gateway, say, browser=browser)
        while not stop.wait(0.2) and not local.stop_event.is_set():
            pass
        remark("draining …")
    if local.failure is not None:
        raise local.failure


def introduce(name: str, gateway: LocalGateway, tell: Callable[[str], None], *, browser: bool) -> None:
    """Say where it is, and show it to somebody who sits before the screen."""
    url = gateway.serving.url
    studio = "open it in a browser to see it at work; " if gateway.shows_pages else ""
    if gateway.shows_something:
        tell(f"{name} runs on {url}: {studio}live GraphQL at {url}/graphql, by HTTP and WebSocket (graphql-transport-ws)")
    else:
        tell(f"{name} runs on {url}: {studio}nothing over GraphQL yet, since its App says no api=(expose(…), send(…))")
    if gateway.tokens is not None:
        tell("it believes tokens of `trimaran token SUBJECT --role …`; also POST /commands, GET /rows/<part>, GET /health; Ctrl-C ends it")
    if browser and gateway.shows_pages and sys.stdout.isatty() and (os.environ.get("DISPLAY") or sys.platform == "darwin"):
        webbrowser.open(f"{url}/")


def health(local: Local) -> tuple[bool, dict[str, Any]]:
    """Whether every part runs, and how far behind they are."""
    failure = None if local.failure is None else str(local.failure)
    return local.failure is None, {"app": local.app.name, "lag": local.lag(), "failure": failure}
