"""The bus on Kafka (or anything that speaks its protocol): one topic, partitions chosen by us from the stream's shard.

Publishing waits for the acknowledgement of all in-sync replicas, pipelined. After a failure the producer is thrown away
with whatever it still held, so that a broker's absence never fills memory; the relay sends again from the store.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer, TopicPartition, errors
from kafka.admin import OffsetSpec
from kafka.structs import OffsetAndMetadata

from providers.kafka.consumer import KafkaConsumer
from providers.kafka.link import Link
from providers.kafka.mending import abandon
from providers.kafka.rights import Right, grant
from providers.kafka.settings import Settings, parse
from providers.kafka.topics import ensure_topic, keep_for, missing
from providers.kafka.watched import OCCUPIED
from runtime.errors import Misconfigured
from runtime.ports import Consumer, Envelope, shard_of

RETRY_S = 0.1
MAX_REQUEST = 1_000_000  # bytes; Event Hubs refuses more than 1,046,528 in one request


class KafkaBus:
    """See the Bus port. Connects at first use; threads may share it."""

    def __init__(self, url: str, topic: str, partitions: int) -> None:
        self.partitions = partitions
        self.topic = topic
        self._settings = parse(url)
        self._publisher = Publisher(self._settings)
        self._admin: Any = None
        self._admin_link = Link(self._settings)
        self._admin_lock = threading.Lock()

    def ensure(self, retention_s: float) -> bool:
        """Create the topic (policy `delete`) when it is missing, and say so; `Misconfigured` when an existing one cannot serve."""
        doing = f"describe or create topic {self.topic!r}"
        made: bool = self._ask(doing, lambda admin: ensure_topic(admin, self.topic, self.partitions, retention_s))
        return made

    def keep_for(self, retention_s: float) -> bool:
        """Keep messages for so long from now on; whether that is a change."""
        changed: bool = self._ask(f"set the retention of topic {self.topic!r}", lambda admin: keep_for(admin, self.topic, retention_s))
        return changed

    def grant(self, rights: list[Right]) -> int:
        """Grant those that are missing; how many."""
        granted: int = self._ask("grant rights (it needs alter on the cluster)", lambda admin: grant(admin, rights))
        return granted

    def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Send all, and return when all are acknowledged."""
        records = [(shard_of(envelope.stream) % self.partitions, envelope.stream.encode(), envelope.body) for envelope in envelopes]
        self._publisher.send(self.topic, records)

    def consumer(self, group: str) -> Consumer:
        """Join a group."""
        return KafkaConsumer(self._settings, self.topic, group)

    def commit_now(self, group: str) -> None:
        """Commit the end of every partition for a group without members."""

        def commit(admin: Any) -> Any:
            return _alter(admin, group, admin.list_partition_offsets(dict.fromkeys(self._topic_partitions(), OffsetSpec.LATEST)))

        self._set(group, commit)

    def commit_first(self, group: str) -> int:
        """Commit the begin of partitions without an offset, unless the group has members that will."""

        def commit(admin: Any) -> Any:
            known = admin.list_group_offsets({group: self._topic_partitions()})[group]
            absent = [place for place in self._topic_partitions() if place not in known or known[place].offset < 0]
            return _alter(admin, group, admin.list_partition_offsets(dict.fromkeys(absent, OffsetSpec.EARLIEST))) if absent else {}

        try:
            return self._set(group, commit)
        except Occupied:
            return 0

    def commit_like(self, group: str, other: str) -> None:
        """Commit what another group has committed, or else the begin."""

        def commit(admin: Any) -> Any:
            places = self._topic_partitions()
            known = admin.list_group_offsets({other: places})[other]
            offsets = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.EARLIEST))
            offsets |= {place: known[place] for place in places if place in known and known[place].offset >= 0}
            return _alter(admin, group, offsets)

        self._set(group, commit)

    def begun(self, group: str) -> bool:
        """Whether the group has an offset anywhere."""
        known = self._ask(f"tell the offsets of group {group!r}", lambda admin: admin.list_group_offsets({group: self._topic_partitions()}))
        return any(found.offset >= 0 for found in known[group].values())

    def _set(self, group: str, commit: Callable[[Any], Any]) -> int:
        doing = f"set the offsets of group {group!r}"
        results = self._ask(doing, commit)
        for error in results.values():
            if error in OCCUPIED:
                raise Occupied(f"group {group!r} has members: stop them before its offsets are set")
            if error is not errors.NoError:
                raise self._admin_link.explain(error(), doing)
        return len(results)

    def lag(self, group: str) -> dict[int, int]:
        """End of the log minus what is committed (or minus its begin, where that is later or nothing is committed)."""
        places = self._topic_partitions()

        def offsets(admin: Any) -> tuple[Any, Any, Any]:
            committed = admin.list_group_offsets({group: places})[group]
            begins = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.EARLIEST))
            return committed, begins, admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.LATEST))

        committed, begins, ends = self._ask(f"tell the lag of group {group!r} on {self.topic!r}", offsets)
        starts = {place: max(begins[place].offset, committed[place].offset if place in committed else -1) for place in places}
        return {place.partition: max(0, ends[place].offset - starts[place]) for place in places}

    def members(self, group: str) -> int:
        """How many the group's coordinator counts; during a rebalance those that have joined so far."""
        doing = f"describe group {group!r}"
        described = self._ask(doing, lambda admin: admin.describe_groups([group]))[group]
        return len(described["members"])

    def close(self) -> None:
        """Disconnect."""
        self._publisher.close()
        with self._admin_lock:
            self._admin_link.close()
            self._close_admin()

    def _ask(self, doing: str, question: Callable[[Any], Any]) -> Any:
        """Ask through the admin client, which is opened again after an error (its view of the cluster may be old), until the deadline."""
        until = time.monotonic() + self._settings.deadline_s
        with self._admin_lock:
            self._admin_link.forget()
            while True:
                try:
                    return question(self._admin_client())
                except errors.KafkaError as error:
                    self._close_admin()
                    if not isinstance(error, errors.RetriableError) or time.monotonic() >= until:
                        raise self._admin_link.explain(error, doing) from error
                    time.sleep(RETRY_S)

    def _admin_client(self) -> Any:
        if self._admin is None:
            timeout_ms = int(self._settings.deadline_s * 1000)
            self._admin = self._admin_link.open(KafkaAdminClient, request_timeout_ms=timeout_ms)
        return self._admin

    def _close_admin(self) -> None:
        admin, self._admin = self._admin, None
        if admin is not None:
            admin.close()

    def _topic_partitions(self) -> list[Any]:
        return [TopicPartition(self.topic, partition) for partition in range(self.partitions)]


