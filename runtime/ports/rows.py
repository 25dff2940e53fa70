"""What a read store keeps: generations, shards, rows, changes, letters and saga output, and what one transaction writes."""

import enum
from datetime import datetime

from msgspec import Struct

from runtime.domain.tables import Value


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
