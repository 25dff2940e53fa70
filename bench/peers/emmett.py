"""The peer Emmett 0.42 (`@event-driven-io/emmett-postgresql`): a Node process that takes orders over a pipe and times itself.

Installed from the committed lock with `npm ci --ignore-scripts` into the user's cache, one folder per lock, outside this tree.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.domain import TEXT
from bench.missing import Missing

HERE = Path(__file__).parent / "emmett"
FILES = ("package.json", "package-lock.json", "peer.mjs")
INSTALL_S = 300


def installed() -> Path:
    """The folder where the peer is installed with what it needs."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise Missing("Emmett is a Node library: install Node.js 20 or newer with npm")
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in FILES)).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "trimaran" / f"emmett-0.42.0-{digest}"
    if (folder / "complete").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in FILES:
        shutil.copy(HERE / name, folder / name)
    words = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    made = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    if made.returncode != 0:
        raise Missing(f"npm could not install Emmett: {made.stderr.strip()[-400:]}")
    (folder / "complete").touch()
    return folder


class Emmett:
    """The running peer."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child = child

    def order(self, do: str, **rest: Any) -> float:
        """Have it do something; returns the seconds by its own clock."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(json.dumps({"do": do, **rest}) + "\n")
        self._child.stdin.flush()
        answer = self._child.stdout.readline()
        if not answer:
            raise RuntimeError(f"the Emmett peer ended with {self._child.wait()}")
        return float(json.loads(answer)["seconds"])


@contextlib.contextmanager
def running(url: str) -> Iterator[Emmett]:
    """The peer on a database, ended at the end."""
    words = ["node", "peer.mjs", url, TEXT]
    with subprocess.Popen(words, cwd=installed(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield Emmett(child)
            assert child.stdin is not None
            child.stdin.close()
            child.wait(10)
        finally:
            if child.poll() is None:
                child.kill()
