"""A member of a Kafka consumer group that commits by hand, knows what it committed, and notices a trimmed log.

Positions are ours to reason about: at every assignment the committed offsets are read once, and where a partition goes on
is compared with where it should. Without transactions a log has no holes, so a jump means that its front was trimmed.

Partitions are assigned by range, eagerly: a cooperative rebalance takes two rounds instead of one (measured: 4 s for 2 s),
and whoever commits each batch before it polls again loses nothing by giving everything back for a moment.
"""

import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

import kafka
from kafka import ConsumerRebalanceListener, TopicPartition, errors
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.structs import OffsetAndMetadata

from providers.kafka.link import Link
from providers.kafka.mending import Fetching, Joining
from providers.kafka.settings import Settings
from providers.kafka.topics import missing
from providers.kafka.watched import OCCUPIED, Watched
from runtime.errors import Misconfigured
from runtime.ports import Delivery

LOST_S = 2.0  # beyond the time that the client itself allows an answer
LOST = (
    errors.CommitFailedError,
    errors.RebalanceInProgressError,
    errors.IllegalGenerationError,
    errors.UnknownMemberIdError,
    errors.FencedInstanceIdError,
)


class Assignments(ConsumerRebalanceListener):
    """Collects partitions that were newly assigned; runs on the client's I/O thread, so it only takes notes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fresh: set[int] = set()

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        with self._lock:
            self._fresh |= {place.partition for place in assigned}

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        with self._lock:
            self._fresh -= {place.partition for place in revoked}

    def take(self) -> set[int]:
        """The partitions assigned since the last call."""
        with self._lock:
            fresh, self._fresh = self._fresh, set()
            return fresh

    def fresh(self) -> set[int]:
        """Those that the next `take` will give."""
        with self._lock:
            return set(self._fresh)

    def put_back(self, partitions: set[int]) -> None:
        """These could not be looked at yet."""
        with self._lock:
            self._fresh |= partitions


class KafkaConsumer:
    """See the Consumer port."""

    def __init__(self, settings: Settings, topic: str, group: str) -> None:
        self._topic = topic
        self._group = group
        self._deadline_ms = int(settings.deadline_s * 1000)
        self._link = Link(settings)
        self._assignments = Assignments()
        self._committed: dict[int, int | None] = {}
        self._expected: dict[int, int] = {}
        self._trimmed: set[int] = set()
        self._client: Any = self._link.open(
            kafka.KafkaConsumer,
            group_id=group,
            partition_assignment_strategy=(RangePartitionAssignor,),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            allow_auto_create_topics=False,
            session_timeout_ms=settings.session_timeout_ms,
            heartbeat_interval_ms=min(1000, settings.session_timeout_ms // 3),  # a rebalance waits for everybody's next heartbeat
            request_timeout_ms=(answer_ms := max(self._deadline_ms, settings.session_timeout_ms + 1000)),
            metrics_enabled=False,
        )
        self._joining = Joining(self._client)
        self._fetching = Fetching(self._client, LOST_S + answer_ms / 1000)
        self._watched = Watched(self._client, topic)
        self._subscribe()

    def _subscribe(self) -> None:
        """Subscribe, and learn of the partitions before joining: else the group is rebalanced once more as soon as we do."""
        self._client.subscribe([self._topic], listener=self._assignments)
        with self._link.explaining(f"describe topic {self._topic!r}"):
            known = self._topic in self._client.topics()
        if not known:
            self.close()
            raise Misconfigured(missing(self._topic))

    def poll(self, limit: int, timeout_s: float) -> list[Delivery]:
        """Deliveries in log order within a partition."""
        until = time.monotonic() + timeout_s
        with self._link.explaining(f"deliver to group {self._group!r}"):
            while True:
                left_ms = max(0, int((until - time.monotonic()) * 1000))
                self._joining.remind()
                self._fetching.remind()
                found = self._client.poll(timeout_ms=left_ms, max_records=limit)
                self._look_at_new_partitions()
                if not found:
                    self._look_for_jumps()
                if found or left_ms == 0:
                    return [delivery for place, records in found.items() for delivery in self._deliveries(place.partition, records)]

    def _look_at_new_partitions(self) -> None:
        """Learn what is committed for them. (To ask for the log's begin would wait behind a fetch, half a second.)"""
        fresh = self._assignments.take()
        try:
            for partition in fresh:
                committed = self._client.committed(TopicPartition(self._topic, partition), timeout_ms=self._deadline_ms)
                self._committed[partition] = committed
                self._expected.pop(partition, None)
                if committed is not None:
                    self._expected[partition] = committed
        except errors.KafkaError:
            self._assignments.put_back(fresh)
            raise

    def _look_for_jumps(self) -> None:
        """Nothing is delivered of a log that was trimmed as a whole, but its position has jumped; one never committed has a position, too."""
        for partition in self.assigned() - self._assignments.fresh():
            position = self._client.position(TopicPartition(self._topic, partition), timeout_ms=0)
            if position is not None:
                self._arrive(partition, position)

    def _arrive(self, partition: int, offset: int) -> None:
        """`offset` comes next: beyond the expected one, the log was trimmed."""
        if offset > self._expected.get(partition, offset):
            self._trimmed.add(partition)
        self._expected[partition] = offset

    def _deliveries(self, partition: int, records: list[Any]) -> list[Delivery]:
        self._arrive(partition, records[0].offset)
        self._expected[partition] = records[-1].offset + 1
        return [Delivery(partition, record.offset, record.value) for record in records]

    def commit(self, offsets: Mapping[int, int]) -> bool:
        """Commit, unless a partition is no longer ours."""
        if not offsets.keys() <= self.assigned():
            return False
        places = {TopicPartition(self._topic, partition): OffsetAndMetadata(offset, "", -1) for partition, offset in offsets.items()}
        with self._link.explaining(f"commit for group {self._group!r}"):
            try:
                self._client.commit(places, timeout_ms=self._deadline_ms)
            except LOST:
                return False
        self._committed.update(offsets)
        return True

    def show(self, group: str) -> None:
        """Begin to commit where this member is for `group`; a partition that was assigned this moment is not known yet."""
        owned = self.assigned() - self._assignments.fresh()
        lasting = self._watched.show(group, {partition: self._expected[partition] for partition in owned & self._expected.keys()})
        if isinstance(lasting, OCCUPIED):
            raise Misconfigured(f"group {group!r} has members: its name is for whoever watches the lag, nobody may consume as it")
        if lasting is not None:
            raise self._link.explain(lasting, f"show group {group!r} how far we are")

    def rewind(self) -> None:
        """Seek every partition to what is committed, or to the begin of the log."""
        for partition in self.assigned() & self._committed.keys():
            place = TopicPartition(self._topic, partition)
            committed = self._committed[partition]
            if committed is None:
                self._expected.pop(partition, None)
                self._client.seek_to_beginning(place)
            else:
                self._expected[partition] = committed
                self._client.seek(place, committed)

    def assigned(self) -> frozenset[int]:
        """The partitions this member owns now."""
        return frozenset(place.partition for place in self._client.assignment())

    def trimmed(self) -> frozenset[int]:
        """Partitions where the log began after what was committed or read."""
        told, self._trimmed = frozenset(self._trimmed), set()
        return told

    def close(self) -> None:
        """Leave the group at once."""
        self._watched.close()
        self._client.close(autocommit=False, timeout_ms=min(5000, self._deadline_ms))
        self._link.close()