def _alter(admin: Any, group: str, offsets: Any) -> Any:
    """The error of each partition; one that passes (a coordinator that still loads) is raised, so that it is asked again."""
    places = {place: OffsetAndMetadata(found.offset, "", None) for place, found in offsets.items()}
    results = admin.alter_group_offsets(group, places)
    for error in results.values():
        if issubclass(error, errors.RetriableError) and error not in OCCUPIED:
            raise error(group)
    return results


class Occupied(Misconfigured):
    """Somebody consumes as that group."""


class Publisher:
    """A producer that is replaced after a failure; `send` returns when everything is acknowledged."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._link = Link(settings)
        self._producer: Any = None
        self._lock = threading.Lock()

    def send(self, topic: str, records: Sequence[tuple[int, bytes, bytes]]) -> None:
        """Send (partition, key, body) records in order; raises `Unavailable`, in doubt once something was sent."""
        if not records:
            return
        with self._lock:
            until = time.monotonic() + self._settings.deadline_s
            self._link.forget()
            producer = self._open()
            try:
                futures = [producer.send(topic, body, key=key, partition=partition) for partition, key, body in records]
                producer.flush(timeout=max(0.001, until - time.monotonic()))
                failed = next((future.exception for future in futures if not future.succeeded()), None)
                if failed is not None:
                    raise failed
            except (errors.KafkaError, AssertionError) as error:
                self._discard()
                if self._link.misses(topic):
                    raise Misconfigured(missing(topic)) from error
                raise self._link.explain(error, f"acknowledge {len(records):,} messages on {topic!r}", in_doubt=True) from error

    def _open(self) -> Any:
        if self._producer is None:
            deadline_ms = int(self._settings.deadline_s * 1000)
            self._producer = self._link.open(
                KafkaProducer,
                acks="all",
                enable_idempotence=True,
                linger_ms=0,
                batch_size=131_072,
                max_request_size=MAX_REQUEST,
                max_block_ms=deadline_ms,
                request_timeout_ms=deadline_ms,
                delivery_timeout_ms=deadline_ms + 1,
                allow_auto_create_topics=False,
                metrics_enabled=False,
            )
        return self._producer

    def _discard(self) -> None:
        producer, self._producer = self._producer, None
        abandon(producer)

    def close(self) -> None:
        """Disconnect; `send` left nothing behind."""
        with self._lock:
            self._link.close()
            if self._producer is not None:
                self._discard()
