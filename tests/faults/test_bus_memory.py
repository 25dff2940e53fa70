"""The in-process bus under stress: bounded, redelivering, and as lossy, repeating and unordered as it is told to be."""

import threading
import time
from collections import Counter

import pytest

from providers.memory.bus import Chaos, MemoryBus, MemoryConsumer
from runtime.errors import Unavailable
from runtime.ports import Delivery, Envelope
from tests.faults.group_member import next_offsets
from tests.patience import PATIENCE_S


def envelopes(first: int, last: int, streams: int = 7) -> list[Envelope]:
    return [Envelope(f"order-{number % streams}", f"order-{number % streams}@{number}".encode()) for number in range(first, last + 1)]


def drain(consumer: MemoryConsumer) -> list[Delivery]:
    found: list[Delivery] = []
    while batch := consumer.poll(10, 0):
        found += batch
    return found


def test_a_full_bus_makes_the_publisher_wait_for_the_slowest_group() -> None:
    bus = MemoryBus(partitions=2, capacity=10, deadline_s=5)
    consumer = bus.consumer("readers")
    publisher = threading.Thread(target=lambda: bus.publish(envelopes(1, 25)))
    publisher.start()
    seen: list[Delivery] = []
    while len(seen) < 25:
        assert sum(bus.lag("readers").values()) <= 10
        batch = consumer.poll(4, 1)
        assert batch
        assert consumer.commit(next_offsets(batch))
        seen += batch
    publisher.join(PATIENCE_S)
    assert not publisher.is_alive()
    assert {delivery.body for delivery in seen} == {envelope.body for envelope in envelopes(1, 25)}


def test_a_bus_that_stays_full_is_unavailable_at_the_deadline_and_at_once_when_nothing_may_wait() -> None:
    waiting = MemoryBus(partitions=1, capacity=10, deadline_s=0.2)
    waiting.consumer("readers")
    started = time.monotonic()
    with pytest.raises(Unavailable, match="the bus is full: 10 messages"):
        waiting.publish(envelopes(1, 11))
    assert 0.15 < time.monotonic() - started < 2
    never = MemoryBus(partitions=1, capacity=10, blocking=False)
    never.consumer("readers")
    started = time.monotonic()
    with pytest.raises(Unavailable):
        never.publish(envelopes(1, 11))
    assert time.monotonic() - started < 0.1


def test_a_bus_that_is_closed_lets_waiting_publishers_go() -> None:
    bus = MemoryBus(partitions=1, capacity=1, deadline_s=2 * PATIENCE_S)
    errors: list[Exception] = []

    def publish() -> None:
        try:
            bus.publish(envelopes(1, 2))
        except Unavailable as error:
            errors.append(error)

    publisher = threading.Thread(target=publish)
    publisher.start()
    while not sum(bus.lag("readers").values()):
        time.sleep(0.01)
    bus.close()
    publisher.join(PATIENCE_S)
    assert [str(error) for error in errors] == ["the bus is closed"]


def test_what_every_group_has_committed_is_forgotten_so_that_memory_is_bounded() -> None:
    bus = MemoryBus(partitions=3, capacity=100)
    one, two = bus.consumer("one"), bus.consumer("two")
    for first in range(1, 3001, 50):
        bus.publish(envelopes(first, first + 49))
        for consumer in (one, two):
            assert consumer.commit(next_offsets(drain(consumer)))
    assert sum(bus.lag("one").values()) == sum(bus.lag("new").values()) == 0
    assert one.trimmed() == two.trimmed() == frozenset()


def test_a_group_that_nobody_reads_for_holds_nothing_back_and_is_told_when_it_returns() -> None:
    bus = MemoryBus(partitions=1, capacity=10, deadline_s=1)
    abandoned = bus.consumer("abandoned")
    bus.publish(envelopes(1, 5))
    assert abandoned.commit({0: 2})
    abandoned.close()
    reader = bus.consumer("readers")
    for first in range(6, 56, 5):
        assert reader.commit(next_offsets(drain(reader))) or first == 6
        bus.publish(envelopes(first, first + 4))
    back = bus.consumer("abandoned")
    assert drain(back)[0].offset > 2
    assert back.trimmed() == {0}
    assert reader.trimmed() == frozenset()


