"""Small counters that stay the same size: a total with its rate of the last seconds, and percentiles of the last durations.

They take no lock. Who adds holds one of their own; who reads may see one addition more or less.
"""

import time
from collections.abc import Callable

SPAN_S = 4  # seconds that a rate looks back
SLOTS = 8  # seconds kept, more than it looks back
DURATIONS = 1_024  # kept


class Rate:
    """A total, and how much of it came in the last seconds."""

    __slots__ = ("_clock", "_counts", "_seconds", "_since", "total")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts, self._seconds = [0] * SLOTS, [-1] * SLOTS
        self._since = clock()
        self.total = 0

    def add(self, number: int) -> None:
        """So much more."""
        second = int(self._clock())
        slot = second % SLOTS
        if self._seconds[slot] != second:
            self._seconds[slot], self._counts[slot] = second, 0
        self._counts[slot] += number
        self.total += number

    def per_s(self) -> float:
        """Of the last whole seconds and the one that runs; a process that is younger is measured since its start."""
        now = self._clock()
        first = int(now) - SPAN_S
        lately = sum(count for count, second in zip(self._counts, self._seconds, strict=True) if second >= first)
        return round(lately / max(1.0, min(now - first, now - self._since)), 1)


class Latencies:
    """The last durations, in nanoseconds as they come and in milliseconds as they are told."""

    __slots__ = ("_kept", "_next")

    def __init__(self) -> None:
        self._kept: list[int] = []
        self._next = 0

    def add(self, ns: int) -> None:
        """One more; the oldest makes room."""
        if len(self._kept) < DURATIONS:
            self._kept.append(ns)
        else:
            self._kept[self._next] = ns
            self._next = (self._next + 1) % DURATIONS

    def ms(self, *shares: float) -> list[float]:
        """The duration that this share of them does not exceed; 0.0 while there is none."""
        kept = sorted(self._kept)
        return [round(kept[min(len(kept) - 1, int(len(kept) * share))] / 1e6, 3) if kept else 0.0 for share in shares]
