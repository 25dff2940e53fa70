"""The npm packages of tests/clients, installed once per lock into the user's cache, and Node programs run with them.

Real clients are the point of these tests, so a missing Node or npm is a failure that names what to install. Nothing is installed into
this tree: programs are copied beside a link to the packages, and their one line of JSON is their report.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.servers import cache

HERE = Path(__file__).parents[1] / "clients"
LOCK = ("package.json", "package-lock.json")
NODE = 20
INSTALL_S = 600
RUN_S = 120.0


class Missing(Exception):
    """Something that has to be installed first; the text says what."""


class Failed(Exception):
    """A program that ended with an error, or without a report."""


def node_version() -> int:
    """The major version of `node` on PATH; 0 without one."""
    if shutil.which("node") is None:
        return 0
    told = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)", told)
    return int(found.group(1)) if found else 0


def packages() -> Path:
    """The folder `node_modules` with everything that the lock names."""
    if node_version() < NODE or shutil.which("npm") is None:
        raise Missing(f"the clients that the gateway is tested with run on Node.js: install nodejs {NODE} or newer with npm")
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in LOCK)).hexdigest()[:12]
    kept = cache.folder()
    folder = kept / f"clients-{digest}"
    with (kept / "clients.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two test processes one installs, the other waits
        if not folder.exists():
            _install(kept, folder)
    return folder / "node_modules"


def _install(cache: Path, folder: Path) -> None:
    """Beside the folder first: a run that is killed leaves nothing that looks complete."""
    with tempfile.TemporaryDirectory(dir=cache, prefix="clients-", ignore_cleanup_errors=True) as making:
        for name in LOCK:
            shutil.copy(HERE / name, making)
        words = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        made = subprocess.run(words, cwd=making, capture_output=True, text=True, timeout=INSTALL_S, check=False)
        if made.returncode != 0:
            raise Missing(f"npm could not install the clients: {made.stderr.strip()[-600:]}")
        os.rename(making, folder)


def program(source: Path, folder: Path) -> list[str]:
    """The words that run a program, copied into `folder` beside its packages (Node finds packages by place only)."""
    folder.mkdir(parents=True, exist_ok=True)
    modules = folder / "node_modules"
    if not modules.is_symlink():
        modules.symlink_to(packages())
    for beside in source.parent.glob("*.mjs"):
        shutil.copy(beside, folder)
    return ["node", str(folder / source.name)]


def report(source: Path, folder: Path, environment: Mapping[str, str], timeout_s: float = RUN_S) -> dict[str, Any]:
    """Run a program to its end; what it reported on its last line. Raises `Failed` with what it said otherwise."""
    words = program(source, folder)
    try:
        made = subprocess.run(
            words,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as late:
        raise Failed(f"{source.name} did not end within {timeout_s:.0f} s:\n{tail(late.stdout)}\n{tail(late.stderr)}") from None
    if made.returncode != 0:
        raise Failed(f"{source.name} ended with {made.returncode}:\n{tail(made.stdout)}\n{tail(made.stderr)}")
    told: dict[str, Any] = json.loads(made.stdout.strip().splitlines()[-1])
    return told


def tail(said: str | bytes | None, characters: int = 3000) -> str:
    """The end of what a program said."""
    text = said.decode(errors="replace") if isinstance(said, bytes) else said or ""
    return text.strip()[-characters:]