def test_a_crashed_member_loses_nothing_and_its_partitions_move() -> None:
    bus = MemoryBus(partitions=4)
    first, second = bus.consumer("readers"), bus.consumer("readers")
    bus.publish(envelopes(1, 40))
    mine = drain(first)
    assert mine
    first.crash()
    assert first.commit(next_offsets(mine)) is False
    assert {delivery.body for delivery in drain(second)} == {envelope.body for envelope in envelopes(1, 40)}
    with pytest.raises(RuntimeError, match="left its group"):
        first.poll(10, 0)


def test_an_expelled_member_cannot_commit_and_joins_again_with_its_next_poll() -> None:
    bus = MemoryBus(partitions=4)
    zombie, other = bus.consumer("readers"), bus.consumer("readers")
    bus.publish(envelopes(1, 40))
    late = drain(zombie)
    zombie.expire()
    assert len(drain(other)) == 40
    assert zombie.commit(next_offsets(late)) is False
    zombie.poll(1, 0)
    assert len(zombie.assigned()) == 2
    other.poll(1, 0)
    assert len(other.assigned()) == 2
    assert not zombie.assigned() & other.assigned()


def test_a_member_that_has_not_noticed_a_rebalance_cannot_commit_at_all() -> None:
    bus = MemoryBus(partitions=4)
    first = bus.consumer("readers")
    bus.publish(envelopes(1, 40))
    found = drain(first)
    bus.consumer("readers")
    assert first.commit(next_offsets(found)) is False
    assert sum(bus.lag("readers").values()) == 40


def test_chaos_loses_repeats_and_reorders_as_told_and_the_same_seed_does_the_same_again() -> None:
    runs = []
    for seed in (5, 5, 6):
        chaos = Chaos(seed, duplicate=0.2, shuffle_window=8, drop=0.1)
        bus = MemoryBus(partitions=3, chaos=chaos, blocking=False)
        consumer = bus.consumer("readers")
        found: list[Delivery] = []
        for first in range(1, 1001, 25):
            bus.publish(envelopes(first, first + 24))
            found += drain(consumer)
        runs.append([delivery.body for delivery in found])
    assert runs[0] == runs[1] != runs[2]
    counts = Counter(runs[0])
    assert 60 < 1000 - len(counts) < 140
    assert 120 < sum(1 for count in counts.values() if count > 1) < 240
    assert [body for body in runs[0] if body.startswith(b"order-1@")] != sorted(
        (body for body in runs[0] if body.startswith(b"order-1@")), key=lambda body: int(body.split(b"@")[1])
    )


def test_chaos_that_only_reorders_holds_nothing_back_for_ever() -> None:
    for seed in range(50):
        bus = MemoryBus(partitions=2, chaos=Chaos(seed, shuffle_window=10), blocking=False)
        consumer = bus.consumer("readers")
        bus.publish(envelopes(1, 20))
        assert {delivery.body for delivery in drain(consumer)} == {envelope.body for envelope in envelopes(1, 20)}


def test_many_threads_publish_and_read_and_nothing_is_lost() -> None:
    bus = MemoryBus(partitions=8, capacity=200)
    seen: set[bytes] = set()
    done = threading.Event()

    def read() -> None:
        consumer = bus.consumer("readers")
        while not done.is_set():
            batch = consumer.poll(50, 0.05)
            seen.update(delivery.body for delivery in batch)
            if batch:
                consumer.commit(next_offsets(batch))
        consumer.close()

    readers = [threading.Thread(target=read) for _ in range(3)]
    writers = [threading.Thread(target=lambda first=first: bus.publish(envelopes(first, first + 999))) for first in (1, 1001, 2001)]
    for thread in readers + writers:
        thread.start()
    for thread in writers:
        thread.join(30)
    until = time.monotonic() + 30
    while sum(bus.lag("readers").values()):
        assert time.monotonic() < until
        time.sleep(0.01)
    done.set()
    for thread in readers:
        thread.join(10)
    assert seen == {envelope.body for envelope in envelopes(1, 3000)}
