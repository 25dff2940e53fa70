"""How many may wait for a write to be folded at once: each of them looks into the store again and again, also for a write that never comes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Waits:
    """Places to wait in, of one process; without one, look once and answer `stale`."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._lock = threading.Lock()  # cores run on several threads

    @contextmanager
    def place(self) -> Iterator[bool]:
        """Whether there is a place; it is given back in the end."""
        with self._lock:
            has = self._free > 0
            self._free -= has
        try:
            yield has
        finally:
            with self._lock:
                self._free += has
