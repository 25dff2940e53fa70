"""The event store: truth, as streams of events numbered 1, 2, 3 …; and snapshots of what they fold to."""

from collections.abc import Sequence
from typing import Protocol
from zlib import crc32

from msgspec import Struct

from runtime.errors import Conflict, Rejected


def shard_of(stream: str) -> int:
    """The shard of a stream, 0 to 255: CRC-32 of its UTF-8 name, so that every language and every run agrees."""
    return crc32(stream.encode()) & 255


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
