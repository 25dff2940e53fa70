"""The event store in this process's memory: the meaning of the port, and the store of simulations and examples.

Deterministic: no clock, no thread of its own, every answer depends on the calls alone. Safe for threads.
"""

from _thread import RLock
from bisect import bisect_right, insort
from collections.abc import Callable, Sequence
from itertools import islice

from providers.limits import check_append, check_restore, check_stream
from runtime.errors import Conflict, KeyReused, Rejected
from runtime.ports import Answer, Append, Head, KeptKey, Loaded, Recorded


class MemoryEventStore:
    """Streams as lists, kept keys as a dict, and for the relay the first unpublished version of each stream."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._streams: dict[str, list[Recorded]] = {}
        self._names: list[str] = []  # sorted
        self._keys: dict[tuple[str, str], KeptKey] = {}
        self._epoch = 1
        self.unpublished: dict[str, int] = {}  # oldest first; under `lock`
        self.bells: list[Callable[[], None]] = []  # rung after every append

    @property
    def lock(self) -> RLock:
        """Held while the store changes; the relay shares it."""
        return self._lock

    def load(self, stream: str, key: str, after: int) -> Loaded:
        """See `EventStore.load`."""
        check_stream(stream)
        with self._lock:
            events = self._streams.get(stream, [])
            kept = self._keys.get((stream, key))
            data = [event.data for event in events[after:]]
            if kept is None:
                return Loaded(len(events), data)
            return Loaded(len(events), data, _answer(kept), kept.digest)

    def append(self, append: Append) -> Answer:
        """See `EventStore.append`."""
        check_append(append)
        with self._lock:
            answer = self._append(append)
        self._ring()
        return answer

    def append_all(self, appends: Sequence[Append]) -> list[Answer | Conflict | Rejected]:
        """See `EventStore.append_all`."""
        outcomes: list[Answer | Conflict | Rejected] = []
        with self._lock:
            for append in appends:
                try:
                    check_append(append)
                    outcomes.append(self._append(append))
                except (Conflict, Rejected) as error:
                    outcomes.append(error)
        self._ring()
        return outcomes

    def read(self, stream: str, after: int, limit: int) -> list[Recorded]:
        """See `EventStore.read`."""
        with self._lock:
            return self._streams.get(stream, [])[after : after + limit]

    def bulk(self, after: Head, until: str, limit: int) -> list[Recorded]:
        """See `EventStore.bulk`."""
        found: list[Recorded] = []
        with self._lock:
            found += self.read(after.stream, after.version, limit)
            for stream in islice(self._names, bisect_right(self._names, after.stream), None):
                if len(found) >= limit:
                    break
                found += self.read(stream, 0, limit - len(found))
        return [event for event in found if not until or event.stream < until]

    def heads(self, after: str, limit: int) -> list[Head]:
        """See `EventStore.heads`."""
        with self._lock:
            start = bisect_right(self._names, after)
            return [Head(name, len(self._streams[name])) for name in self._names[start : start + limit]]

    def keys(self, after: tuple[str, str], limit: int) -> list[KeptKey]:
        """See `EventStore.keys`."""
        with self._lock:
            return [self._keys[place] for place in sorted(place for place in self._keys if place > after)[:limit]]

    def epoch(self) -> int:
        """See `EventStore.epoch`."""
        return self._epoch

    def raise_epoch(self) -> int:
        """See `EventStore.raise_epoch`."""
        with self._lock:
            self._epoch += 1
            return self._epoch

    def restore(self, events: Sequence[Recorded], keys: Sequence[KeptKey]) -> None:
        """See `EventStore.restore`: all of it, or nothing when it raises."""
        check_restore(events, keys)
        with self._lock:
            fresh, fresh_keys = self._fresh(events), self._fresh_keys(keys)  # both may refuse, so before anything is stored
            for coming in fresh.values():
                self._store(coming)
            self._keys |= fresh_keys
        self._ring()

    def close(self) -> None:
        """See `EventStore.close`."""

    def _append(self, append: Append) -> Answer:
        stream, place = append.stream, (append.stream, append.key)
        if kept := self._keys.get(place):
            if kept.digest != append.digest:
                raise KeyReused(stream, append.key)
            return _answer(kept)
        first = len(self._streams.get(stream, ()))
        if first != append.expected:
            raise Conflict(stream, append.expected, first)
        self._store(
            [
                Recorded(stream, version, new.type, new.data, append.key, append.cause, append.trace, append.time, self._epoch)
                for version, new in enumerate(append.events, first + 1)
            ]
        )
        last = first + len(append.events)
        self._keys[place] = KeptKey(stream, append.key, append.digest, first, last, self._epoch)
        return Answer(stream, first, last, self._epoch)

    def _store(self, events: list[Recorded]) -> None:
        """Add events that follow on their stream's head."""
        if not events:
            return
        stream = events[0].stream
        if stream not in self._streams:
            self._streams[stream] = []
            insort(self._names, stream)
        self._streams[stream] += events
        self.unpublished.setdefault(stream, events[0].version)

    def _fresh(self, events: Sequence[Recorded]) -> dict[str, list[Recorded]]:
        """The events that are not there yet, by stream; raises `Conflict` for a difference or a hole."""
        fresh: dict[str, list[Recorded]] = {}
        for event in events:
            stored, coming = self._streams.get(event.stream, []), fresh.setdefault(event.stream, [])
            head, place = len(stored) + len(coming), event.version - 1
            if place == head:
                coming.append(event)
            elif place > head or (stored[place] if place < len(stored) else coming[place - len(stored)]) != event:
                raise Conflict(event.stream, place, head)
        return fresh

    def _fresh_keys(self, keys: Sequence[KeptKey]) -> dict[tuple[str, str], KeptKey]:
        fresh: dict[tuple[str, str], KeptKey] = {}
        for key in keys:
            place = (key.stream, key.key)
            if (kept := self._keys.get(place) or fresh.get(place)) and kept != key:
                if kept.digest != key.digest:
                    raise KeyReused(key.stream, key.key)
                raise Conflict(key.stream, key.last, kept.last)
            fresh[place] = key
        return fresh

    def _ring(self) -> None:
        for ring in self.bells:
            ring()


def _answer(kept: KeptKey) -> Answer:
    return Answer(kept.stream, kept.first, kept.last, kept.epoch, replayed=True)
