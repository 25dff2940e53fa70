"""Signals over Kafka when things go wrong: the broker dies, a signal is too large, a topic is missing."""

import time

import pytest

from providers.kafka.signals import MESSAGE_BYTES, KafkaSignals, messages
from runtime.errors import Misconfigured, Unavailable
from runtime.ports import Listener, Signal
from tests.servers import kafka


def signal(number: int, size: int = 10) -> Signal:
    return Signal("ticket", "order-1", "", 1, number, 3, number, b"", b'"' + b"x" * size + b'"')


def take(listener: Listener, count: int, timeout_s: float = 30) -> list[int]:
    until = time.monotonic() + timeout_s
    found: list[int] = []
    while len(found) < count:
        assert time.monotonic() < until, found
        found += [each.revision for each in listener.take(1000, 0.5)]
    return found


@pytest.mark.long
def test_a_listener_outlives_its_broker_and_hears_what_is_sent_afterwards(kafka_server: kafka.KafkaServer, topic: str) -> None:
    signals = KafkaSignals(f"{kafka_server.url}?deadline_ms=2000", topic)
    signals.ensure(retention_s=600)
    with signals.listen() as listener:
        signals.send([signal(1)])
        assert take(listener, 1) == [1]
        kafka_server.kill()
        with pytest.raises(Unavailable):
            signals.send([signal(2)])
        kafka_server.start()
        until = time.monotonic() + 30
        while True:
            try:
                signals.send([signal(3)])
                break
            except Unavailable:
                assert time.monotonic() < until
        assert take(listener, 1)[-1] == 3
    signals.close()


def test_a_signal_too_large_for_the_bus_makes_listeners_read_again_and_the_others_arrive(kafka_url: str, topic: str) -> None:
    signals = KafkaSignals(kafka_url, topic)
    signals.ensure(retention_s=600)
    with signals.listen() as listener:
        signals.send([signal(1), signal(2, size=2_000_000), signal(3)])
        assert take(listener, 2) == [1, 3]
        assert listener.overrun()
        assert not listener.overrun()
    signals.close()


def test_many_signals_travel_in_few_messages_none_larger_than_the_smallest_bus_carries() -> None:
    packed = list(messages([signal(number, size=10_000) for number in range(200)]))
    assert 4 <= len(packed) <= 6
    assert max(map(len, packed)) < MESSAGE_BYTES * 1.1


def test_listening_to_a_topic_that_is_not_there_says_so_at_once(kafka_url: str, topic: str) -> None:
    signals = KafkaSignals(kafka_url, topic)
    started = time.monotonic()
    with pytest.raises(Misconfigured, match=f"topic '{topic}' is missing"):
        signals.listen().__enter__()
    assert time.monotonic() - started < 5
    signals.close()
