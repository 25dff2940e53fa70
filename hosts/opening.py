"""Stores and bus opened at the same time: a process that is woken waits for the slowest of them, not for one after the other.

What was opened is closed by the stack, whatever becomes of the others. Of several errors the first in the order of the calls is raised, so
that the same mistake is told in the same words every time.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

from hosts.providers import Events
from runtime.ports import Bus, ReadStore, Signals


class Opened[T]:
    """What was opened, once the `with` is left."""

    it: T


class Opening:
    """`begin` each, then take each one's result; inside a `with`, which waits for all of them."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._threads = ThreadPoolExecutor(4, "opening")
        self._begun: list[Future[None]] = []

    def events(self, work: Callable[[], Events]) -> "Opened[Events]":
        """An event store with what lives beside it."""
        return self.begin(work, lambda events: events.store.close())

    def rows(self, work: Callable[[], ReadStore]) -> "Opened[ReadStore]":
        """A read store."""
        return self.begin(work, lambda rows: rows.close())

    def bus(self, work: Callable[[], tuple[Bus, Signals]]) -> "Opened[tuple[Bus, Signals]]":
        """A bus and the signals beside it."""

        def close(opened: tuple[Bus, Signals]) -> None:
            for each in opened:
                each.close()

        return self.begin(work, close)

    def begin[T](self, work: Callable[[], T], close: Callable[[T], object]) -> "Opened[T]":
        """Open this beside the others; the stack closes it."""
        opened = Opened[T]()

        def opening() -> None:
            opened.it = work()
            self._stack.callback(close, opened.it)

        self._begun.append(self._threads.submit(opening))
        return opened

    def __enter__(self) -> "Opening":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._threads.shutdown()
        if kind is None:
            for one in self._begun:
                one.result()
