"""The outbox beside an event store: which streams hold events that the bus has not seen."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from runtime.ports.events import Head, Recorded


class Pending(Struct, frozen=True):
    """A stream with unpublished events: all of them, in order, from the first unpublished to the head that was read."""

    stream: str
    events: list[Recorded]

    @property
    def last(self) -> int:
        """The head version that was read."""
        return self.events[-1].version


class Relay(Protocol):
    """The outbox beside the store: one row per stream with unpublished events, never a position cursor."""

    def claim(self, limit: int, lease_s: float) -> list[Pending]:
        """Streams with unpublished events, oldest claim first, with at most about `limit` events in all.

        Streams that somebody claimed less than `lease_s` ago are left out where that costs nothing; a repeat does no harm.
        A long stream may come in parts; each part starts at its first unpublished version.
        """
        ...

    def mark(self, published: Sequence[Head]) -> None:
        """These streams are published up to these versions: the row goes only if no later event was appended."""
        ...

    def backlog(self) -> int:
        """How many streams have unpublished events."""
        ...

    def wait(self, timeout_s: float) -> None:
        """Return when something may be pending, or after the timeout; a hint, woken at once by appends of this process."""
        ...
