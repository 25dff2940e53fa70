"""The Signals port in sentences, over every provider: in process, and a plain topic on real Apache Kafka."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from providers.kafka.signals import KafkaSignals
from providers.memory.signals import MemorySignals
from runtime.ports import Listener, Signal, Signals

CAPACITY = 50


class Place:
    """One channel of one provider: `signals` to use, and `open` for another handle on it."""

    def __init__(self, open_signals: Callable[[], Signals]) -> None:
        self.open = open_signals
        self.signals = open_signals()


@contextlib.contextmanager
def in_memory() -> Iterator[Place]:
    memory = MemorySignals(capacity=CAPACITY)
    yield Place(lambda: memory)
    memory.close()


@contextlib.contextmanager
def on_kafka(url: str, topic: str) -> Iterator[Place]:
    opened: list[KafkaSignals] = []

    def open_signals() -> KafkaSignals:
        opened.append(KafkaSignals(url, topic, capacity=CAPACITY))
        return opened[-1]

    open_signals().ensure(retention_s=3600)
    yield Place(open_signals)
    for signals in opened:
        signals.close()


@pytest.fixture(params=["memory", "kafka"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    made = in_memory() if request.param == "memory" else on_kafka(request.getfixturevalue("kafka_url"), request.getfixturevalue("topic"))
    with made as place:
        yield place


def signal(number: int, key: str = "order-1") -> Signal:
    after = b'{"order":"%s","quantity":%d,"note":null}' % (key.encode(), number)
    return Signal("ticket", key, "acme", 2, number, 17, number, b'{"state":"open"}', after)


def take(listener: Listener, count: int, timeout_s: float = 15.0) -> list[Signal]:
    until = time.monotonic() + timeout_s
    found: list[Signal] = []
    while len(found) < count:
        assert time.monotonic() < until, f"{len(found)} of {count} signals arrived"
        found += listener.take(1000, 0.2)
    return found


def test_a_signal_arrives_as_it_was_sent(place: Place) -> None:
    deleted = Signal("ticket", "order-ü", "", 1, 3, 255, 9, b'{"state":"open"}', b"")
    with place.signals.listen() as listener:
        place.signals.send([signal(1), deleted])
        assert take(listener, 2) == [signal(1), deleted]


def test_every_listener_hears_every_signal_in_order(place: Place) -> None:
    with place.signals.listen() as one, place.open().listen() as two:
        for number in range(1, 21, 4):
            place.signals.send([signal(each) for each in range(number, number + 4)])
        expected = list(range(1, 21))
        assert [each.revision for each in take(one, 20)] == expected
        assert [each.revision for each in take(two, 20)] == expected


def test_a_listener_hears_nothing_from_before_it_was_entered(place: Place) -> None:
    place.signals.send([signal(1)])
    listener = place.signals.listen()
    place.signals.send([signal(2)])
    with listener:
        place.signals.send([signal(3)])
        assert [each.revision for each in take(listener, 1)] == [3]
        assert listener.take(10, 0.2) == []


def test_sending_nothing_tells_nobody(place: Place) -> None:
    with place.signals.listen() as listener:
        place.signals.send([])
        assert listener.take(10, 0.1) == []


def test_a_take_gives_at_most_its_limit_and_waits_at_most_its_timeout(place: Place) -> None:
    with place.signals.listen() as listener:
        started = time.monotonic()
        assert listener.take(10, 0.3) == []
        assert 0.25 < time.monotonic() - started < 2
        place.signals.send([signal(number) for number in range(1, 8)])
        found: list[Signal] = []
        until = time.monotonic() + 30
        while len(found) < 7 and time.monotonic() < until:
            batch = listener.take(3, 0.5)
            assert len(batch) <= 3
            found += batch
        assert [each.revision for each in found] == list(range(1, 8))


def test_a_take_that_waits_is_woken_and_one_that_comes_later_too(place: Place) -> None:
    with place.signals.listen() as listener:
        started = time.monotonic()
        threading.Timer(0.1, listener.wake).start()
        assert listener.take(10, 30.0) == []
        listener.wake()
        assert listener.take(10, 30.0) == []
        assert time.monotonic() - started < 10.0
        started = time.monotonic()
        assert listener.take(10, 0.2) == []  # woken once, and not for ever
        assert time.monotonic() - started > 0.15


def test_a_slow_listener_loses_the_oldest_and_is_told_once_while_a_fast_one_loses_nothing(place: Place) -> None:
    with place.signals.listen() as slow, place.open().listen() as fast:
        heard: list[Signal] = []
        for number in range(1, 101, 10):
            place.signals.send([signal(each) for each in range(number, number + 10)])
            heard += take(fast, 10)
        until = time.monotonic() + 30
        while not slow.overrun():
            assert time.monotonic() < until
            time.sleep(0.05)
        time.sleep(1)  # whatever is still on its way to the slow one
        slow.overrun()
        assert [each.revision for each in heard] == list(range(1, 101))
        assert not fast.overrun()
        late = take(slow, 1)
        while more := slow.take(1000, 0.3):
            late += more
        assert len(late) <= CAPACITY
        assert [each.revision for each in late] == list(range(101 - len(late), 101))
        assert not slow.overrun()


def test_a_listener_that_was_left_costs_the_sender_nothing(place: Place) -> None:
    with place.signals.listen() as listener:
        pass
    for number in range(1, 101, 10):
        place.signals.send([signal(each) for each in range(number, number + 10)])
    assert not listener.overrun()
