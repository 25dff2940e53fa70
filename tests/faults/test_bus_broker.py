"""Faults 21 and 24 of the bus: the broker dies and comes back, hangs, and its acknowledgements get lost."""

import contextlib
import random
import threading
import time
from collections.abc import Iterator

import pytest

from providers.kafka.bus import KafkaBus
from runtime.errors import Unavailable
from runtime.ports import Consumer, Envelope
from tests.rounds import amount
from tests.servers import kafka
from tests.servers.process import free_port
from tests.servers.proxy import Proxy

PATIENCE = "?session_timeout_ms=6000&deadline_ms=3000"


class Streams:
    """Publishes versions 1, 2, 3 … of some streams as a relay does: again from the first unacknowledged after a failure."""

    def __init__(self, bus: KafkaBus, streams: int) -> None:
        self._bus = bus
        self.acknowledged = {f"order-{number}": 0 for number in range(streams)}
        self.failures = 0

    def publish(self, versions: int) -> bool:
        """Publish the next versions of every stream; False when they were not acknowledged."""
        batch = [
            Envelope(stream, f"{stream}@{version}".encode())
            for stream, last in self.acknowledged.items()
            for version in range(last + 1, last + versions + 1)
        ]
        try:
            self._bus.publish(batch)
        except Unavailable as error:
            assert "Kafka" in str(error)
            self.failures += 1
            return False
        self.acknowledged = {stream: last + versions for stream, last in self.acknowledged.items()}
        return True


def first_arrivals(consumer: Consumer, expected: dict[str, int], timeout_s: float = 30) -> dict[str, list[int]]:
    """Read until every acknowledged version arrived; per stream the versions by first arrival."""
    arrived: dict[str, list[int]] = {stream: [] for stream in expected}
    until = time.monotonic() + timeout_s
    while any(len(arrived[stream]) < last for stream, last in expected.items()):
        assert time.monotonic() < until, {stream: (len(arrived[stream]), last) for stream, last in expected.items()}
        for delivery in consumer.poll(1000, 0.5):
            stream, _, version = delivery.body.decode().partition("@")
            if int(version) not in arrived[stream]:
                arrived[stream].append(int(version))
    return arrived


def assert_whole_and_in_order(arrived: dict[str, list[int]], expected: dict[str, int]) -> None:
    for stream, last in expected.items():
        assert arrived[stream] == list(range(1, len(arrived[stream]) + 1))
        assert len(arrived[stream]) >= last


def test_fault_21_a_broker_that_is_killed_and_comes_back_loses_nothing_and_keeps_the_order(
    kafka_server: kafka.KafkaServer, topic: str
) -> None:
    bus = KafkaBus(kafka_server.url + PATIENCE, topic, 4)
    bus.ensure(retention_s=3600)
    consumer = bus.consumer(topic)
    streams = Streams(bus, 6)
    for _ in range(10):
        assert streams.publish(3)
    kafka_server.kill()
    started = time.monotonic()
    assert not streams.publish(3)
    assert time.monotonic() - started < 8
    with pytest.raises(Unavailable):
        bus.lag(topic)
    kafka_server.start()
    until = time.monotonic() + 30
    while not streams.publish(3):
        assert time.monotonic() < until
    for _ in range(10):
        assert streams.publish(3)
    assert_whole_and_in_order(first_arrivals(consumer, streams.acknowledged), streams.acknowledged)
    assert sum(bus.lag(topic).values()) >= sum(streams.acknowledged.values())
    consumer.close()
    bus.close()


def test_fault_21_a_broker_that_hangs_makes_a_publish_unavailable_at_its_deadline(kafka_server: kafka.KafkaServer, topic: str) -> None:
    bus = KafkaBus(kafka_server.url + PATIENCE, topic, 4)
    bus.ensure(retention_s=3600)
    streams = Streams(bus, 6)
    assert streams.publish(3)
    kafka_server.pause()
    started = time.monotonic()
    assert not streams.publish(3)
    assert time.monotonic() - started < 6
    kafka_server.resume()
    until = time.monotonic() + 30
    while not streams.publish(3):
        assert time.monotonic() < until
    consumer = bus.consumer(topic)
    assert_whole_and_in_order(first_arrivals(consumer, streams.acknowledged), streams.acknowledged)
    consumer.close()
    bus.close()


@pytest.fixture(scope="module")
def between() -> Iterator[tuple[kafka.KafkaServer, Proxy]]:
    """A broker whose clients all go through a proxy."""
    port = free_port()
    with Proxy(port) as proxy, kafka.running(port=port, advertised_port=proxy.port) as server:
        yield server, proxy


@contextlib.contextmanager
def losing_replies(proxy: Proxy) -> Iterator[int]:
    """For a tenth of a second replies vanish, then the connections break."""

    def end() -> None:
        proxy.forward()
        proxy.cut()

    proxy.mute_replies()
    timer = threading.Timer(0.1, end)
    timer.start()
    yield 1
    timer.join()


@pytest.mark.long
@pytest.mark.rounds
def test_fault_24_lost_acknowledgements_lose_nothing_and_keep_the_order_of_first_arrivals(
    between: tuple[kafka.KafkaServer, Proxy], topic: str
) -> None:
    server, proxy = between
    chance = random.Random(24)
    bus = KafkaBus(server.url + "?deadline_ms=2000", topic, 4)
    bus.ensure(retention_s=3600)
    streams = Streams(bus, 5)
    assert streams.publish(1)
    lost = 0
    for _ in range(amount(60)):
        with losing_replies(proxy) if chance.random() < 0.2 else contextlib.nullcontext(0) as losses:
            lost += losses
            while not streams.publish(2):
                assert streams.failures < 200
    assert lost > 0
    consumer = bus.consumer(topic)
    assert_whole_and_in_order(first_arrivals(consumer, streams.acknowledged), streams.acknowledged)
    consumer.close()
    bus.close()


def test_fault_24_a_publish_whose_acknowledgement_never_comes_is_in_doubt(between: tuple[kafka.KafkaServer, Proxy], topic: str) -> None:
    server, proxy = between
    bus = KafkaBus(server.url + "?deadline_ms=1000", topic, 4)
    bus.ensure(retention_s=3600)
    bus.publish([Envelope("order-1", b"order-1@1")])
    proxy.mute_replies()
    with pytest.raises(Unavailable) as refusal:
        bus.publish([Envelope("order-1", b"order-1@2")])
    assert refusal.value.in_doubt
    proxy.forward()
    proxy.cut()
    consumer = bus.consumer(topic)
    assert first_arrivals(consumer, {"order-1": 2}) == {"order-1": [1, 2]}
    consumer.close()
    bus.close()


def test_a_broker_that_is_not_there_is_unavailable_at_once_and_named() -> None:
    bus = KafkaBus(f"kafka://127.0.0.1:{free_port()}", "nothing", 4)
    started = time.monotonic()
    with pytest.raises(Unavailable, match=r"no Kafka broker listens: 127\.0\.0\.1:\d+: Connection refused"):
        bus.publish([Envelope("order-1", b"")])
    assert time.monotonic() - started < 2
    bus.close()


def test_a_consumer_whose_broker_was_killed_closes_in_bounded_time(kafka_server: kafka.KafkaServer, topic: str) -> None:
    bus = KafkaBus(kafka_server.url + PATIENCE, topic, 4)
    bus.ensure(retention_s=3600)
    consumer = bus.consumer(topic)
    consumer.poll(10, 1.0)
    kafka_server.kill()
    started = time.monotonic()
    consumer.close()
    bus.close()
    assert time.monotonic() - started < 10
