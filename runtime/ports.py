"""The promises a provider keeps, one port each; the memory provider is their meaning and a conformance suite holds everybody to it.

Every method blocks and is called through `runtime.steps` by a core. Every method may raise `Unavailable`; whatever else it
raises is part of its promise. All sizes are bytes unless the name says otherwise, all durations seconds, versions count from 1
(0 = "no event yet"), instants are timezone-aware `datetime`s in UTC.
"""

import enum
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol
from zlib import crc32

from msgspec import Struct

from runtime.domain.filters import Query
from runtime.domain.tables import Group, Table, Value
from runtime.errors import Conflict, Rejected
from runtime.limits import SHARDS as SHARDS
from runtime.limits import Limits as Limits


def shard_of(stream: str) -> int:
    """The shard of a stream, 0 to 255: CRC-32 of its UTF-8 name, so that every language and every run agrees."""
    return crc32(stream.encode()) & 255


# --- event store -----------------------------------------------------------------------------------------------


class New(Struct, frozen=True, gc=False):
    """An event to append: its type (the tag) and its JSON bytes, tag included."""

    type: str
    data: bytes


class Append(Struct, frozen=True):
    """What one command appends: atomically all of it, or nothing. `events` may be empty (the key is stored all the same)."""

    stream: str
    expected: int
    events: tuple[New, ...]
    key: str
    digest: bytes  # of the command's bytes: the same key with another digest is KeyReused
    cause: str = ""  # lineage: what led to it, "stream@version" or ""
    trace: str = ""  # W3C traceparent or ""
    time: str = ""  # RFC 3339 UTC, for people; never for order


class Answer(Struct, frozen=True, gc=False):
    """What an append did: the stream stands at `last`, the append's own events are `first + 1 .. last` (none if equal).

    `replayed` tells that this is the kept answer of an earlier append with the same key.
    """

    stream: str
    first: int
    last: int
    epoch: int = 1
    replayed: bool = False

    @property
    def token(self) -> str:
        """The read-your-writes token: "stream@version"."""
        return f"{self.stream}@{self.last}"


class Loaded(Struct, frozen=True, gc=False):
    """A stream's tail after a version: event data in order, the head's version, and the key's kept answer if there is one."""

    version: int
    data: list[bytes]
    answer: Answer | None = None
    digest: bytes = b""  # of the kept answer


class Recorded(Struct, frozen=True, gc=False):
    """A stored event with its envelope. `subject` and `key_id` are reserved for erasure."""

    stream: str
    version: int
    type: str
    data: bytes
    key: str = ""
    cause: str = ""
    trace: str = ""
    time: str = ""
    epoch: int = 1
    subject: str = ""
    key_id: str = ""


class Head(Struct, frozen=True, gc=False):
    """A stream and the version it stands at."""

    stream: str
    version: int


class KeptKey(Struct, frozen=True, gc=False):
    """An idempotency key with its kept answer, as export carries it."""

    stream: str
    key: str
    digest: bytes
    first: int
    last: int
    epoch: int = 1


class EventStore(Protocol):
    """Truth: streams of events numbered 1, 2, 3 … (law 1)."""

    def load(self, stream: str, key: str, after: int) -> Loaded:
        """The events of a stream after a version, in order, with what `key` was answered; one consistent read."""
        ...

    def append(self, append: Append) -> Answer:
        """Store all events and the key atomically against the expected version, durably, before it returns.

        Same key and digest: the first answer again (`replayed`). Raises `KeyReused`, `Conflict`, and before any write
        `LimitExceeded` or `Malformed` (a stream, key or other text that some cloud cannot hold).
        """
        ...

    def append_all(self, appends: Sequence[Append]) -> list[Answer | Conflict | Rejected]:
        """Each append as if alone, in order, but one durable write for all: a failing one never fails its neighbours."""
        ...

    def read(self, stream: str, after: int, limit: int) -> list[Recorded]:
        """At most `limit` stored events of one stream after a version, in order, from the primary."""
        ...

    def bulk(self, after: Head, until: str, limit: int) -> list[Recorded]:
        """At most `limit` events in (stream, version) order, after `after`, of streams < `until` ("" = no bound)."""
        ...

    def heads(self, after: str, limit: int) -> list[Head]:
        """At most `limit` heads of streams named after `after`, in code point order: every stream, once."""
        ...

    def keys(self, after: tuple[str, str], limit: int) -> list[KeptKey]:
        """At most `limit` kept keys in (stream, key) order after `after`."""
        ...

    def epoch(self) -> int:
        """The store's epoch, raised whenever it is restored."""
        ...

    def raise_epoch(self) -> int:
        """An operator's word that the store was restored; returns the new epoch."""
        ...

    def restore(self, events: Sequence[Recorded], keys: Sequence[KeptKey]) -> None:
        """Import: store events under the versions they carry; what is already there unchanged is skipped.

        Raises `Conflict` where a stored version differs or a version would leave a hole.
        """
        ...

    def close(self) -> None:
        """Give connections back."""
        ...


