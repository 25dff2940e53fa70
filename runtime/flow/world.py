"""Time, chance and waiting, in one place, so that a simulation can own them.

`now` and `token` are plain calls; `sleep` is asked for like any other I/O.
"""

import time
from datetime import UTC, datetime
from os import urandom


class World:
    """The real one."""

    __slots__ = ()

    def now(self) -> datetime:
        """The wall clock, UTC: for people, never for order."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go back, for deadlines."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def token(self) -> str:
        """32 hex digits nobody else has."""
        return urandom(16).hex()

    def jitter(self) -> float:
        """A fraction of 1, evenly spread."""
        return int.from_bytes(urandom(4)) / 2**32


WORLD = World()


def backoff(tries: int, world: World, *, first_s: float = 0.05, most_s: float = 5.0) -> float:
    """Seconds before the next try: doubled each time, capped, and spread over half to the whole of it."""
    whole = min(most_s, first_s * 2.0 ** min(tries, 30))
    return whole * (0.5 + world.jitter() / 2)
