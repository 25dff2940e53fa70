"""The outbox of the memory store: the meaning of the port, and a relay's view in simulations."""

import time
from _thread import allocate_lock
from collections.abc import Callable, Sequence

from providers.memory.events import MemoryEventStore
from runtime.ports import Head, Pending


class MemoryRelay:
    """Reads and clears `MemoryEventStore.unpublished`; claims are remembered here, by `clock`."""

    def __init__(self, store: MemoryEventStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._claimed: dict[str, float] = {}  # stream -> when
        self._bell = allocate_lock()
        self._bell.acquire()
        store.bells.append(self._ring)

    def claim(self, limit: int, lease_s: float) -> list[Pending]:
        """See `Relay.claim`."""
        now = self._clock()
        found: list[Pending] = []
        with self._store.lock:
            waiting = [stream for stream in self._store.unpublished if self._claimed.get(stream, now - lease_s) <= now - lease_s]
            waiting.sort(key=lambda stream: self._claimed.get(stream, float("-inf")))  # stable: else in order of their first event
            for stream in waiting:
                if limit <= 0:
                    break
                events = self._store.read(stream, self._store.unpublished[stream] - 1, limit)
                self._claimed[stream] = now
                found.append(Pending(stream, events))
                limit -= len(events)
        return found

    def mark(self, published: Sequence[Head]) -> None:
        """See `Relay.mark`."""
        with self._store.lock:
            for head in published:
                first = self._store.unpublished.get(head.stream)
                if first is None or head.version < first:
                    continue
                del self._store.unpublished[head.stream]
                self._claimed.pop(head.stream, None)
                if self._store.read(head.stream, head.version, 1):  # appended meanwhile
                    self._store.unpublished[head.stream] = head.version + 1

    def backlog(self) -> int:
        """See `Relay.backlog`."""
        return len(self._store.unpublished)

    def wait(self, timeout_s: float) -> None:
        """See `Relay.wait`."""
        self._bell.acquire(timeout=timeout_s)

    def _ring(self) -> None:
        try:
            self._bell.release()
        except RuntimeError:  # it rings already
            return
