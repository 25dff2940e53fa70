"""A port that ends or stops its own process at the chosen call: after so many calls, just before or just after the call.

SIGKILL and SIGSTOP cannot be caught, so the process gets no chance to tidy up, exactly as if somebody else had sent them; but
the moment is exact, where a random kill would hit the interesting line once in a thousand times.
"""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct


class Fault(Struct, frozen=True):
    """`point` is `port.method`; `when` before or after it, at the `at`-th call: a signal, or a stall in seconds for others to be quicker.

    `once` names a file: the first process that makes it has the fault, its successors do not.
    """

    point: str
    at: int = 1
    when: str = "before"
    signal: str = "SIGKILL"
    once: str = ""

    def strike(self) -> None:
        """Now."""
        if self.once:
            try:
                Path(self.once).touch(exist_ok=False)
            except FileExistsError:
                return
        os.kill(os.getpid(), getattr(signal, self.signal))
        time.sleep(0.001)  # a stopped process goes on here


CHILDREN = {"rows.begin": "tx", "bus.consumer": "consumer"}


class Failing:
    """Looks like the port, until the call comes."""

    def __init__(self, port: Any, name: str, fault: Fault, calls: list[int] | None = None) -> None:
        self._port, self._name, self._fault = port, name, fault
        self._calls = calls if calls is not None else [0]  # shared by the port's children

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(self._port, attribute)
        point = f"{self._name}.{attribute}"
        if point in CHILDREN and self._fault.point.startswith(f"{CHILDREN[point]}."):
            return lambda *args: Failing(found(*args), CHILDREN[point], self._fault, self._calls)
        return self._struck(found) if point == self._fault.point else found

    def _struck(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def struck(*args: Any) -> Any:
            self._calls[0] += 1
            due = self._calls[0] == self._fault.at
            if due and self._fault.when == "before":
                self._fault.strike()
            reply = call(*args)
            if due and self._fault.when == "after":
                self._fault.strike()
            return reply

        return struck


def failing(port: Any, name: str, fault: Fault | None) -> Any:
    """The port, with the fault if it is one of this port's or of its children."""
    if fault is None:
        return port
    mine = {name, *(child for point, child in CHILDREN.items() if point.startswith(f"{name}."))}
    return Failing(port, name, fault) if fault.point.partition(".")[0] in mine else port
