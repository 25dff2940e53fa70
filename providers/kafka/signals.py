"""Signals over a plain Kafka topic of one partition: every listener reads all of it, from the moment it was entered.

No consumer group: each gateway instance hears everything. A thread of the listener moves messages into a bounded buffer,
so that a slow reader costs itself its oldest signals and nobody else anything; it is told once and reads again.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import kafka
from kafka import KafkaAdminClient, TopicPartition, errors
from msgspec import msgpack

from providers.kafka.bus import Publisher
from providers.kafka.link import Link
from providers.kafka.settings import Settings, parse
from providers.kafka.topics import ensure_topic, missing
from runtime.errors import Misconfigured, TrimaranError
from runtime.ports import Signal

MESSAGE_BYTES = 500_000  # of one message with many signals, about
TOO_LARGE = 900_000
POLL_MS = 500
LOST: list[Signal] = []  # an empty message: a signal was too large for the bus, read again what you show

_encode = msgpack.Encoder().encode
_decode = msgpack.Decoder(list[Signal]).decode


class KafkaSignals:
    """See the Signals port. `capacity` bounds the buffer of each listener."""

    def __init__(self, url: str, topic: str, capacity: int = 10_000) -> None:
        self._settings = parse(url)
        self._topic = topic
        self._capacity = capacity
        self._publisher = Publisher(self._settings)

    def ensure(self, retention_s: float) -> bool:
        """Create the topic with one partition when it is missing, and say so."""
        link = Link(self._settings)
        try:
            admin = link.open(KafkaAdminClient)
            try:
                with link.explaining(f"describe or create topic {self._topic!r}"):
                    return ensure_topic(admin, self._topic, 1, retention_s)
            finally:
                admin.close()
        finally:
            link.close()

    def send(self, signals: Sequence[Signal]) -> None:
        """Send, and return when the broker has them."""
        self._publisher.send(self._topic, [(0, b"signals", body) for body in messages(signals)])

    def listen(self) -> "KafkaListener":
        """A listener, deaf until it is entered."""
        return KafkaListener(self._settings, self._topic, self._capacity)

    def close(self) -> None:
        """Disconnect the sender; listeners end with their `with`."""
        self._publisher.close()


def messages(signals: Sequence[Signal]) -> Iterator[bytes]:
    """Pack signals into messages that the smallest bus can carry."""
    chunk: list[Signal] = []
    size = 0
    for signal in signals:
        weight = len(signal.before) + len(signal.after) + 4 * len(signal.key) + 200
        if chunk and size + weight > MESSAGE_BYTES:
            yield _encode(chunk)
            chunk, size = [], 0
        if weight > TOO_LARGE:
            yield _encode(LOST)
            continue
        chunk.append(signal)
        size += weight
    if chunk:
        yield _encode(chunk)


class KafkaListener:
    """See the Listener port."""

    def __init__(self, settings: Settings, topic: str, capacity: int) -> None:
        self._place = TopicPartition(topic, 0)
        self._settings = settings
        self._capacity = capacity
        self._buffer: deque[Signal] = deque(maxlen=capacity)
        self._overrun = False
        self._failed: TrimaranError | None = None
        self._left = self._woken = False
        self._heard = threading.Condition()
        self._link = Link(settings)
        self._client: Any = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "KafkaListener":
        deadline_ms = int(self._settings.deadline_s * 1000)
        self._client = self._link.open(
            kafka.KafkaConsumer,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            allow_auto_create_topics=False,
            request_timeout_ms=deadline_ms,
            metrics_enabled=False,
        )
        with self._link.explaining(f"listen to {self._place.topic!r}"):
            if self._place.topic not in self._client.topics():
                self._close()
                raise Misconfigured(missing(self._place.topic))
            self._client.assign([self._place])
            start = self._client.end_offsets([self._place], timeout_ms=deadline_ms)[self._place]
            self._client.seek(self._place, start)
        self._thread = threading.Thread(target=self._listen, args=(start,), name=f"signals of {self._place.topic}", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left = True
        if self._thread is not None:
            self._thread.join()
        self._close()

    def _close(self) -> None:
        self._client.close(autocommit=False)
        self._link.close()

    def _listen(self, expected: int) -> None:
        """The thread: move what arrives into the buffer until the listener is left."""
        while not self._left:
            try:
                for records in self._client.poll(timeout_ms=POLL_MS, max_records=500).values():
                    for record in records:
                        self._hear(_decode(record.value), jumped=record.offset != expected)
                        expected = record.offset + 1
            except errors.KafkaError as error:
                self._fail(self._link.explain(error, f"deliver signals of {self._place.topic!r}"))
                return

    def _hear(self, signals: list[Signal], *, jumped: bool) -> None:
        with self._heard:
            room = self._capacity - len(self._buffer)
            self._overrun = self._overrun or jumped or not signals or len(signals) > room
            self._buffer.extend(signals)
            self._heard.notify_all()

    def _fail(self, error: TrimaranError) -> None:
        with self._heard:
            self._failed = error
            self._heard.notify_all()

    def take(self, limit: int, timeout_s: float) -> list[Signal]:
        """The oldest buffered signals; raises when listening came to an end."""
        until = time.monotonic() + timeout_s
        with self._heard:
            while not self._buffer and self._failed is None and not self._woken and (left := until - time.monotonic()) > 0:
                self._heard.wait(left)
            self._woken = False
            if not self._buffer and self._failed is not None:
                raise self._failed
            return [self._buffer.popleft() for _ in range(min(limit, len(self._buffer)))]

    def wake(self) -> None:
        """Let a `take` wait no longer."""
        with self._heard:
            self._woken = True
            self._heard.notify_all()

    def overrun(self) -> bool:
        """Whether signals were lost since the last call."""
        with self._heard:
            told, self._overrun = self._overrun, False
            return told
