"""The bus inside one process: partitioned logs, consumer groups and committed offsets, bounded, and bad on demand.

It is the meaning of the Bus port, and what the embedded defaults and the seeded simulation run on, so it behaves like a
broker where that matters: members share the partitions of a group, a rebalance refuses the commit of whoever did not
notice it yet, everything not committed is delivered again, and a log can be trimmed under a reader.

What every group committed is forgotten. A full bus makes publishers wait for the groups that have members; a group that
nobody reads for holds nothing back while others are read: its log is trimmed, and it is told when it comes back.
"""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from providers.memory.chaos import Chaos as Chaos
from providers.memory.log import Log
from runtime.errors import Misconfigured, Unavailable
from runtime.ports import Delivery, Envelope, shard_of


class Membership:
    """A consumer group: what it committed, and who shares its partitions, as of a round of rebalancing."""

    __slots__ = ("committed", "members", "round")

    def __init__(self) -> None:
        self.committed: dict[int, int] = {}
        self.members: list[MemoryConsumer] = []
        self.round = 0

    def share(self, member: "MemoryConsumer", partitions: int) -> list[int]:
        """The range of partitions that falls to a member: equal shares, the first ones get one more."""
        each, more = divmod(partitions, len(self.members))
        place = self.members.index(member)
        first = place * each + min(place, more)
        return list(range(first, first + each + (place < more)))


