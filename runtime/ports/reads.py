"""The read store: rows, watermarks, letters, changes, saga outbox and timers of one app, in one database."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from runtime.domain.filters import Query
from runtime.domain.tables import Group, Table
from runtime.ports.events import Head
from runtime.ports.rows import Change, Generation, Letter, Output, Phase, Row, ShardState, Writes


class Transaction(Protocol):
    """One read store transaction for one generation of one group. Nothing is seen by others before `commit`."""

    def lock(self, shards: Sequence[int]) -> tuple[Generation, list[ShardState]]:
        """Lock these shards (ascending), waiting for other holders; then say the generation's phase and the shards' state.

        Raises `Fenced` when the generation was dropped.
        """
        ...

    def lock_both(self, other: int, shards: Sequence[int]) -> None:
        """For a swap: lock the same shards of another generation of the group, too."""
        ...

    def watermarks(self, streams: Sequence[str]) -> dict[str, int]:
        """The group's watermark of each stream that has one."""
        ...

    def letters(self, streams: Sequence[str]) -> list[Letter]:
        """What parts of this group have parked, or are counting, on these streams."""
        ...

    def rows(self, part: str, keys: Sequence[str]) -> dict[str, Row]:
        """The stored rows (tombstones too) of these keys; absent keys are left out."""
        ...

    def lock_rows(self, part: str, keys: Sequence[str]) -> dict[str, Row]:
        """Lock rows that several streams feed, in key order, inserting a placeholder where absent; then read them. Every key answers."""
        ...

    def write(self, writes: Writes) -> None:
        """Write it all: rows, then watermarks, changes, outputs, letters. Timers are dropped before outputs are put.

        Raises `Malformed` for a value that its column cannot hold in every database; NaN is stored as None.
        """
        ...

    def hold(self, shards: Sequence[int], holder: str) -> None:
        """Note who holds these (locked) shards; "" leaves them clean."""
        ...

    def set_phase(self, generation: int, phase: Phase) -> None:
        """Flip a generation of this group; for a swap under both locks."""
        ...

    def release(self, generation: int, watermarks_of: int) -> None:
        """Swap of a saga: held outputs of `generation` beyond the watermarks of generation `watermarks_of` become real, the rest go.

        `watermarks_of` 0 is no generation: all of them become real (a saga whose rows were lost is told to send again).
        """
        ...

    def commit(self) -> None:
        """Durable and visible. An error here with `in_doubt` may have committed: the watermarks tell."""
        ...

    def rollback(self) -> None:
        """As if it had never been; never raises."""
        ...


def _nowhere(position: int) -> str:
    raise IndexError(position)


class Page(Struct, frozen=True):
    """Rows of a query with their keys and revisions, and the cursor after the last ("" = there is no more).

    `after(n)` is the cursor after the nth row (from 0) of the page, worked out when somebody asks.
    """

    rows: list[tuple[str, Row]]
    cursor: str
    after: Callable[[int], str] = _nowhere


class Seen(Struct, frozen=True):
    """A row, read in one snapshot with the watermark of a stream: `watermark` -1 when that stream is parked for the part."""

    row: Row | None
    watermark: int
    generation: int


class ReadStore(Protocol):
    """Rows, watermarks, letters, changes, saga outbox and timers of one app, in one database."""

    def begin(self, group: str, generation: int) -> Transaction:
        """Start a transaction on a generation of a group."""
        ...

    # generations
    def create(self, group: Group, phase: Phase, epoch: int) -> Generation:
        """Make tables, shards and watermark set of a new generation (number = highest + 1); a live one only if there is none, else that one."""
        ...

    def generations(self, group: str) -> list[Generation]:
        """All generations of a group that were not dropped, ascending."""
        ...

    def drop(self, group: str, number: int) -> None:
        """Drop a fenced or green generation with its tables, watermarks, letters, changes and held outputs; again does nothing.

        `Rejected` for another phase. From then on, whatever names that generation raises `Fenced`.
        """
        ...

    def lease(self, group: str, number: int, holder: str, seconds: float) -> None:
        """A reader needs this generation for so long; 0 ends the lease."""
        ...

    def leases(self, group: str, number: int) -> int:
        """How many leases have not run out."""
        ...

    # reading
    def watermarks(self, group: str, generation: int, after: str, limit: int) -> list[Head]:
        """The watermarks of streams named after `after`, in code point order."""
        ...

    def watermarks_of(self, group: str, generation: int, streams: Sequence[str]) -> dict[str, int]:
        """The watermark of each of these streams that has one, without a lock."""
        ...

    def get(self, group: str, generation: int, part: str, key: str, stream: str) -> Seen:
        """One row and, in the same snapshot, the group's watermark of `stream` ("" = do not care)."""
        ...

    def query(self, generation: int, table: Table, query: Query) -> Page:
        """Filter, sort and page: stable under concurrent writes, tombstones left out. One meaning on every provider (runtime.domain.filters).

        The page goes on from the cursor after its last row as well as from the one after any other.

        Raises `Malformed` (names the field, `first` or `cursor`), `Misconfigured` when the generation has other columns.
        """
        ...

    def changes(self, group: str, generation: int, shard: int, after: int, limit: int) -> list[Change]:
        """Changes of a shard after a number, in order."""
        ...

    def trim_changes(self, group: str, generation: int, keep: int) -> int:
        """Forget all but about the last `keep` changes per shard that were signalled; returns how many went."""
        ...

    def history(self, group: str, generation: int) -> dict[int, tuple[int, int]]:
        """Per shard that ever had changes: the first number still there (all trimmed: one past the last), and the last."""
        ...

    # letters
    def letters(self, group: str, generation: int) -> list[Letter]:
        """All parked letters of a generation."""
        ...

    def count_try(self, group: str, generation: int, letter: Letter) -> int:
        """Durably count one more try of (part, stream, version) in a transaction of its own, before it is made; returns the tries so far.

        Another version counts from 1; a parked letter stays parked where it is. Never called by a thread with an open transaction.
        """
        ...

    # saga outbox and timers
    def due(self, saga: str, now: datetime, limit: int) -> list[Output]:
        """Outputs to send: not held, not stuck, due by `now` (the saga clock), and so is their next try; oldest first."""
        ...

    def sent(self, outputs: Sequence[Output]) -> None:
        """These took effect: they go."""
        ...

    def failed(self, output: Output, error: str, retry_at: datetime | None) -> None:
        """One more try failed: again at `retry_at` (of the saga clock), or stuck (None)."""
        ...

    def outputs(self, saga: str, limit: int) -> list[Output]:
        """What is pending, waiting, stuck or held (`generation` > 0), as it was put; for people, export (without the held) and redrive."""
        ...

    def unstick(self, saga: str, outputs: Sequence[Output]) -> None:
        """Try these stuck outputs again from zero tries."""
        ...

    def put_outputs(self, outputs: Sequence[Output]) -> None:
        """Import: store pending outputs that are not there."""
        ...

    def next_due(self) -> datetime | None:
        """The earliest due of all pending timers; None without timers."""
        ...

    def clock(self) -> datetime:
        """The saga clock: its row, or the database's time while there is none."""
        ...

    def set_clock(self, now: datetime | None) -> None:
        """A replay drives the clock (never backwards); None gives it back to the database."""
        ...

    def close(self) -> None: ...
