"""Causes before effects: the one order that a saga needs when it is folded again from the store.

While a saga lives, its own order is causal by itself: what it sends comes back as an event only after the event that made it send.
Read back stream by stream that order is gone (all of an order's stream before all of its stock's), and a saga would see the answer
before the question. The lineage of each event, `cause`, brings it back.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from runtime.ports import EventStore, Recorded
from runtime.steps import Steps, ask

READ = 500  # events of one stream a read


def in_causal_order[T](items: Sequence[T], event_of: Callable[[T], Recorded]) -> Sequence[T]:
    """The items as they are, except that none comes before its cause; each stream keeps its order."""
    queues: dict[str, deque[T]] = {}
    for item in items:
        queues.setdefault(event_of(item).stream, deque()).append(item)
    if len(queues) == 1:
        return items
    waiting = {f"{event_of(item).stream}@{event_of(item).version}" for item in items}
    ordered: list[T] = []
    while queues:
        before = len(ordered)
        for queue in queues.values():
            while queue and event_of(queue[0]).cause not in waiting:
                ordered.append(queue.popleft())
                waiting.discard(f"{event_of(ordered[-1]).stream}@{event_of(ordered[-1]).version}")
        queues = {stream: queue for stream, queue in queues.items() if queue}
        if len(ordered) == before:  # lineage in a circle is not ours: as they came
            return [*ordered, *(item for queue in queues.values() for item in queue)]
    return ordered


class CausalReading:
    """Reads `streams` from `done` up to `goal` (versions by stream) in batches, and of others their causes; what came so far never lacks one."""

    def __init__(self, store: EventStore, goal: Mapping[str, int], done: Mapping[str, int], streams: Iterable[str]) -> None:
        self._store, self._goal, self._done = store, goal, dict(done)
        self._streams = deque(streams)
        self._buffers: dict[str, deque[Recorded]] = {}
        self._stack: list[tuple[str, int]] = []

    def next(self, limit: int) -> Steps[dict[str, list[Recorded]]]:
        """The next batch of at most `limit` events; empty at the end."""
        arrivals: dict[str, list[Recorded]] = {}
        size = 0
        while size < limit and (self._stack or self._streams):
            if not self._stack:
                stream = self._streams.popleft()
                self._stack.append((stream, self._goal[stream]))
            event = yield from self._step()
            if event is not None:
                arrivals.setdefault(event.stream, []).append(event)
                size += 1
        return arrivals

    def _step(self) -> Steps[Recorded | None]:
        """One event further, or one cause deeper, or one stream done."""
        stream, until = self._stack[-1]
        done = self._done.get(stream, 0)
        if done >= until:
            self._stack.pop()
            return None
        buffer = self._buffers.setdefault(stream, deque())
        if not buffer:
            buffer.extend((yield from ask(self._store.read, stream, done, READ)))
        if not buffer:  # the store has less than it promised: the batch that misses it will say so
            self._stack.pop()
            return None
        if (cause := self._missing(buffer[0])) is not None:
            self._stack.append(cause)
            return None
        event = buffer.popleft()
        self._done[stream] = event.version
        if not buffer:
            del self._buffers[stream]
        return event

    def _missing(self, event: Recorded) -> tuple[str, int] | None:
        stream, _, version = event.cause.rpartition("@")
        if not version.isdigit() or stream not in self._goal:
            return None
        until = min(int(version), self._goal[stream])
        if self._done.get(stream, 0) >= until or any(stream == waiting for waiting, _ in self._stack):
            return None
        return stream, until
