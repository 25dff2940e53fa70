"""Signals: which rows changed, told to whoever listens. They may be lost; the change log is the truth."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct


class Signal(Struct, frozen=True):
    """A row changed: its new revision, and its fields before and after (None: it was not, or is no longer, there).

    Both are JSON objects by column name, or b"". `before` holds only the fields that changed; overlay it on `after`.
    """

    part: str
    key: str
    tenant: str
    generation: int
    revision: int
    shard: int  # with `number`: the place in the change log, for cursors
    number: int
    before: bytes
    after: bytes


class Listener(Protocol):
    """A context manager that hears every signal sent after it was entered."""

    def __enter__(self) -> "Listener": ...
    def __exit__(self, *_: object) -> None: ...
    def take(self, limit: int, timeout_s: float) -> list[Signal]:
        """At most `limit` signals, waiting at most `timeout_s` for the first."""
        ...

    def wake(self) -> None:
        """From any thread: a `take` that waits, or else the next one, waits no longer."""
        ...

    def overrun(self) -> bool:
        """True once after signals were dropped because this listener was too slow: read again what you show."""
        ...


class Signals(Protocol):
    """Tells listeners which rows changed. May lose: the change log is the truth."""

    def send(self, signals: Sequence[Signal]) -> None:
        """Tell every listener, in order."""
        ...

    def listen(self) -> Listener:
        """A listener that misses nothing from its `__enter__` on."""
        ...

    def close(self) -> None: ...
