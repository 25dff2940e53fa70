"""`trimaran dev` as a newcomer starts it, on a free port, with a token from `trimaran token`."""

import queue
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from tests.cli.running import started, trimaran

START_S = 60.0


class Dev(Struct, frozen=True):
    """Where it runs, and a token of somebody."""

    url: str
    token: str


@contextmanager
def running(folder: Path, subject: str, *roles: str) -> Iterator[Dev]:
    """The shop."""
    process = started(folder, "dev", "--app", "shop", "--port", "0", "--no-open")
    try:
        url = _url(process)
        token = trimaran(folder, "token", subject, "--app", "shop", *(word for role in roles for word in ("--role", role)))
        assert token.returncode == 0, token.stderr
        yield Dev(url, token.stdout.strip())
    finally:
        process.terminate()
        process.communicate(timeout=60)


def _url(process: "subprocess.Popen[str]") -> str:
    """Where it says that it runs; whatever it says later is read, too, so that it never waits for us."""
    assert process.stdout is not None
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in process.stdout or ():
            lines.put(line)

    threading.Thread(target=read, daemon=True).start()
    said, late = "", time.monotonic() + START_S
    while time.monotonic() < late and process.poll() is None:
        try:
            said += lines.get(timeout=0.5)
        except queue.Empty:
            continue
        if found := re.search(r"http://\S+/graphql", said):
            return found.group()
    raise AssertionError(f"dev did not start: {said}")
