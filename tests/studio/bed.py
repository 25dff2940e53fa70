"""A `trimaran dev` or `demo` that a browser visits: on a port of its own that it keeps when it is killed and started again."""

import json
import signal
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cli.running import REPOSITORY, trimaran
from tests.servers.process import Server, free_port

START_S = 120.0
WAIT_S = 60.0
HERE = Path(__file__).parent
APP = "tests.studio.harbour:app"


class Bed:
    """One process of one app in one folder."""

    def __init__(self, folder: Path, app: str, *words: str) -> None:
        self.folder, self.app, self.port = folder, app, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._token = ""
        command = [sys.executable, "-c", "from cli.main import main; main()", *(words or ("dev", "--app", app))]
        where = ["env", "-C", str(folder), f"PYTHONPATH={REPOSITORY}", "PYTHONUNBUFFERED=1"]
        self._server = Server([*where, *command, "--port", str(self.port), "--no-open"], folder / "server.log")

    def start(self) -> None:
        """Until it answers."""
        self._server.start(self._answers, START_S)

    def kill(self) -> None:
        """SIGKILL."""
        self._server.kill()

    def stop(self) -> None:
        """As Ctrl-C does."""
        self._server.stop(signal.SIGINT)

    def said(self, lines: int = 40) -> str:
        """The end of what it wrote."""
        return self._server.tail(lines)

    def get(self, path: str, **asked: object) -> Any:
        """What the admin endpoint, or the plain face, answers."""
        more = f"?{urllib.parse.urlencode(asked)}" if asked else ""
        with urllib.request.urlopen(self.url + path + more, timeout=30) as reply:
            return json.load(reply)

    def send(self, type: str, **fields: object) -> dict[str, Any]:
        """A command by the plain face: where it was stored."""
        body = json.dumps({"type": type} | fields).encode()
        request = urllib.request.Request(f"{self.url}/commands", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as reply:
            told: dict[str, Any] = json.load(reply)
            return told

    def ask(self, document: str, **variables: object) -> Any:
        """The data of an operation, asked as ann with every role."""
        body = json.dumps({"query": document, "variables": variables}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/graphql", body, headers), timeout=30) as reply:
            told = json.load(reply)
        assert "errors" not in told, told
        return told["data"]

    @property
    def token(self) -> str:
        """Ann's, with the roles that the page's visitor has."""
        if not self._token:
            roles = [word for name in ("clerk", "operations", "operator") for word in ("--role", name)]
            made = trimaran(self.folder, "token", "ann", "--app", self.app, *roles)
            assert made.returncode == 0, made.stderr
            self._token = made.stdout.strip()
        return self._token

    def _answers(self) -> bool:
        try:
            return bool(self.get("/health")["app"])
        except (OSError, ValueError):
            return False


@contextmanager
def running(folder: Path, app: str = APP, *words: str) -> Iterator[Bed]:
    """Started, and stopped at the end."""
    bed = Bed(folder, app, *words)
    bed.start()
    try:
        yield bed
    finally:
        bed.stop()


@contextmanager
def flying(folder: Path, first: str = "2013-01-01", last: str = "2013-01-01", speed: str = "max", *, wait: bool = True) -> Iterator[Bed]:
    """`trimaran demo`: when every flight of these days is there, or with `wait=False` from the start."""
    days = ("--from", first, "--to", last, "--speed", speed, "--stay")
    with running(folder, "flights", "demo", "flights", *days) as bed:
        if wait:
            until(lambda: "every flight is there" in bed.said(), "the flights are there", 300.0)
        yield bed


def until[T](look: Callable[[], T], what: str, timeout_s: float = WAIT_S) -> T:
    """The first true answer; raises when there is none in time."""
    late = time.monotonic() + timeout_s
    while not (found := look()):
        assert time.monotonic() < late, f"not within {timeout_s:.0f} s: {what}"
        time.sleep(0.05)
    return found


def order(bed: Bed, sku: str = "tea", quantity: int = 1, amount: int = 500, name: str = "", at: str = "2026-01-31T12:00:00Z") -> str:
    """Ann buys something: the order's name."""
    named = name or uuid.uuid4().hex[:8]
    bed.send("PlaceOrder", order=named, customer="ann", sku=sku, quantity=quantity, amount=amount, at=at)
    return named
