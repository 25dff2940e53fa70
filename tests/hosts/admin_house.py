"""An app run as `trimaran dev` runs it, asked over HTTP as the studio asks: what the tests of the admin endpoint share."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from hosts.local import Local, open_local
from hosts.local_gateway import LocalGateway, open_local_gateway
from hosts.settings import Settings
from runtime.domain import App, Command
from runtime.ports import Answer

MEMORY = "memory://"
WAIT_S = 30.0


class House:
    """A running app."""

    def __init__(self, local: Local, gateway: LocalGateway) -> None:
        self.local, self.gateway = local, gateway

    def send(self, command: Command, tenant: str = "") -> Answer:
        """Carry out a command."""
        return self.local.commands.send(command, tenant=tenant)

    def settle(self) -> None:
        """Everything stored is published, projected and dispatched."""
        assert self.local.settle(threading.Event()), self.local.failure

    def ask(self, path: str, **asked: Any) -> tuple[int, Any]:
        """GET /admin/…"""
        return self._asked("GET", f"/admin/{path}" + (f"?{urlencode(asked)}" if asked else ""))

    def told(self, path: str, **asked: Any) -> Any:
        """… that must answer."""
        status, answer = self.ask(path, **asked)
        assert status == 200, answer
        return answer

    def operate(self, what: str, body: object, roles: tuple[str, ...] | None = ("operator",)) -> tuple[int, Any]:
        """POST /operate/… with a token of these roles; None brings none."""
        headers = {"Content-Type": "application/json"}
        if roles is not None:
            assert self.gateway.tokens is not None
            headers["Authorization"] = f"Bearer {self.gateway.tokens.sign('eve', roles)}"
        return self._asked("POST", f"/operate/{what}", json.dumps(body).encode(), headers)

    def _asked(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.serving.port, timeout=WAIT_S)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def wait(self, until: Callable[[], Any]) -> Any:
        """What `until` answers, once that is true."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            if found := until():
                return found
            time.sleep(0.02)
        raise AssertionError("it did not come to that")


@contextmanager
def running(app: App, folder: Path, events: str = MEMORY, rows: str = MEMORY) -> Iterator[House]:
    """Run it; `folder` is where its key lies, the working directory."""
    with ExitStack() as stack:
        told = Settings(app.name, events, rows, MEMORY, port=0)
        local = open_local(told, app, stack)
        gateway = open_local_gateway(local, told, lambda: (True, {}))
        stack.callback(gateway.serving.stop)
        local.start()
        gateway.serving.start()
        yield House(local, gateway)


def files(folder: Path) -> dict[str, str]:
    """SQLite files of one test."""
    return {"events": f"sqlite:///{folder}/events.db", "rows": f"sqlite:///{folder}/rows.db"}
