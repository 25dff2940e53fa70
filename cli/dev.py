"""`trimaran dev`: the whole app in one process, with a plain HTTP face."""

import threading
from contextlib import ExitStack
from typing import Any

from cli.output import remark, say, stop_on_signals
from hosts.http import Face, Server
from hosts.local import Local, open_local
from hosts.settings import Settings, load_app


def dev(told: Settings) -> None:
    """Run until Ctrl-C."""
    stop = threading.Event()
    stop_on_signals(stop)
    app = load_app(told.app)
    with ExitStack() as stack:
        local = open_local(told, app, stack)
        server = Server(Face(app, local.commands, local.reading, lambda: health(local)), told.host, told.port)
        stack.callback(server.stop)
        local.start()
        server.start()
        say(f"{app.name} runs on {server.url}: POST /commands, GET /rows/<part>, GET /health; Ctrl-C ends it")
        while not stop.wait(0.2) and not local.stop_event.is_set():
            pass
        remark("draining …")
    if local.failure is not None:
        raise local.failure


def health(local: Local) -> tuple[bool, dict[str, Any]]:
    """Whether every part runs, and how far behind they are."""
    failure = None if local.failure is None else str(local.failure)
    return local.failure is None, {"app": local.app.name, "lag": local.lag(), "failure": failure}
