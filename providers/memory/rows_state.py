"""What is committed: a generation's rows, watermarks, shards, changes and letters, as plain dictionaries."""

from bisect import bisect_right
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from providers.memory.rows_outbox import Outbox
from providers.sql.groups import check_columns
from providers.sql.values import normal_row
from runtime.domain.tables import Group, Table, Value
from runtime.errors import Fenced, Malformed
from runtime.ports import Change, Generation, Letter, Phase, RowWrite, ShardState, Writes


class Stored(Struct, frozen=True):
    """A row as it is kept; `values` None is a tombstone."""

    values: tuple[Value, ...] | None
    revision: int
    tenant: str


class Kept(Struct, frozen=True):
    """A letter, and the version whose tries it counts (a parked one waits at its own version meanwhile)."""

    letter: Letter
    trying: int


class Filled:
    """One generation of a group and all that was folded into it."""

    def __init__(self, generation: Generation, group: Group) -> None:
        self.generation = generation
        self.group = group
        self.tables: dict[str, Table] = {table.part: table for table in group.tables}
        self.rows: dict[str, dict[str, Stored]] = {table.part: {} for table in group.tables}
        self.shards: dict[int, ShardState] = {}
        self.watermarks: dict[str, int] = {}
        self.changes: dict[int, dict[int, Change]] = {}
        self.letters: dict[tuple[str, str], Kept] = {}
        self.leases: dict[str, datetime] = {}
        self._streams: list[str] | None = None  # sorted, until a new one comes

    def shard(self, shard: int) -> ShardState:
        """The shard's state; one never written is clean."""
        return self.shards.get(shard) or ShardState(shard, 0, 0, "")

    def streams_after(self, after: str, limit: int) -> list[str]:
        """Streams with a watermark, in code point order."""
        if self._streams is None:
            self._streams = sorted(self.watermarks)
        start = bisect_right(self._streams, after)
        return self._streams[start : start + limit]

    def table(self, part: str) -> Table:
        """What the part's rows look like."""
        if part not in self.tables:
            raise Malformed(f"group {self.group.name!r} has no part {part!r}: it has {', '.join(self.tables)}")
        return self.tables[part]

    def stored(self, write: RowWrite) -> Stored:
        """The row that a write leaves; `Malformed` if it does not fit its columns."""
        columns = self.table(write.part).columns
        values = None if write.values is None else normal_row(write.part, write.key, columns, write.values)
        return Stored(values, write.revision, write.tenant)

    def keep(self, letter: Letter) -> None:
        """The letter replaces what its part had on its stream."""
        self.letters[letter.part, letter.stream] = Kept(letter, letter.version)

    def count_try(self, letter: Letter) -> int:
        """One more try of a version; a parked letter stays parked where it is."""
        kept = self.letters.get((letter.part, letter.stream))
        if kept is None or (not kept.letter.parked and kept.trying != letter.version):
            kept = Kept(replace(letter, tries=1), letter.version)
        else:
            tries = kept.letter.tries + 1 if kept.trying == letter.version else 1
            kept = Kept(replace(kept.letter, tries=tries, error=letter.error or kept.letter.error), letter.version)
        self.letters[letter.part, letter.stream] = kept
        return kept.letter.tries

    def put(self, writes: Writes, rows: dict[tuple[str, str], Stored], outbox: Outbox) -> None:
        """All of a batch; `rows` are its row writes, already checked."""
        for (part, key), stored in rows.items():
            self.rows[part][key] = stored
        if self._streams is not None and not self.watermarks.keys() >= writes.watermarks.keys():
            self._streams = None
        self.watermarks.update(writes.watermarks)
        for change in writes.changes:
            self.changes.setdefault(change.shard, {})[change.number] = change
            state = self.shard(change.shard)
            self.shards[change.shard] = replace(state, changes=max(state.changes, change.number))
        for shard, number in writes.signalled.items():
            self.shards[shard] = replace(self.shard(shard), signalled=number)
        timers_of = {Phase.GREEN: self.generation.number}.get(self.generation.phase, 0)
        for saga, key in writes.timers_dropped:
            outbox.drop_timers(saga, key, timers_of)
        outbox.put(writes.outputs)
        for letter in writes.letters:
            self.keep(letter)
        for gone in writes.letters_gone:
            self.letters.pop(gone, None)


class State:
    """Everything of one app."""

    def __init__(self) -> None:
        self.filled: dict[tuple[str, int], Filled] = {}
        self.highest: dict[str, int] = {}  # per group and per part, dropped ones included: a number is never used twice
        self.outbox = Outbox()
        self.clock: datetime | None = None

    def find(self, group: str, number: int) -> Filled:
        """A generation's contents; `Fenced` when it was dropped or never made."""
        filled = self.filled.get((group, number))
        if filled is None:
            raise Fenced(f"generation {number} of {group!r} was dropped")
        return filled

    def rows_of(self, number: int, table: Table) -> dict[str, Stored]:
        """The rows of a part in a generation; `Fenced` when it was dropped or never made, `Misconfigured` when it looks different."""
        for (_, found), filled in self.filled.items():
            if found == number and table.part in filled.rows:
                check_columns(number, table, filled.tables[table.part])
                return filled.rows[table.part]
        raise Fenced(f"generation {number} of {table.part!r} was dropped")

    def of_group(self, group: str) -> list[Filled]:
        """The generations of a group, ascending."""
        return [filled for (name, _), filled in sorted(self.filled.items(), key=lambda item: item[0]) if name == group]
