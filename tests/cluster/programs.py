"""Programs of a cluster: started without waiting, watched until they are ready, killed and stopped by their own pid.

All are children of one thread that lives as long as the process: on Linux a child's parent is the *thread* that started
it, so that "die with your parent" would else kill a program when a short-lived thread of a test ends.
"""

import atexit
import concurrent.futures
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.servers.process import ServerFailed, prefix

PASSED_ON = ("PATH", "HOME", "LANG", "TZ", "PYTHONPYCACHEPREFIX")
_starter = concurrent.futures.ThreadPoolExecutor(1, "starter")
atexit.register(_starter.shutdown)


class Program:
    """A long-running child process with its log in a file and an environment of its own."""

    def __init__(self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.log = log
        self._command = [*prefix(None, "KILL"), *command]
        self._environment = {word: os.environ[word] for word in PASSED_ON if word in os.environ} | dict(environment or {})
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id; it has to have been started."""
        if self._child is None:
            raise ServerFailed(f"{self.name} does not run")
        return self._child.pid

    def running(self) -> bool:
        """Whether it is alive."""
        return self._child is not None and self._child.poll() is None

    def spawn(self) -> None:
        """Start it (again), and return at once."""
        self._child = _starter.submit(self._spawn).result()

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self._command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def wait(self, ready: Callable[[], bool], timeout_s: float = 180) -> None:
        """Return when `ready()`; raises `ServerFailed` with the log's tail when it ended or the time is over."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            if not self.running() or time.monotonic() > deadline:
                state = f"is not ready after {timeout_s:.0f} s" if self.running() else "ended"
                raise ServerFailed(f"{self.name} {state}:\n{self.tail()}")
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self._end(signal.SIGKILL, 10)

    def stop(self, timeout_s: float = 10) -> None:
        """SIGTERM, and SIGKILL when that takes too long."""
        self._end(signal.SIGTERM, timeout_s)

    def _end(self, number: int, timeout_s: float) -> None:
        if self._child is None:
            return
        if self.running():
            self._child.send_signal(number)
        try:
            self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait(10)
        self._child = None

    def tail(self, lines: int = 15) -> str:
        """The last lines of its log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])
