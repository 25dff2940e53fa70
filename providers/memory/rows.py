"""The read store in memory: the meaning of the port, and what the seeded simulation runs on.

It is deterministic: `now` gives the database's time, and with `blocking=False` a lock that somebody holds raises `WouldBlock`
instead of waiting, so that one thread can play any number of transactions.
"""

from collections.abc import Callable, Hashable, Sequence
from datetime import UTC, datetime, timedelta

from providers.memory.rows_locks import Locks, WouldBlock
from providers.memory.rows_query import page
from providers.memory.rows_state import Filled, State
from providers.memory.rows_transaction import MemoryTransaction
from providers.sql.asked import checked
from providers.sql.groups import check_droppable, check_group
from runtime.domain.filters import Query
from runtime.domain.tables import Group, Table
from runtime.ports import SHARDS, Change, Generation, Head, Letter, Output, Page, Phase, Row, Seen

__all__ = ["MemoryReadStore", "WouldBlock"]


class MemoryReadStore:
    """See the ReadStore port."""

    def __init__(self, now: Callable[[], datetime] | None = None, blocking: bool = True) -> None:
        self._now = now or (lambda: datetime.now(UTC))
        self._locks = Locks(blocking=blocking)
        self._mutex = self._locks.mutex
        self._state = State()

    def begin(self, group: str, generation: int) -> MemoryTransaction:
        """A transaction; it holds nothing yet."""
        return MemoryTransaction(self._state, self._locks, group, generation)

    def kill(self, transaction: MemoryTransaction) -> None:
        """End somebody's transaction, as a database does with an idle session: it never was, and its later calls are `Unavailable`."""
        transaction.kill()

    # generations
    def create(self, group: Group, phase: Phase, epoch: int) -> Generation:
        """Make it, unless a live one is asked for and there."""
        check_group(group)
        with self._mutex:
            state = self._state
            if phase is Phase.LIVE:
                live = [filled.generation for filled in state.of_group(group.name) if filled.generation.phase is Phase.LIVE]
                if live:
                    return live[-1]
            names = [f"group {group.name}", *(f"part {table.part}" for table in group.tables)]
            number = 1 + max(state.highest.get(name, 0) for name in names)
            state.highest.update(dict.fromkeys(names, number))
            generation = Generation(group.name, number, phase, group.schema, epoch)
            state.filled[group.name, number] = Filled(generation, group)
            return generation

    def generations(self, group: str) -> list[Generation]:
        """Those not dropped."""
        with self._mutex:
            return [filled.generation for filled in self._state.of_group(group)]

    def drop(self, group: str, number: int) -> None:
        """Wait for its transactions, then forget it."""
        dropping: Hashable = object()
        with self._mutex:
            self._locks.take(dropping, [("shard", group, number, shard) for shard in range(SHARDS)], lambda: None)
            try:
                filled = self._state.filled.get((group, number))
                if filled is not None:
                    check_droppable(filled.generation)
                    del self._state.filled[group, number]
                    self._state.outbox.drop(filled.tables, number)
            finally:
                self._locks.release(dropping)

    def lease(self, group: str, number: int, holder: str, seconds: float) -> None:
        """Until then; 0 ends it."""
        with self._mutex:
            leases = self._state.find(group, number).leases
            leases.pop(holder, None)
            if seconds > 0:
                leases[holder] = self._now() + timedelta(seconds=seconds)

    def leases(self, group: str, number: int) -> int:
        """Those that have not run out."""
        with self._mutex:
            now = self._now()
            filled = self._state.filled.get((group, number))
            return 0 if filled is None else sum(until > now for until in filled.leases.values())

    # reading
    def watermarks(self, group: str, generation: int, after: str, limit: int) -> list[Head]:
        """A page of them."""
        with self._mutex:
            filled = self._state.find(group, generation)
            return [Head(stream, filled.watermarks[stream]) for stream in filled.streams_after(after, limit)]

    def watermarks_of(self, group: str, generation: int, streams: Sequence[str]) -> dict[str, int]:
        """Those of these streams."""
        with self._mutex:
            watermarks = self._state.find(group, generation).watermarks
            return {stream: watermarks[stream] for stream in streams if stream in watermarks}

    def get(self, group: str, generation: int, part: str, key: str, stream: str) -> Seen:
        """A row and a watermark at one moment."""
        with self._mutex:
            filled = self._state.find(group, generation)
            filled.table(part)
            stored = filled.rows[part].get(key)
            kept = filled.letters.get((part, stream))
            watermark = -1 if kept is not None and kept.letter.parked else filled.watermarks.get(stream, 0)
        return Seen(None if stored is None else Row(stored.values, stored.revision), watermark, generation)

    def query(self, generation: int, table: Table, query: Query) -> Page:
        """A page of the part's rows."""
        query = checked(table, query)
        with self._mutex:
            rows = self._state.rows_of(generation, table)
            return page(table, query, rows)

    def changes(self, group: str, generation: int, shard: int, after: int, limit: int) -> list[Change]:
        """A page of them."""
        with self._mutex:
            changes = self._state.find(group, generation).changes.get(shard, {})
            return [changes[number] for number in sorted(changes) if number > after][:limit]

    def trim_changes(self, group: str, generation: int, keep: int) -> int:
        """Forget old ones that were signalled."""
        gone = 0
        with self._mutex:
            filled = self._state.find(group, generation)
            for shard, changes in filled.changes.items():
                state = filled.shard(shard)
                last = min(state.changes - keep, state.signalled)
                for number in [number for number in changes if number <= last]:
                    del changes[number]
                    gone += 1
        return gone

    def history(self, group: str, generation: int) -> dict[int, tuple[int, int]]:
        """First (one past the last, where all were trimmed) and last."""
        with self._mutex:
            filled = self._state.find(group, generation)
            return {
                shard: (min(filled.changes.get(shard, {}), default=state.changes + 1), state.changes)
                for shard, state in sorted(filled.shards.items())
                if state.changes
            }

    # letters
    def letters(self, group: str, generation: int) -> list[Letter]:
        """The parked ones, by part and stream."""
        with self._mutex:
            kept = self._state.find(group, generation).letters
            return [kept[place].letter for place in sorted(kept) if kept[place].letter.parked]

    def count_try(self, group: str, generation: int, letter: Letter) -> int:
        """At once."""
        with self._mutex:
            return self._state.find(group, generation).count_try(letter)

    # saga outbox and timers
    def due(self, saga: str, now: datetime, limit: int) -> list[Output]:
        """In the order they became ready."""
        with self._mutex:
            return self._state.outbox.due(saga, now, limit)

    def sent(self, outputs: Sequence[Output]) -> None:
        """They go."""
        with self._mutex:
            self._state.outbox.sent(outputs)

    def failed(self, output: Output, error: str, retry_at: datetime | None) -> None:
        """Later, or stuck."""
        with self._mutex:
            self._state.outbox.failed(output, error, retry_at)

    def outputs(self, saga: str, limit: int) -> list[Output]:
        """In the order they were put."""
        with self._mutex:
            return self._state.outbox.all(saga, limit)

    def unstick(self, saga: str, outputs: Sequence[Output]) -> None:
        """From zero tries."""
        with self._mutex:
            self._state.outbox.unstick([output for output in outputs if output.saga == saga])

    def put_outputs(self, outputs: Sequence[Output]) -> None:
        """Those that are not there."""
        with self._mutex:
            self._state.outbox.put(outputs)

    def next_due(self) -> datetime | None:
        """Over all sagas."""
        with self._mutex:
            return self._state.outbox.next_due()

    def clock(self) -> datetime:
        """Its row, or the database's time."""
        with self._mutex:
            return self._state.clock or self._now()

    def set_clock(self, now: datetime | None) -> None:
        """Never backwards."""
        with self._mutex:
            self._state.clock = None if now is None else max(now, self._state.clock or now)

    def close(self) -> None:
        """Nothing to give back."""