class MemoryBus:
    """See the Bus port. `blocking=False` serves single-threaded simulation: nothing ever waits, a full bus is `Unavailable` at once."""

    def __init__(
        self,
        partitions: int = 8,
        capacity: int = 100_000,
        chaos: Chaos | None = None,
        *,
        blocking: bool = True,
        deadline_s: float = 30.0,
    ) -> None:
        self.partitions = partitions
        self._capacity = capacity
        self._chaos = chaos
        self._blocking = blocking
        self._deadline_s = deadline_s
        self._logs = [Log() for _ in range(partitions)]
        self._groups: dict[str, Membership] = {}
        self._size = 0
        self._closed = False
        self._changed = threading.Condition()  # reentrant

    def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Append each to its partition; waits for room, bounded by the deadline, then `Unavailable`."""
        with self._changed:
            rest: Iterable[Envelope] = iter(self._chaos.disturb(list(envelopes)) if self._chaos else envelopes)
            until = time.monotonic() + self._deadline_s
            while self._append(islice(rest, self._room())):
                pass
            for envelope in rest:
                self._wait_for_room(until)
                self._append((envelope,))

    def _append(self, envelopes: Iterable[Envelope]) -> int:
        before = self._size
        for envelope in envelopes:
            self._logs[shard_of(envelope.stream) % self.partitions].append(envelope.body)
            self._size += 1
        count = self._size - before
        if count:
            self._changed.notify_all()
        return count

    def _room(self) -> int:
        if self._closed:
            raise Unavailable("the bus is closed")
        return max(0, self._capacity - self._size)

    def _wait_for_room(self, until: float) -> None:
        while not self._room():
            if self._trim_abandoned():
                continue
            left = until - time.monotonic()
            if not self._blocking or left <= 0:
                raise Unavailable(f"the bus is full: {self._size:,} messages wait for a consumer group that does not commit")
            self._changed.wait(left)

    def _trim_abandoned(self) -> int:
        """Make room at the cost of groups without members; only while some group has members."""
        if not any(group.members for group in self._groups.values()):
            return 0
        return sum(self._forget(partition, living=True) for partition in range(self.partitions))

    def _forget(self, partition: int, *, living: bool = False) -> int:
        """Forget what all groups (all `living` ones) have committed."""
        log = self._logs[partition]
        groups = [group for group in self._groups.values() if group.members or not living]
        if not groups:
            return 0
        gone = log.trim(min(group.committed.get(partition, log.begin) for group in groups))
        self._size -= gone
        return gone

    def trim(self, partition: int, offset: int) -> None:
        """Lose everything below `offset`, committed or not, as a broker's retention would."""
        with self._changed:
            self._size -= self._logs[partition].trim(offset)
            self._changed.notify_all()

    def consumer(self, group: str) -> "MemoryConsumer":
        """Join a group."""
        with self._changed:
            return MemoryConsumer(self, self._groups.setdefault(group, Membership()))

    def commit_now(self, group: str) -> None:
        """Commit the end of every partition for a group without members."""
        with self._changed:
            known = self._groups.setdefault(group, Membership())
            if known.members:
                raise Misconfigured(f"group {group!r} has {len(known.members)} members: stop them before its offsets are set")
            self._release()
            known.committed = {partition: log.end for partition, log in enumerate(self._logs)}
            self._settle(range(self.partitions))

    def commit_first(self, group: str) -> int:
        """Commit the begin of partitions without an offset."""
        with self._changed:
            known = self._groups.setdefault(group, Membership())
            absent = [] if known.members else sorted(set(range(self.partitions)) - known.committed.keys())
            known.committed.update({partition: self._logs[partition].begin for partition in absent})
            return len(absent)

    def commit_like(self, group: str, other: str) -> None:
        """Commit what another group has committed."""
        with self._changed:
            known, theirs = self._groups.setdefault(group, Membership()), self._groups.get(other)
            committed = theirs.committed if theirs else {}
            known.committed = {partition: committed.get(partition, log.begin) for partition, log in enumerate(self._logs)}
            self._settle(range(self.partitions))

    def lag(self, group: str) -> dict[int, int]:
        """Per partition, how many messages the group has not committed."""
        with self._changed:
            known = self._groups.get(group)
            committed = known.committed if known else {}
            return {partition: log.end - max(committed.get(partition, log.begin), log.begin) for partition, log in enumerate(self._logs)}

    def members(self, group: str) -> int:
        """How many consumers are in the group."""
        with self._changed:
            known = self._groups.get(group)
            return len(known.members) if known else 0

    def close(self) -> None:
        """Whoever waits for room gets `Unavailable`."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _settle(self, partitions: Iterable[int]) -> None:
        for partition in partitions:
            self._forget(partition)
        self._changed.notify_all()

    def _release(self) -> None:
        if self._chaos is not None and self._chaos.held:
            self._append(self._chaos.release())


class MemoryConsumer:
    """See the Consumer port. It learns of a rebalance at its next `poll`, as a Kafka consumer does."""

    def __init__(self, bus: MemoryBus, group: Membership) -> None:
        self._bus = bus
        self._group = group
        self._round = -1
        self._positions: dict[int, int] = {}
        self._trimmed: set[int] = set()
        self._turn = 0
        self._closed = False
        self._join()

    def _join(self) -> None:
        self._group.members.append(self)
        self._group.round += 1
        self._catch_up()
        self._bus._changed.notify_all()

    def _catch_up(self) -> None:
        """Take over the share of the newest round; everything starts at what is committed."""
        if self._round != self._group.round:
            self._round = self._group.round
            share = self._group.share(self, self._bus.partitions)
            self._positions = {partition: self._start(partition) for partition in share}

    def _start(self, partition: int) -> int:
        log = self._bus._logs[partition]
        return self._within(partition, self._group.committed.get(partition, log.begin))

    def _within(self, partition: int, position: int) -> int:
        begin = self._bus._logs[partition].begin
        if position < begin:
            self._trimmed.add(partition)
        return max(position, begin)

    def poll(self, limit: int, timeout_s: float) -> list[Delivery]:
        """Deliveries of the partitions this member owns, fairly, in log order within one."""
        until = time.monotonic() + timeout_s
        with self._bus._changed:
            while True:
                self._attend()
                found = self._read(limit)
                left = until - time.monotonic()
                if found or left <= 0 or not self._bus._blocking:
                    return found
                self._bus._changed.wait(left)

    def _attend(self) -> None:
        """Be a member in the newest round; one that was expelled joins again."""
        if self._closed:
            raise RuntimeError("this consumer left its group: open another")
        if self not in self._group.members:
            self._join()
        self._catch_up()

    def _read(self, limit: int) -> list[Delivery]:
        owned = sorted(self._positions)
        self._turn += 1
        found: list[Delivery] = []
        for place in range(len(owned)):
            partition = owned[(place + self._turn) % len(owned)]
            start = self._within(partition, self._positions[partition])
            bodies = self._bus._logs[partition].read(start, limit - len(found))
            found.extend(Delivery(partition, offset, body) for offset, body in enumerate(bodies, start))
            self._positions[partition] = start + len(bodies)
        if not found and self._bus._chaos is not None and self._bus._chaos.held:
            self._bus._release()
            return self._read(limit)
        return found

    def commit(self, offsets: Mapping[int, int]) -> bool:
        """Refused for a member that a rebalance has passed by."""
        with self._bus._changed:
            current = not self._closed and self in self._group.members and self._round == self._group.round
            if not current or not offsets.keys() <= self._positions.keys():
                return False
            self._group.committed.update(offsets)
            self._bus._settle(offsets)
            return True

    def show(self, group: str) -> None:
        """Commit where this member is for a group without members."""
        with self._bus._changed:
            known = self._bus._groups.setdefault(group, Membership())
            if known.members:
                raise Misconfigured(f"group {group!r} has members: its name is for whoever watches the lag, nobody may consume as it")
            known.committed.update(self._positions)
            self._bus._settle(self._positions)

    def rewind(self) -> None:
        """Deliver again from the committed offsets."""
        with self._bus._changed:
            self._attend()
            self._positions = {partition: self._start(partition) for partition in self._positions}

    def assigned(self) -> frozenset[int]:
        """The partitions of this member, as it last learned."""
        with self._bus._changed:
            return frozenset(self._positions)

    def trimmed(self) -> frozenset[int]:
        """Partitions where the log began after what this group had committed or this member had read."""
        with self._bus._changed:
            told, self._trimmed = frozenset(self._trimmed), set()
            return told

    def close(self) -> None:
        """Leave the group."""
        with self._bus._changed:
            self.expire()
            self._closed = True

    def crash(self) -> None:
        """Die: the group gives its partitions away, whatever was not committed is delivered again."""
        self.close()

    def expire(self) -> None:
        """Be expelled, as a paused process is after its session time-out: its commit is refused, its next poll joins again."""
        with self._bus._changed:
            if self in self._group.members:
                self._group.members.remove(self)
                self._group.round += 1
                self._positions = {}
                self._bus._changed.notify_all()
