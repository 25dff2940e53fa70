"""A bare pipeline with the same hops as ours: command, outbox, relay, topic, projector, row, signal topic, listener.

psycopg, kafka-python and msgspec by hand, a thread per hop, woken as ours are; every hop waits for what ours waits for.
"""

import queue
import threading
from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from bench.peers import bare_postgres, bare_postgres_rows
from bench.peers.bare_fold import Arrivals, key_of
from bench.peers.bare_kafka import Loop

NAMESPACE = bare_postgres.NAMESPACE
CLAIM = f"""
WITH taken AS (
    UPDATE {NAMESPACE}.streams SET claimed = clock_timestamp() WHERE stream IN (
        SELECT stream FROM {NAMESPACE}.streams WHERE unpublished IS NOT NULL ORDER BY claimed LIMIT 2000 FOR UPDATE SKIP LOCKED)
    RETURNING stream, unpublished)
SELECT events.stream, events.version, events.data FROM taken JOIN {NAMESPACE}.events
    ON events.stream = taken.stream AND events.version >= taken.unpublished ORDER BY 1, 2
"""
MARK = f"UPDATE {NAMESPACE}.streams SET unpublished = NULL WHERE stream = ANY(%s) AND version = ANY(%s)"


class Message(msgspec.Struct):
    """What travels on the topic; the fields that bare_kafka reads."""

    subject: str
    streamversion: int
    data: msgspec.Raw


_encode = msgspec.json.Encoder().encode
_decode_signal = msgspec.json.Decoder(list[str]).decode


class Pipeline:
    """All hops in one process."""

    def __init__(self, url: str, bootstrap: str, topic: str, signals: str) -> None:
        self._store = bare_postgres.Store(url, 1)
        self._projector = bare_postgres_rows.Projector(url)
        self._relay = psycopg.connect(url, autocommit=True)
        self._relay.prepare_threshold = 0
        self._bootstrap, self._topic, self._signals = bootstrap, topic, signals
        self._producers = [KafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=0) for _ in range(2)]
        self._loop = Loop(bootstrap, topic, f"{topic}-bare", self._apply)
        self._bell = threading.Semaphore(0)
        self._stop = threading.Event()
        self._failures: list[BaseException] = []
        self.heard: queue.Queue[str] = queue.Queue()
        self._threads = [threading.Thread(target=self._guarded, args=(hop,)) for hop in (self._relaying, self._projecting, self._listening)]
        for thread in self._threads:
            thread.start()

    def send(self, id: str) -> None:
        """Append one event durably and wake the relay."""
        self._store.append(f"account-{id}", 1)
        self._bell.release()

    def wait(self, id: str, timeout_s: float) -> None:
        """Until the signal of this row was heard."""
        while self.heard.get(timeout=timeout_s) != id:
            pass

    def _guarded(self, hop: Any) -> None:
        try:
            hop()
        except BaseException as error:  # noqa: BLE001  raised again when the pipeline is closed
            self._failures.append(error)

    def _relaying(self) -> None:
        while not self._stop.is_set():
            self._bell.acquire(timeout=0.2)
            rows = self._unsynced(CLAIM, ())
            if not rows:
                continue
            for stream, version, data in rows:
                body = _encode(Message(stream, version, msgspec.Raw(data)))
                self._producers[0].send(self._topic, body, key=stream.encode())
            self._producers[0].flush()
            self._unsynced(MARK, ([row[0] for row in rows], [row[1] for row in rows]))

    def _unsynced(self, statement: str, values: Sequence[Any]) -> list[Any]:
        """Neither claim nor mark has to be durable: ours are not, either."""
        with self._relay.pipeline():
            self._relay.execute("BEGIN")
            self._relay.execute("SET LOCAL synchronous_commit = off")
            cursor = self._relay.execute(statement, values, binary=True)
            self._relay.execute("COMMIT")
        return cursor.fetchall() if cursor.description else []

    def _apply(self, arrivals: Arrivals) -> int:
        done = self._projector.apply(arrivals)
        self._producers[1].send(self._signals, _encode([key_of(stream) for stream in arrivals]))
        self._producers[1].flush()
        return done

    def _projecting(self) -> None:
        while not self._stop.is_set():
            self._loop.once()

    def _listening(self) -> None:
        consumer: Any = KafkaConsumer(bootstrap_servers=self._bootstrap, group_id=None, enable_auto_commit=False)
        place = TopicPartition(self._signals, 0)
        consumer.assign([place])
        consumer.seek_to_end(place)
        while not self._stop.is_set():
            for records in consumer.poll(timeout_ms=200).values():
                for record in records:
                    for key in _decode_signal(record.value):
                        self.heard.put(key)
        consumer.close()

    def close(self) -> None:
        """End the threads and disconnect; raises what went wrong in one of them."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        for producer in self._producers:
            producer.close()
        self._loop.close()
        self._projector.close()
        self._store.close()
        self._relay.close()
        if self._failures:
            raise self._failures[0]
