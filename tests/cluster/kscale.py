"""KEDA's own kafka scaler, asked on a real broker: a Go command around `github.com/kedacore/keda/v2/pkg/scalers`, a question a line."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from costs.scaling.keda import KafkaTrigger


class Refused(Exception):
    """KEDA's own words, where it would not make a scaler or could not read."""


class Scaler:
    """One scaler inside the command; it remembers what it read before."""

    def __init__(self, command: "Command", name: str, metadata: Mapping[str, str]) -> None:
        self._command, self._name, self._metadata = command, name, metadata

    def read(self) -> tuple[float, bool]:
        """The metric's value for the autoscaler, and whether the trigger is active. Raises `Refused`."""
        told = self._command.ask({"scaler": self._name, "metadata": self._metadata})
        return told["value"], told["active"]

    def close(self) -> None:
        """Disconnect."""
        self._command.ask({"scaler": self._name, "close": True})


class Command:
    """The running command."""

    def __init__(self, program: Path) -> None:
        self._child = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._made = 0

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """One answer. Raises `Refused`."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(f"{json.dumps(question)}\n")
        self._child.stdin.flush()
        told: dict[str, Any] = json.loads(self._child.stdout.readline())
        if "error" in told:
            raise Refused(told["error"])
        return told

    @contextmanager
    def scaler(self, metadata: Mapping[str, str]) -> Iterator[Scaler]:
        """A scaler of its own, made at its first reading."""
        self._made += 1
        scaler = Scaler(self, str(self._made), metadata)
        try:
            yield scaler
        finally:
            scaler.close()

    def end(self) -> None:
        """Nothing more is asked."""
        with self._child:  # closes what it reads from, at which it ends
            pass


@contextmanager
def running(program: Path) -> Iterator[Command]:
    """The command at work."""
    command = Command(program)
    try:
        yield command
    finally:
        command.end()


def metadata(trigger: KafkaTrigger, brokers: str, group: str) -> dict[str, str]:
    """The trigger as a ScaledObject says it: camel case, and every value a text."""
    told = {camel(name): value for name, value in msgspec.to_builtins(trigger).items() if value != ""}
    texts = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in told.items()}
    return texts | {"bootstrapServers": brokers, "consumerGroup": group}


def camel(name: str) -> str:
    """`lag_threshold` as `lagThreshold`."""
    return name[0] + "".join(after.upper() if before == "_" else after for before, after in pairwise(name) if after != "_")
