"""Virtual time and seeded chance: what a simulated process sees of the world.

Nothing here reads a real clock or the operating system's randomness, so a seed is a whole run. Each process may believe in a
clock of its own (`skew`), since no order may depend on any of them.
"""

import random
from datetime import UTC, datetime, timedelta

from runtime.flow.world import World

START = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """Virtual seconds since the start of the run."""

    __slots__ = ("seconds",)

    def __init__(self) -> None:
        self.seconds = 1.0

    def now(self) -> datetime:
        """The database's time: the one true clock of a run."""
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """The same in seconds."""
        return self.seconds


class VirtualWorld(World):
    """A process's view: the run's clock, put wrong by `skew` seconds, and the run's dice."""

    __slots__ = ("_clock", "_dice", "skew")

    def __init__(self, clock: Clock, dice: random.Random, skew: float = 0.0) -> None:
        self._clock, self._dice, self.skew = clock, dice, skew

    def now(self) -> datetime:
        """The wall clock, as wrong as this process has it."""
        return self._clock.now() + timedelta(seconds=self.skew)

    def monotonic(self) -> float:
        """Never wrong, never back."""
        return self._clock.seconds

    def sleep(self, seconds: float) -> None:
        """Only ever asked for; the scheduler wakes the process when the time has come."""
        raise AssertionError("the scheduler performs sleeps")

    def token(self) -> str:
        """32 hex digits from the run's dice."""
        return f"{self._dice.getrandbits(128):032x}"

    def jitter(self) -> float:
        """A fraction of 1 from the run's dice."""
        return self._dice.random()