class Snapshot(Struct, frozen=True):
    """A stream's folded state at a version, stamped with what it was folded by."""

    version: int
    stamp: str
    state: bytes


class Snapshots(Protocol):
    """The newest usable snapshot of a stream; losing one costs time, never truth."""

    def newest(self, stream: str, stamp: str) -> Snapshot | None:
        """The snapshot with the highest version and this stamp; a damaged or foreign one is as if it were not there."""
        ...

    def keep(self, stream: str, snapshot: Snapshot) -> None:
        """Keep it unless a newer one with the same stamp is kept."""
        ...


class Pending(Struct, frozen=True):
    """A stream with unpublished events: all of them, in order, from the first unpublished to the head that was read."""

    stream: str
    events: list[Recorded]

    @property
    def last(self) -> int:
        """The head version that was read."""
        return self.events[-1].version


class Relay(Protocol):
    """The outbox beside the store: one row per stream with unpublished events, never a position cursor."""

    def claim(self, limit: int, lease_s: float) -> list[Pending]:
        """Streams with unpublished events, oldest claim first, with at most about `limit` events in all.

        Streams that somebody claimed less than `lease_s` ago are left out where that costs nothing; a repeat does no harm.
        A long stream may come in parts; each part starts at its first unpublished version.
        """
        ...

    def mark(self, published: Sequence[Head]) -> None:
        """These streams are published up to these versions: the row goes only if no later event was appended."""
        ...

    def backlog(self) -> int:
        """How many streams have unpublished events."""
        ...

    def wait(self, timeout_s: float) -> None:
        """Return when something may be pending, or after the timeout; a hint, woken at once by appends of this process."""
        ...


# --- bus -------------------------------------------------------------------------------------------------------


class Envelope(Struct, frozen=True, gc=False):
    """One message for the bus: its shard decides the partition (`shard % partitions`), its body is a CloudEvent."""

    stream: str
    body: bytes


class Delivery(Struct, frozen=True, gc=False):
    """One message from the bus."""

    partition: int
    offset: int
    body: bytes


class Consumer(Protocol):
    """A member of a consumer group. Delivery may repeat, reorder or lose (law 2)."""

    def poll(self, limit: int, timeout_s: float) -> list[Delivery]:
        """At most `limit` deliveries of the assigned partitions, waiting at most `timeout_s` for the first."""
        ...

    def commit(self, offsets: Mapping[int, int]) -> bool:
        """Commit the next offset of each partition; False when a rebalance took them (repeats will follow)."""
        ...

    def rewind(self) -> None:
        """Go back to the committed offsets and deliver again from there: the last batch failed."""
        ...

    def assigned(self) -> frozenset[int]:
        """The partitions this member owns now."""
        ...

    def trimmed(self) -> frozenset[int]:
        """Partitions whose log began after the committed offset, reported once: something was lost, sync must fill it."""
        ...

    def close(self) -> None:
        """Leave the group at once."""
        ...


