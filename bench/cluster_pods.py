"""Pods without a cluster: the same processes, from the same command and environment that a Deployment declares, started and ended by us.

A pod ends as Kubernetes ends it: SIGTERM, then it has the grace period. Bytecode is compiled, as it is in the image.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parent.parent
GRACE_S = 40
YOUNG_S = 3.0  # a pod that is told to go may not listen for it yet; it has done nothing then


class Pods:
    """The replicas of one command; the newest leave first."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], log: IO[bytes]) -> None:
        self._words, self._environment, self._log = words, environment, log
        self._running: list[subprocess.Popen[bytes]] = []
        self._began: dict[int, float] = {}

    def scale(self, replicas: int) -> None:
        """So many from now on; returns when those that leave are gone. Raises `RuntimeError` when one ended by itself or not well."""
        self.check()
        leaving, self._running = self._running[replicas:], self._running[:replicas]
        young = {process.pid for process in leaving if time.monotonic() - self._began[process.pid] < YOUNG_S}
        for process in leaving:
            process.send_signal(signal.SIGTERM)
        codes = [(process.pid, process.wait(GRACE_S)) for process in leaving]
        if wrong := [code for pid, code in codes if code and not (code == -signal.SIGTERM and pid in young)]:
            raise RuntimeError(f"a pod left with code {wrong[0]}:\n{self.tail()}")
        while len(self._running) < replicas:
            self._running.append(
                subprocess.Popen(
                    self._words,
                    cwd=ROOT,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=self._log,
                    stderr=self._log,
                    start_new_session=True,
                )
            )
            self._began[self._running[-1].pid] = time.monotonic()

    def check(self) -> None:
        """All run."""
        for process in self._running:
            if process.poll() is not None:
                raise RuntimeError(f"a pod ended with code {process.returncode}:\n{self.tail()}")

    def tail(self) -> str:
        """The end of what they said."""
        self._log.flush()
        return Path(self._log.name).read_text(errors="replace")[-2000:]

    def kill(self) -> None:
        """Whatever still runs."""
        for process in self._running:
            process.kill()
            process.wait()


@contextmanager
def pods(module: str, environment: Mapping[str, str]) -> Iterator[Pods]:
    """Pods of `python -m module`, none at first; all are gone at the end."""
    from tests.servers import cache

    compiled = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    compiled.setdefault("PYTHONPYCACHEPREFIX", str(cache.folder() / "bytecode"))
    with tempfile.NamedTemporaryFile(prefix="trimaran-pods-", suffix=".log") as log:
        made = Pods([sys.executable, "-m", *module.split()], {**compiled, **environment}, log)
        try:
            yield made
        finally:
            made.kill()
