"""The peer Emmett 0.42 (`@event-driven-io/emmett-postgresql`): a Node process that takes orders over a pipe and times itself.

Installed by `bench.peers.npm`.
"""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.domain import TEXT
from bench.peers.npm import installed

HERE = Path(__file__).parent / "emmett"


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
    with subprocess.Popen(words, cwd=installed(HERE, "emmett-0.42.0"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield Emmett(child)
            assert child.stdin is not None
            child.stdin.close()
            child.wait(10)
        finally:
            if child.poll() is None:
                child.kill()
