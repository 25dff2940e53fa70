"""Sync: the store's heads against the watermarks, and whatever is missing is read from the store.

It finds a lost *last* event, which no gap shows, and a log that was trimmed below the committed offset. It also resends signals
that a crash swallowed, and stops the group loudly when a head stands behind its watermark: then the store was restored.
"""

from collections.abc import Callable, Iterable

from runtime.errors import StoreRestored
from runtime.flow.sink import Sink, restored
from runtime.ports import SHARDS, Head, Recorded, shard_of
from runtime.steps import Steps, ask

PAGE = 5_000  # streams a comparison
CHUNK = 2_000  # events a batch


class Sync:
    """Brings one generation up to the store."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def run(self, owned: Callable[[int], bool] = lambda _: True) -> Steps[int]:
        """Read and fold what is missing in the owned shards; how many events that were. Raises `StoreRestored`."""
        sink = self._sink
        epoch = yield from ask(sink.store.epoch)
        if epoch != sink.epoch:
            raise StoreRestored(restored(sink.group, f"its epoch is {epoch}, the rows were folded from {sink.epoch}"))
        folded, after = 0, ""
        while True:
            # watermarks before heads: heads only grow, so a watermark ahead of its head is no race
            marks = yield from ask(sink.rows.watermarks, sink.group, sink.generation, after, PAGE)
            until = marks[-1].stream if len(marks) == PAGE else ""
            heads = yield from self._heads(after, until)
            behind = self._compare({mark.stream: mark.version for mark in marks}, heads, owned)
            folded += yield from self.read(behind)
            sink.pulse(None)
            if not until:
                break
            after = until
        yield from sink.resend([shard for shard in range(SHARDS) if owned(shard)])
        return folded

    def _heads(self, after: str, until: str) -> Steps[dict[str, int]]:
        heads: dict[str, int] = {}
        while True:
            page = yield from ask(self._sink.store.heads, after, PAGE)
            for head in page:
                if until and head.stream > until:
                    return heads
                heads[head.stream] = head.version
            if len(page) < PAGE:
                return heads
            after = page[-1].stream

    def _compare(self, marks: dict[str, int], heads: dict[str, int], owned: Callable[[int], bool]) -> list[Head]:
        """The streams that are behind, each with the watermark to read after."""
        for stream, mark in marks.items():
            if heads.get(stream, 0) < mark and owned(shard_of(stream)):
                raise StoreRestored(restored(self._sink.group, f"{stream!r} is at {heads.get(stream, 0)}, its watermark at {mark}"))
        return [
            Head(stream, marks.get(stream, 0))
            for stream, version in heads.items()
            if version > marks.get(stream, 0) and owned(shard_of(stream))
        ]

    def read(self, behind: Iterable[Head]) -> Steps[int]:
        """Fold the events of these streams after these versions, in batches."""
        folded = size = 0
        arrivals: dict[str, list[Recorded]] = {}
        for mark in behind:
            after = mark.version
            while True:
                events = yield from ask(self._sink.store.read, mark.stream, after, CHUNK)
                arrivals.setdefault(mark.stream, []).extend(events)
                size += len(events)
                if size >= CHUNK:
                    folded += (yield from self._sink.apply(arrivals)).events
                    arrivals, size = {}, 0
                if len(events) < CHUNK:
                    break
                after = events[-1].version
        if arrivals:
            folded += (yield from self._sink.apply(arrivals)).events
        return folded
