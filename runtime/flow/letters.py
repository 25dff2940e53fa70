"""Dead letters: what a part could not fold, listed, tried again, or dropped.

A letter is the part's own watermark on one stream. Its siblings went on; its later events wait in the store, not in the letter,
so a redrive reads them there, in order, up to the group's watermark. `drop` gives up one event, never the ones after it.
"""

from runtime.errors import Rejected
from runtime.flow.fold import Batch, Poison
from runtime.flow.sink import Sink
from runtime.ports import Letter, Recorded, ShardState, Transaction, Writes, shard_of
from runtime.steps import Steps, ask

CHUNK = 1_000  # events a transaction


class Letters:
    """The letters of one generation; `sink` is a guest of it."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def parked(self) -> Steps[list[Letter]]:
        """What is parked now."""
        letters = yield from ask(self._sink.rows.letters, self._sink.group, self._sink.generation)
        return [letter for letter in letters if letter.parked]

    def redrive(self, part: str, stream: str) -> Steps[int]:
        """Fold what waited; how many events. `Rejected` with the error when the part still cannot, the letter then at that event."""
        folded, more = 0, True
        while more:
            events, more = yield from self._piece(part, stream)
            folded += events
        return folded

    def drop(self, part: str, stream: str) -> Steps[int]:
        """Give up the event that the letter stands at, for this part, and redrive what came after it; how many events were folded."""
        left = yield from self._skip(part, stream)
        return (yield from self.redrive(part, stream)) if left else 0

    def _piece(self, part: str, stream: str) -> Steps[tuple[int, bool]]:
        sink = self._sink
        tx = yield from ask(sink.rows.begin, sink.group, sink.generation)
        try:
            letter, state, mark = yield from self._letter(tx, part, stream)
            read = yield from ask(sink.store.read, stream, letter.version - 1, CHUNK)
            events = [event for event in read if event.version <= mark]
            batch, poison = yield from self._fold(tx, part, stream, events, state)
            upto = poison.version - 1 if poison else events[-1].version if events else mark
            self._move(batch, letter, poison, upto, mark)
            yield from ask(tx.write, batch.writes)
            yield from ask(tx.commit)
        except Exception:
            yield from ask(tx.rollback)
            raise
        yield from sink.tell(batch.signals)
        if poison:
            raise Rejected(f"{part!r} still cannot fold {stream}@{poison.version}: {poison.text}")
        return len(events), upto < mark and self._goes_on(batch, upto)

    def _goes_on(self, batch: Batch, upto: int) -> bool:
        """More waits, unless the batch parked again at an unknown event."""
        return all(letter.version == upto + 1 for letter in batch.writes.letters)

    def _fold(
        self, tx: Transaction, part: str, stream: str, events: list[Recorded], state: ShardState
    ) -> Steps[tuple[Batch, Poison | None]]:
        """Fold as far as it goes: up to the event that is still poison."""
        sink = self._sink
        generation, _ = yield from ask(tx.lock, [state.shard])
        poison: Poison | None = None
        while True:
            batch = Batch(sink, generation, state, [], only=part)
            try:
                yield from batch.fold(tx, {stream: events} if events else {})
            except Poison as error:
                poison = error
                events = [event for event in events if event.version < error.version]
            else:
                return batch, poison

    def _move(self, batch: Batch, letter: Letter, poison: Poison | None, upto: int, mark: int) -> None:
        """Where the letter stands after this piece."""
        if batch.writes.letters:  # parked again at an event that the app does not know
            return
        if poison:
            batch.writes.letters = [Letter(letter.part, letter.stream, poison.version, poison.text, letter.tries + 1, True, poison.reason)]
        elif upto >= mark:
            batch.writes.letters_gone = [(letter.part, letter.stream)]
        else:
            batch.writes.letters = [Letter(letter.part, letter.stream, upto + 1, letter.error, letter.tries, True, letter.reason)]

    def _skip(self, part: str, stream: str) -> Steps[bool]:
        sink = self._sink
        tx = yield from ask(sink.rows.begin, sink.group, sink.generation)
        try:
            letter, _, mark = yield from self._letter(tx, part, stream)
            left = letter.version < mark
            writes = Writes()
            if left:
                writes.letters = [Letter(part, stream, letter.version + 1, f"dropped {letter.version}: {letter.error}"[:500], 0)]
            else:
                writes.letters_gone = [(part, stream)]
            yield from ask(tx.write, writes)
            yield from ask(tx.commit)
        except Exception:
            yield from ask(tx.rollback)
            raise
        return left

    def _letter(self, tx: Transaction, part: str, stream: str) -> Steps[tuple[Letter, ShardState, int]]:
        """Under the shard lock: the letter, the shard and the group's watermark."""
        _, states = yield from ask(tx.lock, [shard_of(stream)])
        marks = yield from ask(tx.watermarks, [stream])
        for letter in (yield from ask(tx.letters, [stream])):
            if letter.part == part and letter.parked:
                return letter, states[0], marks.get(stream, 0)
        raise Rejected(f"{part!r} has parked nothing on {stream!r}: `trimaran dlq list` shows what is parked")
