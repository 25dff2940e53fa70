"""The bus: partitioned logs and consumer groups. It is a hint; delivery may repeat, reorder or lose."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct


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

    def show(self, group: str) -> None:
        """Let `group`, which has no members, show where this member is in its partitions: everything delivered so far was handled.

        For whoever watches that group's lag. Takes effect soon, and is never waited for; what a broker's absence swallowed a later
        call says again, and so it does now and then with what did not change. `Misconfigured` where it can never succeed.
        """
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

    def commit_first(self, group: str) -> int:
        """The first offset commit of a group that shall read everything: the begin of each partition that has none; how many had none.

        A group with members is left to them.
        """
        ...

    def commit_like(self, group: str, other: str) -> None:
        """Commit for `group`, which has no members, what `other` has committed; where that has nothing, the begin."""
        ...

    def lag(self, group: str) -> dict[int, int]:
        """Per partition, how many messages the group has not committed."""
        ...

    def members(self, group: str) -> int:
        """How many members share the group now; 0 for a group that nobody joined. For people who watch: a broker may tell it late."""
        ...

    def close(self) -> None:
        """Flush and disconnect."""
        ...
