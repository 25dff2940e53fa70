"""Fault 30's membership part, zombies and topics that grow: whatever happens to a consumer group, no message is lost to it."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from providers.kafka.bus import KafkaBus
from runtime.ports import Bus, Consumer, Envelope, shard_of
from tests.faults.group_member import next_offsets
from tests.rounds import rounds

ROOT = Path(__file__).parent.parent.parent


class Member:
    """A thread that reads, notes what it handled, and commits; the note comes before the commit, as an effect does."""

    def __init__(self, bus: Bus, group: str, seen: dict[str, int]) -> None:
        self._bus = bus
        self._group = group
        self._seen = seen
        self._leaving = threading.Event()
        self.refused = 0
        self.error: Exception | None = None
        self.consumer: Consumer | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.consumer = self._bus.consumer(self._group)
            while not self._leaving.is_set():
                deliveries = self.consumer.poll(200, 0.1)
                for delivery in deliveries:
                    body = delivery.body.decode()
                    self._seen[body] = self._seen.get(body, 0) + 1
                if deliveries and not self.consumer.commit(next_offsets(deliveries)):
                    self.refused += 1
            self.consumer.close()
        except Exception as error:  # noqa: BLE001  handed to the test
            self.error = error

    def leave(self) -> None:
        self._leaving.set()
        self._thread.join(30)
        assert not self._thread.is_alive()
        assert self.error is None


@pytest.mark.rounds
def test_fault_30_three_consumers_that_join_and_leave_lose_no_message(kafka_url: str, topic: str) -> None:
    chance = random.Random(30)
    bus = KafkaBus(f"{kafka_url}?session_timeout_ms=6000", topic, 8)
    bus.ensure(retention_s=3600)
    seen: dict[str, int] = {}
    members: list[Member] = []
    published: set[str] = set()
    for number in range(rounds(50)):
        batch = [f"order-{chance.randrange(100)}@{number}.{place}" for place in range(400)]
        bus.publish([Envelope(body.partition("@")[0], body.encode()) for body in batch])
        published |= set(batch)
        if len(members) == 3 or (members and chance.random() < 0.3):
            members.pop(chance.randrange(len(members))).leave()
        else:
            members.append(Member(bus, "readers", seen))
        time.sleep(chance.random() * 0.5)
    last = Member(bus, "readers", seen)
    until = time.monotonic() + 40
    while published - seen.keys() or sum(bus.lag("readers").values()):
        assert time.monotonic() < until, (len(published - seen.keys()), bus.lag("readers"))
        time.sleep(0.1)
    for member in [*members, last]:
        member.leave()
    assert seen.keys() == published
    bus.close()


def test_members_that_poll_shortly_and_now_and_then_come_to_rest(kafka_url: str, topic: str) -> None:
    """Every join ends while nobody polls: its result must not be thrown away (providers.kafka.mending)."""
    bus = KafkaBus(f"{kafka_url}?session_timeout_ms=6000", topic, 6)
    bus.ensure(retention_s=3600)
    members = [bus.consumer(topic) for _ in range(3)]
    until = time.monotonic() + 25
    calm = 0
    while calm < 6:
        assert time.monotonic() < until, [sorted(member.assigned()) for member in members]
        for member in members:
            member.poll(10, 0.01)
            time.sleep(0.15)
        calm = calm + 1 if [len(member.assigned()) for member in members] == [2, 2, 2] else 0
    for member in members:
        member.close()
    bus.close()


def test_a_topic_that_gets_partitions_is_read_on_with_short_polls(kafka_url: str, topic: str) -> None:
    """New metadata makes the member join again, in polls too short for a join (providers.kafka.mending)."""
    small = KafkaBus(kafka_url, topic, 2)
    small.ensure(retention_s=3600)
    consumer = small.consumer("readers")
    while not consumer.assigned():
        consumer.poll(10, 0.1)
    admin = KafkaAdminClient(bootstrap_servers=kafka_url.removeprefix("kafka://"))
    admin.create_partitions({topic: 4})
    admin.wait_for_topics([topic])
    admin.close()
    consumer._client.topics()  # type: ignore[attr-defined]  # otherwise the client learns of it within three minutes
    large = KafkaBus(kafka_url, topic, 4)
    large.ensure(retention_s=3600)
    streams = [f"order-{number}" for number in range(40)]
    large.publish([Envelope(stream, stream.encode()) for stream in streams])
    arrived: dict[str, int] = {}
    until = time.monotonic() + 20
    while len(arrived) < len(streams):
        assert time.monotonic() < until, (sorted(consumer.assigned()), len(arrived))
        arrived |= {delivery.body.decode(): delivery.partition for delivery in consumer.poll(100, 0.001)}
    assert arrived == {stream: shard_of(stream) % 4 for stream in streams}
    consumer.close()
    small.close()
    large.close()


class Process:
    """tests.faults.group_member, started."""

    def __init__(self, url: str, topic: str, group: str) -> None:
        words = [sys.executable, "-m", "tests.faults.group_member", f"{url}?session_timeout_ms=1500", topic, "4", group]
        self._child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)

    def line(self, first: str) -> list[str]:
        """The next line that begins so."""
        assert self._child.stdout is not None
        for line in self._child.stdout:
            words = line.split()
            if words[0] in first.split("|"):
                return words
        raise AssertionError(f"the member ended before it said {first}")

    def go_on(self) -> None:
        """Let it commit."""
        assert self._child.stdin is not None
        self._child.stdin.write("\n")
        self._child.stdin.flush()

    def send(self, number: int) -> None:
        os.kill(self._child.pid, number)

    def end(self) -> None:
        self._child.kill()
        with self._child:
            pass


@pytest.fixture
def process(kafka_url: str, topic: str) -> Iterator[Process]:
    bus = KafkaBus(kafka_url, topic, 4)
    bus.ensure(retention_s=3600)
    bus.publish([Envelope(f"order-{number}", f"order-{number}".encode()) for number in range(16)])
    bus.close()
    started = Process(kafka_url, topic, f"{topic}-group")
    with contextlib.closing(bus):
        yield started
    started.end()


def take_over(url: str, topic: str) -> tuple[set[str], float]:
    """Join the group beside the process and read all 16 messages; what came, and after how long."""
    bus = KafkaBus(f"{url}?session_timeout_ms=1500", topic, 4)
    consumer = bus.consumer(f"{topic}-group")
    started = time.monotonic()
    seen: set[str] = set()
    while len(seen) < 16:
        assert time.monotonic() - started < 20, seen
        deliveries = consumer.poll(100, 0.2)
        seen |= {delivery.body.decode() for delivery in deliveries}
        if deliveries:
            assert consumer.commit(next_offsets(deliveries))
    took = time.monotonic() - started
    consumer.close()
    bus.close()
    return seen, took


def test_a_member_killed_in_its_batch_is_replaced_and_its_messages_come_again(process: Process, kafka_url: str, topic: str) -> None:
    process.line("reading")
    process.send(signal.SIGKILL)
    seen, took = take_over(kafka_url, topic)
    assert len(seen) == 16
    assert took < 10


def test_a_member_stopped_past_its_session_cannot_commit_when_it_wakes_up(process: Process, kafka_url: str, topic: str) -> None:
    process.line("reading")
    process.send(signal.SIGSTOP)
    seen, _ = take_over(kafka_url, topic)
    assert len(seen) == 16
    process.send(signal.SIGCONT)
    process.go_on()
    assert process.line("yes|no")[0] == "no"
