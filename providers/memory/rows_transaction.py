"""A transaction in memory: reads what is committed plus its own writes, and publishes them all at once when it commits."""

from collections.abc import Callable, Hashable, Sequence

from msgspec.structs import replace

from providers.memory.rows_locks import Locks
from providers.memory.rows_state import Filled, State, Stored
from runtime.errors import Unavailable
from runtime.ports import Generation, Letter, Phase, Row, ShardState, Writes

type Operation = Callable[[], None]


class MemoryTransaction:
    """See the Transaction port."""

    def __init__(self, state: State, locks: Locks, group: str, number: int) -> None:
        self._state, self._locks, self._group, self._number = state, locks, group, number
        self._operations: list[Operation] = []
        self._rows: dict[tuple[str, str], Stored] = {}
        self._watermarks: dict[str, int] = {}
        self._letters: dict[tuple[str, str], Letter | None] = {}
        self._shards: dict[int, ShardState] = {}
        self._phases: dict[int, Phase] = {}
        self._over = ""  # why no further call is answered

    # locks
    def lock(self, shards: Sequence[int]) -> tuple[Generation, list[ShardState]]:
        """Take the shards, then say how they and the generation are now."""
        with self._locks.mutex:
            self._take([("shard", self._group, self._number, shard) for shard in sorted(shards)])
            filled = self._filled()
            phase = self._phases.get(self._number, filled.generation.phase)
            return replace(filled.generation, phase=phase), [
                self._shards.get(shard) or filled.shard(shard) for shard in sorted(set(shards))
            ]

    def lock_both(self, other: int, shards: Sequence[int]) -> None:
        """Take the same shards of another generation."""
        with self._locks.mutex:
            self._take([("shard", self._group, other, shard) for shard in sorted(shards)])
            self._state.find(self._group, other)

    def lock_rows(self, part: str, keys: Sequence[str]) -> dict[str, Row]:
        """Take the rows, then read them; an absent one is an empty row of revision 0."""
        with self._locks.mutex:
            self._take([("row", self._number, part, key) for key in sorted(keys)])
            found = self._read(part, keys)
        return {key: found.get(key) or Row(None, 0) for key in keys}

    # reading
    def watermarks(self, streams: Sequence[str]) -> dict[str, int]:
        """Committed ones, and this transaction's own."""
        with self._locks.mutex:
            self._check()
            committed = self._filled().watermarks
            own = self._watermarks
            return {stream: own.get(stream) or committed[stream] for stream in streams if stream in own or stream in committed}

    def letters(self, streams: Sequence[str]) -> list[Letter]:
        """Committed ones, and this transaction's own."""
        with self._locks.mutex:
            self._check()
            letters: dict[tuple[str, str], Letter | None] = {place: kept.letter for place, kept in self._filled().letters.items()}
            letters.update(self._letters)
        wanted = set(streams)
        return [letter for (_, stream), letter in sorted(letters.items()) if letter is not None and stream in wanted]

    def rows(self, part: str, keys: Sequence[str]) -> dict[str, Row]:
        """Committed ones, and this transaction's own."""
        with self._locks.mutex:
            self._check()
            return self._read(part, keys)

    def _read(self, part: str, keys: Sequence[str]) -> dict[str, Row]:
        filled = self._filled()
        filled.table(part)
        committed = filled.rows[part]
        found = {}
        for key in keys:
            stored = self._rows.get((part, key)) or committed.get(key)
            if stored is not None:
                found[key] = Row(stored.values, stored.revision)
        return found

    # writing
    def write(self, writes: Writes) -> None:
        """Keep it for the commit."""
        with self._locks.mutex:
            self._check()
            filled = self._filled()
            rows = {(write.part, write.key): filled.stored(write) for write in writes.rows}
            self._rows.update(rows)
            self._watermarks.update(writes.watermarks)
            self._letters.update({(letter.part, letter.stream): letter for letter in writes.letters})
            self._letters.update(dict.fromkeys(writes.letters_gone))
            for change in writes.changes:
                state = self._shard(filled, change.shard)
                self._shards[change.shard] = replace(state, changes=max(state.changes, change.number))
            for shard, number in writes.signalled.items():
                self._shards[shard] = replace(self._shard(filled, shard), signalled=number)
            copy = Writes(**{name: getattr(writes, name).copy() for name in writes.__struct_fields__})
            self._operations.append(lambda: filled.put(copy, rows, self._state.outbox))

    def hold(self, shards: Sequence[int], holder: str) -> None:
        """Note the holder at the commit."""
        with self._locks.mutex:
            self._check()
            filled = self._filled()
            for shard in shards:
                self._shards[shard] = replace(self._shard(filled, shard), holder=holder)
            held = list(shards)

        def note() -> None:
            for shard in held:
                filled.shards[shard] = replace(filled.shard(shard), holder=holder)

        self._operations.append(note)

    def set_phase(self, generation: int, phase: Phase) -> None:
        """Flip at the commit."""
        with self._locks.mutex:
            self._check()
            filled = self._state.find(self._group, generation)
        self._phases[generation] = phase

        def flip() -> None:
            filled.generation = replace(filled.generation, phase=phase)

        self._operations.append(flip)

    def release(self, generation: int, watermarks_of: int) -> None:
        """Release at the commit."""
        with self._locks.mutex:
            self._check()
            sagas = list(self._state.find(self._group, generation).tables)
            watermarks = self._state.find(self._group, watermarks_of).watermarks if watermarks_of else {}
        self._operations.append(lambda: self._state.outbox.release(sagas, generation, watermarks))

    # the end
    def commit(self) -> None:
        """Publish it all."""
        with self._locks.mutex:
            self._check()
            for operation in self._operations:
                operation()
            self._end("the transaction was committed")

    def rollback(self) -> None:
        """Forget it all."""
        with self._locks.mutex:
            self._end("the transaction was rolled back")

    def kill(self) -> None:
        """Somebody else ends it, as a database ends a session that was idle for too long."""
        with self._locks.mutex:
            self._end("the database ended the session")

    def _end(self, why: str) -> None:
        self._over = self._over or why
        self._operations.clear()
        self._locks.release(self)

    # inside
    def _filled(self) -> Filled:
        return self._state.find(self._group, self._number)

    def _shard(self, filled: Filled, shard: int) -> ShardState:
        return self._shards.get(shard) or filled.shard(shard)

    def _take(self, wanted: Sequence[Hashable]) -> None:
        self._locks.take(self, wanted, self._check)

    def _check(self) -> None:
        if self._over:
            raise Unavailable(self._over)
