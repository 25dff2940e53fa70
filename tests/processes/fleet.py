"""Real processes for tests to kill, pause and stop, each with its log; whatever is left at the end of a test is killed.

A process that ends in a way nobody asked for is an error of the test, with the tail of its log.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]


class Ended(Exception):
    """A process ended by itself, or something that was waited for did not come."""


class Process:
    """One child process of this test; `say` are the arguments after `python -m`."""

    def __init__(self, words: list[str], environment: Mapping[str, str], log: Path) -> None:
        self._log = log
        self.started_at = time.monotonic()
        with log.open("ab") as file:
            self._child = subprocess.Popen(
                [sys.executable, *words],
                cwd=ROOT,
                env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    def code(self) -> int | None:
        """How it ended (minus the signal's number), None while it lives."""
        return self._child.poll()

    def state(self) -> str:
        """R, S, T (stopped) … as the kernel says it; Z and X when it is gone."""
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return "X"

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        if self.code() is None:
            self._child.kill()
        self._child.wait(30)

    def pause(self) -> None:
        """SIGSTOP."""
        self._child.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._child.send_signal(signal.SIGCONT)

    def ask(self) -> None:
        """Have it write where its threads stand, if it lives and is a worker that says `ready`."""
        if self.code() is None and self.state() != "T" and "ready" in self.text():
            self._child.send_signal(signal.SIGUSR1)

    def stop(self, timeout_s: float = 20) -> float:
        """SIGTERM; it has to end by itself, with code 0; how many seconds that took."""
        started = time.monotonic()
        self._child.send_signal(signal.SIGTERM)
        try:
            code = self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.ask()
            time.sleep(0.3)
            self.kill()
            raise Ended(f"it did not end within {timeout_s} s of SIGTERM:\n{self.tail()}") from None
        if code != 0:
            raise Ended(f"it ended with code {code} on SIGTERM:\n{self.tail()}")
        return time.monotonic() - started

    def wait(self, timeout_s: float) -> int:
        """Wait for its end; how it ended."""
        try:
            return self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise Ended(f"it still runs after {timeout_s} s:\n{self.tail()}") from None

    def text(self) -> str:
        """What it wrote."""
        return self._log.read_text(errors="replace")

    def tail(self, lines: int = 40) -> str:
        """The end of what it wrote."""
        return "\n".join(self.text().splitlines()[-lines:])


class Fleet:
    """The processes of a test."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="trimaran-fleet-"))
        self.processes: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            for process in self.processes:
                process.ask()
            time.sleep(0.3)
        logs = [f"--- {process.pid} (code {process.code()})\n{process.tail()}" for process in self.processes]
        for process in self.processes:
            process.kill()
        if error is not None:
            error.add_note("\n".join(logs[-8:]))

    def start(self, role: str, options: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Process:
        """Start a worker in a role (see `tests.processes.worker`)."""
        return self.run(role, ["-m", "tests.processes.worker", role, json.dumps(options)], environment or {})

    def run(self, name: str, words: list[str], environment: Mapping[str, str]) -> Process:
        """Start `python` with these words."""
        process = Process(words, environment, self.folder / f"{len(self.processes)}-{name}.log")
        self.processes.append(process)
        return process

    def check(self, *allowed: int) -> None:
        """Nobody ended in another way than by our hand (-9), at ease (0) or as allowed."""
        for process in self.processes:
            if process.code() not in (None, 0, -signal.SIGKILL, *allowed):
                raise Ended(f"process {process.pid} ended with code {process.code()}:\n{process.tail()}")


def until(condition: Callable[[], bool], timeout_s: float, what: str, every_s: float = 0.02) -> float:
    """Wait until a condition holds; how many seconds that took. Raises `Ended` after the timeout."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > timeout_s:
            raise Ended(f"not within {timeout_s} s: {what}")
        time.sleep(every_s)
    return time.monotonic() - started
