"""The group that is watched while the broker comes and goes: showing never waits, never stops anybody, and comes true in the end."""

import time

import pytest

from providers.kafka import watched
from providers.kafka.bus import KafkaBus
from runtime.errors import Unavailable
from runtime.ports import Consumer, Envelope
from tests.servers import kafka

PATIENCE = "?session_timeout_ms=6000&deadline_ms=3000"


def published(bus: KafkaBus, first: int, last: int) -> None:
    bus.publish([Envelope(f"order-{number}", b"x") for number in range(first, last + 1)])


def read(consumer: Consumer, count: int) -> None:
    """Read and commit as a projector does, showing at the end of every round."""
    until = time.monotonic() + 30
    while count > 0:
        assert time.monotonic() < until
        found = consumer.poll(100, 0.2)
        offsets: dict[int, int] = {}
        for one in found:
            offsets[one.partition] = one.offset + 1
        if consumer.commit(offsets):
            count -= len(found)
        consumer.show("readers")


def idle_until_shown(bus: KafkaBus, consumer: Consumer) -> None:
    until = time.monotonic() + 40
    while True:
        assert time.monotonic() < until
        try:
            if sum(bus.lag("readers").values()) == 0:
                return
            consumer.poll(100, 0.2)
        except Unavailable:
            consumer.rewind()
        consumer.show("readers")


def longest_show(consumer: Consumer, seconds: float) -> float:
    """Rounds over so long a time; how long the longest `show` took, in seconds."""
    longest, until = 0.0, time.monotonic() + seconds
    while time.monotonic() < until:
        started = time.monotonic()
        consumer.show("readers")
        longest = max(longest, time.monotonic() - started)
        time.sleep(0.05)
    return longest


@pytest.mark.long
@pytest.mark.parametrize("fault", ["killed", "paused"])
def test_a_broker_that_is_away_delays_nobody_and_idle_rounds_show_what_it_missed(
    kafka_server: kafka.KafkaServer, topic: str, fault: str
) -> None:
    bus = KafkaBus(kafka_server.url + PATIENCE, topic, 4)
    bus.ensure(retention_s=3600)
    consumer = bus.consumer("readers.1")
    published(bus, 1, 40)
    read(consumer, 40)
    idle_until_shown(bus, consumer)
    published(bus, 41, 60)
    found: dict[int, int] = {}
    while len(found) < 4:
        found |= {one.partition: one.offset + 1 for one in consumer.poll(100, 0.2)}
    assert consumer.commit(found)
    assert sum(bus.lag("readers").values()) == 20  # the broker goes before a word was said
    kafka_server.kill() if fault == "killed" else kafka_server.pause()
    assert longest_show(consumer, 6) < 0.5
    kafka_server.revive()
    idle_until_shown(bus, consumer)
    consumer.close()
    bus.close()


def test_a_late_word_of_somebody_who_was_paused_is_put_right_although_nothing_comes(
    kafka_url: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "AGAIN_S", 1.0)
    bus = KafkaBus(kafka_url, topic, 4)
    bus.ensure(retention_s=3600)
    group = f"{topic}.watched"
    bus.commit_now(group)
    stale = KafkaBus(kafka_url, topic, 4).consumer(f"{topic}.0")
    until = time.monotonic() + 30
    while len(stale.assigned()) < 4:
        stale.poll(10, 0.1)
        assert time.monotonic() < until
    stale.commit(dict.fromkeys(range(4), 0))
    stale.rewind()
    published(bus, 1, 40)
    consumer = bus.consumer(f"{topic}.1")
    count = 0
    while count < 40:
        count += len(consumer.poll(100, 0.2))

    def shown(expected: int) -> None:
        until = time.monotonic() + 30
        while sum(bus.lag(group).values()) != expected:
            assert time.monotonic() < until
            consumer.poll(1, 0.1)
            consumer.show(group)

    shown(0)
    stale.show(group)
    until = time.monotonic() + 30
    while sum(bus.lag(group).values()) != 40:
        assert time.monotonic() < until
        time.sleep(0.05)
    shown(0)
    stale.close()
    consumer.close()
    bus.close()
