"""Signals inside one process: every listener has a bounded buffer of its own, so that a slow one delays nobody.

A listener that falls behind loses its oldest signals and is told once (`overrun`): the change log is the truth, so it
reads again what it shows.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence

from runtime.ports import Signal


class MemorySignals:
    """See the Signals port. `blocking=False` serves single-threaded simulation: `take` never waits."""

    def __init__(self, capacity: int = 10_000, *, blocking: bool = True) -> None:
        self._capacity = capacity
        self._blocking = blocking
        self._listeners: list[MemoryListener] = []
        self._lock = threading.Lock()

    def send(self, signals: Sequence[Signal]) -> None:
        """Put them into the buffer of every listener, in order."""
        with self._lock:
            for listener in self._listeners:
                listener.hear(signals)

    def listen(self) -> "MemoryListener":
        """A listener, deaf until it is entered."""
        return MemoryListener(self, self._capacity, self._blocking)

    def close(self) -> None:
        """Nothing to give back."""

    def enter(self, listener: "MemoryListener") -> None:
        """From now on, this listener hears."""
        with self._lock:
            self._listeners.append(listener)

    def leave(self, listener: "MemoryListener") -> None:
        """This listener hears no more."""
        with self._lock:
            if listener in self._listeners:
                self._listeners.remove(listener)


class MemoryListener:
    """See the Listener port."""

    def __init__(self, signals: MemorySignals, capacity: int, blocking: bool) -> None:
        self._signals = signals
        self._blocking = blocking
        self._buffer: deque[Signal] = deque(maxlen=capacity)
        self._overrun = self._woken = False
        self._heard = threading.Condition()

    def __enter__(self) -> "MemoryListener":
        self._signals.enter(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._signals.leave(self)

    def hear(self, signals: Sequence[Signal]) -> None:
        """Buffer these; the oldest go when there is no room."""
        with self._heard:
            room = self._signals._capacity - len(self._buffer)
            self._overrun = self._overrun or len(signals) > room
            self._buffer.extend(signals)
            self._heard.notify_all()

    def take(self, limit: int, timeout_s: float) -> list[Signal]:
        """The oldest buffered signals."""
        until = time.monotonic() + timeout_s
        with self._heard:
            while not self._buffer and self._blocking and not self._woken and (left := until - time.monotonic()) > 0:
                self._heard.wait(left)
            self._woken = False
            return [self._buffer.popleft() for _ in range(min(limit, len(self._buffer)))]

    def wake(self) -> None:
        """Let a `take` wait no longer."""
        with self._heard:
            self._woken = True
            self._heard.notify_all()

    def overrun(self) -> bool:
        """Whether signals were dropped since the last call."""
        with self._heard:
            told, self._overrun = self._overrun, False
            return told
