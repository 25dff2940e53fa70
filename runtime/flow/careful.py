"""Careful mode: after several holders of a shard died in a row, the event that kills is found, and nobody dies of it for ever.

    each part on each stream alone, the try counted first ─▶ it lived: the count is forgotten
                                  └▶ it died: the next holder finds the count and goes on event by event from there
                                                        └▶ the same event too often: parked at just that event

What is tried here is thrown away; the batch itself comes afterwards, and parks what has used up its tries.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from runtime.flow.fold import Batch, Poison
from runtime.ports import Generation, Letter, Phase, Recorded, ShardState, Writes, shard_of
from runtime.steps import Steps, ask

if TYPE_CHECKING:
    from runtime.flow.sink import Sink

DIED = "died"


class Careful:
    """Finds killers for one sink."""

    def __init__(self, sink: "Sink") -> None:
        self._sink = sink
        self._lived: dict[tuple[str, str], int] = {}  # (part, stream) -> the version up to which this process knows that it lives

    def forget(self) -> None:
        """A batch succeeded."""
        self._lived.clear()

    def tread(self, fresh: Mapping[str, Sequence[Recorded]], shards: set[int]) -> Steps[None]:
        """Try what is new of the streams on these shards, each part alone; streams start right after their watermarks."""
        streams = [stream for stream in fresh if shard_of(stream) in shards]
        letters = {(letter.part, letter.stream): letter for letter in (yield from self._letters(streams))}
        for stream in streams:
            events = fresh[stream]
            for fold in self._sink.folds:
                place = (fold.part.name, stream)
                if self._lived.get(place, 0) >= events[-1].version or not any(event.type in fold.handles for event in events):
                    continue
                yield from self._try(*place, events, letters.get(place))
                self._lived[place] = events[-1].version

    def _try(self, part: str, stream: str, events: Sequence[Recorded], letter: Letter | None) -> Steps[None]:
        """Live through it, or die with the try counted, or leave it to the batch to park."""
        if letter is not None and letter.parked:
            return
        if letter is None or letter.reason != DIED:
            stretches = [(events[0].version, events)]
        else:
            stretches = [(one.version, events[: n + 1]) for n, one in enumerate(events) if one.version >= letter.version]
            if not stretches:  # the suspect comes later
                return
        for version, stretch in stretches:
            counting = Letter(part, stream, version, "the process died", 0, parked=False, reason=DIED)
            tries = yield from ask(self._sink.rows.count_try, self._sink.group, self._sink.generation, counting)
            if tries > self._sink.max_tries:
                return
            if not (yield from self._rehearse(part, stream, stretch)):
                break
        yield from self._acquit(part, stream)

    def _rehearse(self, part: str, stream: str, events: Sequence[Recorded]) -> Steps[bool]:
        """Fold one part's share of one stream for nothing; False for an exception, which the batch will meet and count itself."""
        sink = self._sink
        tx = yield from ask(sink.rows.begin, sink.group, sink.generation)
        try:
            generation = Generation(sink.group, sink.generation, Phase.BLUE, "", sink.epoch)
            batch = Batch(sink, generation, ShardState(0, 0, 0, ""), [], only=part)
            yield from batch.fold(tx, {stream: list(events)})
        except Poison:
            yield from ask(tx.rollback)
            return False
        except Exception:
            yield from ask(tx.rollback)
            raise
        yield from ask(tx.rollback)
        return True

    def _acquit(self, part: str, stream: str) -> Steps[None]:
        """It did not kill: forget its count, or it would be parked together with the one that does."""
        sink = self._sink
        tx = yield from ask(sink.rows.begin, sink.group, sink.generation)
        try:
            yield from ask(tx.lock, [shard_of(stream)])
            counting = [one for one in (yield from ask(tx.letters, [stream])) if one.part == part and not one.parked]
            yield from ask(tx.write, Writes(letters_gone=[(one.part, one.stream) for one in counting]))
            yield from ask(tx.commit)
        except Exception:
            yield from ask(tx.rollback)
            raise

    def _letters(self, streams: Sequence[str]) -> Steps[list[Letter]]:
        sink = self._sink
        tx = yield from ask(sink.rows.begin, sink.group, sink.generation)
        try:
            letters = yield from ask(tx.letters, streams)
        except Exception:
            yield from ask(tx.rollback)
            raise
        yield from ask(tx.rollback)
        return letters
