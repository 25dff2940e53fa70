"""A process that the gateway's lines start: a server under measurement or the load on it, told over a pipe what to do.

Servers and load live in processes of their own, so that a server's CPU time is the server's alone. An order is a line of JSON, and so
is its answer; the first line that a child says is where it listens.
"""

import asyncio
import contextlib
import json
import resource
import select
import subprocess
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PATIENCE_S = 60.0
LINE_BYTES = 16 * 1024 * 1024

type Answer = dict[str, Any]


class Child:
    """The starting side: `order` says and waits, `cpu_s` is what the process and all of its threads have used."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._aside_s = 0.0
        self.said = self._answer(PATIENCE_S)

    def order(self, do: str, *, patience_s: float = PATIENCE_S, **rest: Any) -> Answer:
        """Have it do something; its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **rest}) + "\n")
        self._process.stdin.flush()
        return self._answer(patience_s)

    def _answer(self, patience_s: float) -> Answer:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], patience_s)[0]:
            raise RuntimeError(f"{self._process.args!r} said nothing for {patience_s:g} s")
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()}")
        answer: Answer = json.loads(line)
        if "failed" in answer:
            raise RuntimeError(f"{self._process.args!r}: {answer['failed']}")
        self._aside_s = float(answer.get("aside_s", 0.0))
        return answer

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return int(self.said["port"])

    def cpu_s(self) -> float:
        """CPU seconds so far without the thread that takes orders. Linux makes a process's CPU clock of its number: clock_getcpuclockid(3)."""
        return time.clock_gettime(~self._process.pid << 3 | 2) - self._aside_s


@contextlib.contextmanager
def child(words: Sequence[str], folder: Path = ROOT) -> Iterator[Child]:
    """A started process, ended at the end."""
    raise_open_files()
    with subprocess.Popen(words, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Child(process)
        finally:
            process.kill()


def python(module: str, *arguments: str) -> contextlib.AbstractContextManager[Child]:
    """A module of ours as such a process."""
    return child([sys.executable, "-m", module, *arguments])


def raise_open_files() -> None:
    """As many open sockets as this account may have; children inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


# the child's side
def say(answer: Answer) -> None:
    """One line to whoever started us."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def obey(port: int, orders: Mapping[str, Callable[..., Answer]]) -> None:
    """A server's main thread: say where it listens, then carry out orders until the pipe is closed.

    The thread takes no part in serving, so every answer tells what CPU it has used, to be taken off.
    """
    say({"port": port, "aside_s": time.thread_time()})
    for line in sys.stdin:
        given = json.loads(line)
        try:
            answer = orders[given.pop("do")](**given)
        except Exception as error:  # noqa: BLE001  told to the other side, which raises it
            answer = _failed(error)
        say(answer | {"aside_s": time.thread_time()})


async def take(orders: Mapping[str, Callable[..., Awaitable[Answer]]]) -> None:
    """The load's event loop: carry out orders until the pipe is closed."""
    reader = asyncio.StreamReader(limit=LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        given = json.loads(line)
        try:
            answer = await orders[given.pop("do")](**given)
        except Exception as error:  # noqa: BLE001  told to the other side, which raises it
            answer = _failed(error)
        say(answer)


def _failed(error: Exception) -> Answer:
    traceback.print_exception(error)
    return {"failed": f"{type(error).__name__}: {error}"}
