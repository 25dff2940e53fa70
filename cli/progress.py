"""Long work on a terminal shows how far it is; elsewhere nothing is drawn."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from runtime.steps import Steps, run

READS = ("bulk", "read")  # requests whose replies are stored events


@contextmanager
def bar(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Draw a bar; call what it yields with how much is done by now."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)


@contextmanager
def counting(what: str, total: int | None = None) -> Iterator[Callable[[Steps[Any]], Any]]:
    """Drive a core and count the stored events that it reads."""
    with bar(what, total) as show:
        if not sys.stderr.isatty():
            yield run
            return
        yield lambda steps: run(_counted(steps, show))


def _counted(steps: Steps[Any], show: Callable[[int], None]) -> Steps[Any]:
    """The same requests and replies, passed through."""
    done = 0
    request = next(steps)
    while True:
        try:
            reply = yield request
        except Exception as error:  # noqa: BLE001  handed to the core, which decides
            request = steps.throw(error)
            continue
        if request.name in READS:
            done += len(reply)
            show(done)
        try:
            request = steps.send(reply)
        except StopIteration as stop:
            return stop.value