class Bus(Protocol):
    """One app's topic: `partitions` ordered logs."""

    partitions: int

    def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Publish all, in order per stream, and return when the bus has acknowledged them; else `Unavailable` (some may be there)."""
        ...

    def consumer(self, group: str) -> Consumer:
        """Join a consumer group; a group that never committed starts at the earliest message."""
        ...

    def commit_now(self, group: str) -> None:
        """The first offset commit of a group without members: from now on, nothing older."""
        ...

    def lag(self, group: str) -> dict[int, int]:
        """Per partition, how many messages the group has not committed."""
        ...

    def close(self) -> None:
        """Flush and disconnect."""
        ...


class Signal(Struct, frozen=True):
    """A row changed: its new revision, and its fields before and after (None: it was not, or is no longer, there).

    Both are JSON objects by column name, or b"". `before` holds only the fields that changed; overlay it on `after`.
    """

    part: str
    key: str
    tenant: str
    generation: int
    revision: int
    shard: int  # with `number`: the place in the change log, for cursors
    number: int
    before: bytes
    after: bytes


class Listener(Protocol):
    """A context manager that hears every signal sent after it was entered."""

    def __enter__(self) -> "Listener": ...
    def __exit__(self, *_: object) -> None: ...
    def take(self, limit: int, timeout_s: float) -> list[Signal]:
        """At most `limit` signals, waiting at most `timeout_s` for the first."""
        ...

    def overrun(self) -> bool:
        """True once after signals were dropped because this listener was too slow: read again what you show."""
        ...


class Signals(Protocol):
    """Tells listeners which rows changed. May lose: the change log is the truth."""

    def send(self, signals: Sequence[Signal]) -> None:
        """Tell every listener, in order."""
        ...

    def listen(self) -> Listener:
        """A listener that misses nothing from its `__enter__` on."""
        ...

    def close(self) -> None: ...


# --- read store ------------------------------------------------------------------------------------------------


class Phase(enum.StrEnum):
    """The life of a generation: green fills, live answers, blue is folded on silently after a swap, fenced writes no more."""

    GREEN = "green"
    LIVE = "live"
    BLUE = "blue"
    FENCED = "fenced"


class Generation(Struct, frozen=True):
    """One set of tables and watermarks of a group."""

    group: str
    number: int
    phase: Phase
    schema: str
    epoch: int  # the store's epoch it was built from


class ShardState(Struct, frozen=True, gc=False):
    """What a locked shard says: the number of its last change, how many were signalled, and who touched it last ("" = left clean)."""

    shard: int
    changes: int
    signalled: int
    holder: str


class Row(Struct, frozen=True):
    """A stored row: values in column order, or None for a tombstone, and its own revision n (0 = never seen)."""

    values: tuple[Value, ...] | None
    revision: int


class RowWrite(Struct, frozen=True):
    """A row's new values (None deletes it, its revision stays)."""

    part: str
    key: str
    tenant: str
    values: tuple[Value, ...] | None
    revision: int


class Change(Struct, frozen=True):
    """A row change in the log of its batch's lowest shard. `before` (changed fields only) and `after` are JSON objects or b""."""

    shard: int
    number: int
    part: str
    key: str
    tenant: str
    revision: int
    before: bytes
    after: bytes


class Output(Struct, frozen=True):
    """A saga's command on its way. `due` None: at once, else a durable timer. Unique by (saga, stream, version, n), which is also its key."""

    saga: str
    key: str  # of the saga's row
    stream: str  # the event that caused it …
    version: int
    n: int  # … and the how-manieth output of that event
    command: bytes  # JSON with its tag
    tenant: str = ""
    due: datetime | None = None
    generation: int = 0  # > 0: held by a green generation until the swap
    tries: int = 0
    error: str = ""
    stuck: bool = False

    @property
    def idempotency_key(self) -> str:
        """Law 3: saga, stream@version, n."""
        return f"{self.saga}:{self.stream}@{self.version}:{self.n}"


class Letter(Struct, frozen=True):
    """A part's own watermark on one stream: everything from `version` on waits in the store until it is redriven.

    `parked` False: only counting tries of the event at `version`.
    """

    part: str
    stream: str
    version: int
    error: str
    tries: int
    parked: bool = True
    reason: str = "error"  # or "gap", "unknown type"


class Writes(Struct):
    """Everything one batch writes, in one transaction."""

    rows: list[RowWrite] = []
    watermarks: dict[str, int] = {}
    changes: list[Change] = []
    signalled: dict[int, int] = {}  # shard -> number signalled so far
    outputs: list[Output] = []
    timers_dropped: list[
        tuple[str, str]
    ] = []  # (saga, key), before outputs: pending timers of an ended saga; by a green one, only those it holds
    letters: list[Letter] = []  # parked or counting; replaces the same (part, stream)
    letters_gone: list[tuple[str, str]] = []  # (part, stream)


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
        """Swap of a saga: held outputs of `generation` beyond the watermarks of generation `watermarks_of` become real, the rest go."""
        ...

    def commit(self) -> None:
        """Durable and visible. An error here with `in_doubt` may have committed: the watermarks tell."""
        ...

    def rollback(self) -> None:
        """As if it had never been; never raises."""
        ...


class Page(Struct, frozen=True):
    """Rows of a query with their keys and revisions, and the cursor after the last ("" = there is no more)."""

    rows: list[tuple[str, Row]]
    cursor: str


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
        """Outputs to send: not held, not stuck, due by `now` (the saga clock), next try due by the database's own time; oldest first."""
        ...

    def sent(self, outputs: Sequence[Output]) -> None:
        """These took effect: they go."""
        ...

    def failed(self, output: Output, error: str, retry_at: datetime | None) -> None:
        """One more try failed: again at `retry_at` (real time, whatever the saga clock says), or stuck (None)."""
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
