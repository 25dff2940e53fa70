"""Relay, projectors and dispatchers in turn on one thread, where one process does everything.

Python threads that compute take the interpreter from each other for milliseconds at a time: with a thread for each hop, a year of
flights crawled at a tenth of this speed. In turn, a round does relay ▸ each projector ▸ each dispatcher, and whoever sends many
commands (the feed) may `hold` the turns and do the rounds itself, between its batches.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from runtime.errors import Unavailable
from runtime.flow.world import WORLD, World, backoff
from runtime.steps import Steps, run

IDLE_S = 0.05


class Turn:
    """One hop's rounds. What it needs being away is waited out with backoff while the others go on."""

    def __init__(self, once: Callable[[], Steps[int]], again: Callable[[], None] = lambda: None, world: World = WORLD) -> None:
        self._once, self._again, self._world = once, again, world
        self._failures = 0
        self._not_before_s = 0.0

    def take(self) -> int:
        """One round: how much it did; 0 while it waits."""
        if self._failures:
            if self._world.monotonic() < self._not_before_s:
                return 0
            self._again()
        try:
            done = run(self._once())
        except Unavailable:
            self._failures += 1
            self._not_before_s = self._world.monotonic() + backoff(self._failures, self._world)
            return 0
        self._failures = 0
        return done


class Turns:
    """Everybody's turns, one round at a time, by whichever thread comes."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._turns = turns
        self._lock = threading.RLock()

    def once(self) -> int:
        """A round of all; how much they did together."""
        with self._lock:
            return sum(turn.take() for turn in self._turns)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Nobody else's rounds meanwhile; one's own go on."""
        with self._lock:
            yield

    def loop(self, stop: threading.Event, wait: Callable[[float], None]) -> None:
        """Rounds until told to stop; `wait` is woken when something may have come."""
        while not stop.is_set():
            if not self.once():
                wait(IDLE_S)
