"""The Bus port in sentences, over every provider: the in-process bus, which is its meaning, and real Apache Kafka."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from kafka import KafkaAdminClient, TopicPartition

from providers.kafka.bus import KafkaBus
from providers.memory.bus import MemoryBus
from runtime.errors import Misconfigured
from runtime.ports import Bus, Consumer, Delivery, Envelope, shard_of

PARTITIONS = 4


class Place:
    """One topic of one provider: `bus` to use, `open` for another handle on it, `trim` to lose the front of a partition."""

    def __init__(self, open_bus: Callable[[], Bus], trim: Callable[[int, int], None]) -> None:
        self.open = open_bus
        self.trim = trim
        self.bus = open_bus()


@contextlib.contextmanager
def in_memory() -> Iterator[Place]:
    memory = MemoryBus(partitions=PARTITIONS)
    yield Place(lambda: memory, memory.trim)
    memory.close()


@contextlib.contextmanager
def on_kafka(url: str, topic: str) -> Iterator[Place]:
    opened: list[KafkaBus] = []

    def open_bus() -> KafkaBus:
        opened.append(KafkaBus(f"{url}?session_timeout_ms=6000", topic, PARTITIONS))
        return opened[-1]

    def trim(partition: int, offset: int) -> None:
        admin = KafkaAdminClient(bootstrap_servers=url.removeprefix("kafka://"))
        admin.delete_records({TopicPartition(topic, partition): offset})
        admin.close()

    open_bus().ensure(retention_s=3600)
    yield Place(open_bus, trim)
    for bus in opened:
        bus.close()


@pytest.fixture(params=["memory", "kafka"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    made = in_memory() if request.param == "memory" else on_kafka(request.getfixturevalue("kafka_url"), request.getfixturevalue("topic"))
    with made as place:
        yield place


def envelopes(stream: str, first: int, last: int) -> list[Envelope]:
    return [Envelope(stream, f"{stream}@{version}".encode()) for version in range(first, last + 1)]


def streams_by_partition() -> list[str]:
    """One stream name per partition, in partition order."""
    found: dict[int, str] = {}
    number = 0
    while len(found) < PARTITIONS:
        found.setdefault(shard_of(f"order-{number}") % PARTITIONS, f"order-{number}")
        number += 1
    return [found[partition] for partition in range(PARTITIONS)]


def take(consumer: Consumer, count: int, timeout_s: float = 20.0) -> list[Delivery]:
    """Poll until so many arrived; fails the test when they do not."""
    until = time.monotonic() + timeout_s
    found: list[Delivery] = []
    while len(found) < count:
        assert time.monotonic() < until, f"{len(found)} of {count} arrived"
        found += consumer.poll(1000, 0.2)
    return found


def settle(members: list[Consumer], timeout_s: float = 20.0) -> dict[int, list[Delivery]]:
    """Poll in turn until every partition has exactly one owner and everybody owns some; what arrived, by member."""
    until = time.monotonic() + timeout_s
    found: dict[int, list[Delivery]] = {number: [] for number in range(len(members))}
    while True:
        for number, member in enumerate(members):
            found[number] += member.poll(1000, 0.1)
        owned = Counter(partition for member in members for partition in member.assigned())
        if owned == dict.fromkeys(range(PARTITIONS), 1) and all(member.assigned() for member in members):
            return found
        assert time.monotonic() < until, f"owners: {[sorted(member.assigned()) for member in members]}"


def next_offsets(deliveries: list[Delivery]) -> dict[int, int]:
    offsets: dict[int, int] = {}
    for delivery in deliveries:
        offsets[delivery.partition] = max(offsets.get(delivery.partition, 0), delivery.offset + 1)
    return offsets


def bodies(deliveries: list[Delivery]) -> set[str]:
    return {delivery.body.decode() for delivery in deliveries}


def test_the_events_of_a_stream_arrive_once_in_the_order_they_were_published(place: Place) -> None:
    place.bus.publish([each for version in range(1, 501) for stream in ("a-1", "b-2") for each in envelopes(stream, version, version)])
    consumer = place.bus.consumer("readers")
    found = take(consumer, 1000)
    for stream in ("a-1", "b-2"):
        mine = [delivery.body.decode() for delivery in found if delivery.body.decode().startswith(stream)]
        assert mine == [f"{stream}@{version}" for version in range(1, 501)]
    assert consumer.poll(10, 0.1) == []
    consumer.close()


def test_a_stream_lives_in_the_partition_of_its_shard(place: Place) -> None:
    streams = [f"order-{number}" for number in range(40)]
    place.bus.publish([each for stream in streams for each in envelopes(stream, 1, 1)])
    consumer = place.bus.consumer("readers")
    found = {delivery.body.decode().removesuffix("@1"): delivery.partition for delivery in take(consumer, 40)}
    assert found == {stream: shard_of(stream) % PARTITIONS for stream in streams}
    consumer.close()


def test_offsets_within_a_partition_ascend_without_holes(place: Place) -> None:
    place.bus.publish(envelopes("a-1", 1, 50))
    place.bus.publish(envelopes("a-1", 51, 60))
    consumer = place.bus.consumer("readers")
    assert [delivery.offset for delivery in take(consumer, 60)] == list(range(60))
    consumer.close()


def test_publishing_nothing_does_nothing(place: Place) -> None:
    place.bus.publish([])
    assert place.bus.lag("readers") == dict.fromkeys(range(PARTITIONS), 0)


def test_a_poll_gives_at_most_its_limit_and_the_rest_later(place: Place) -> None:
    place.bus.publish(envelopes("a-1", 1, 25))
    consumer = place.bus.consumer("readers")
    found: list[Delivery] = []
    until = time.monotonic() + 20
    while len(found) < 25 and time.monotonic() < until:
        batch = consumer.poll(10, 0.2)
        assert len(batch) <= 10
        found += batch
    assert bodies(found) == {f"a-1@{version}" for version in range(1, 26)}
    consumer.close()


def test_a_poll_without_messages_returns_at_its_timeout(place: Place) -> None:
    consumer = place.bus.consumer("readers")
    settle([consumer])
    started = time.monotonic()
    assert consumer.poll(10, 0.3) == []
    assert 0.25 < time.monotonic() - started < 2
    consumer.close()


def test_a_waiting_poll_sees_a_message_published_meanwhile(place: Place) -> None:
    consumer = place.bus.consumer("readers")
    settle([consumer])
    place.open().publish(envelopes("a-1", 1, 1))
    assert bodies(take(consumer, 1)) == {"a-1@1"}
    consumer.close()


def test_a_group_that_never_committed_starts_at_the_earliest_message(place: Place) -> None:
    place.bus.publish(envelopes("a-1", 1, 3))
    consumer = place.bus.consumer("late")
    assert bodies(take(consumer, 3)) == {"a-1@1", "a-1@2", "a-1@3"}
    consumer.close()


def test_what_was_not_committed_is_delivered_to_the_next_member(place: Place) -> None:
    place.bus.publish(envelopes("a-1", 1, 10))
    first = place.bus.consumer("readers")
    found = take(first, 10)
    assert first.commit({found[0].partition: found[3].offset + 1}) is True
    first.close()
    second = place.bus.consumer("readers")
    assert [delivery.body.decode() for delivery in take(second, 6)] == [f"a-1@{version}" for version in range(5, 11)]
    second.close()


def test_a_rewound_consumer_gets_again_what_it_did_not_commit(place: Place) -> None:
    place.bus.publish(envelopes("a-1", 1, 10))
    consumer = place.bus.consumer("readers")
    found = take(consumer, 10)
    consumer.rewind()
    assert [delivery.offset for delivery in take(consumer, 10)] == [delivery.offset for delivery in found]
    assert consumer.commit({found[0].partition: found[6].offset + 1}) is True
    consumer.rewind()
    assert [delivery.body.decode() for delivery in take(consumer, 3)] == ["a-1@8", "a-1@9", "a-1@10"]
    consumer.close()


def test_every_group_gets_everything(place: Place) -> None:
    place.bus.publish([each for stream in streams_by_partition() for each in envelopes(stream, 1, 5)])
    first, second = place.bus.consumer("one"), place.open().consumer("two")
    assert bodies(take(first, 20)) == bodies(take(second, 20))
    first.close()
    second.close()


def test_the_members_of_a_group_share_the_partitions(place: Place) -> None:
    place.bus.publish([each for stream in streams_by_partition() for each in envelopes(stream, 1, 5)])
    members = [place.bus.consumer("readers"), place.open().consumer("readers")]
    settle(members)
    assert sorted(len(member.assigned()) for member in members) == [2, 2]
    place.bus.publish([each for stream in streams_by_partition() for each in envelopes(stream, 6, 6)])
    until = time.monotonic() + 20
    arrived: list[Delivery] = []
    while len({body for body in bodies(arrived) if body.endswith("@6")}) < PARTITIONS:
        assert time.monotonic() < until
        for member in members:
            batch = member.poll(100, 0.1)
            assert {delivery.partition for delivery in batch} <= member.assigned()
            arrived += batch
    for member in members:
        member.close()


def test_a_member_that_leaves_gives_its_partitions_to_the_others_at_once(place: Place) -> None:
    members = [place.bus.consumer("readers"), place.open().consumer("readers")]
    settle(members)
    members[0].close()
    started = time.monotonic()
    settle(members[1:])
    assert time.monotonic() - started < 4
    place.bus.publish([each for stream in streams_by_partition() for each in envelopes(stream, 1, 1)])
    assert {delivery.partition for delivery in take(members[1], PARTITIONS)} == set(range(PARTITIONS))
    members[1].close()


def test_a_commit_of_a_partition_that_a_rebalance_took_is_refused_and_repeats_follow(place: Place) -> None:
    place.bus.publish([each for stream in streams_by_partition() for each in envelopes(stream, 1, 5)])
    first = place.bus.consumer("readers")
    offsets = next_offsets(take(first, 20))
    second = place.open().consumer("readers")
    arrived = settle([first, second])
    assert first.commit(offsets) is False
    taken = second.assigned()
    repeats = arrived[1] + second.poll(1000, 0.5)
    assert {delivery.partition for delivery in repeats} == taken
    assert len(repeats) == 5 * len(taken)
    first.close()
    second.close()


def test_a_commit_of_what_one_still_owns_is_kept_through_a_rebalance(place: Place) -> None:
    place.bus.publish([each for stream in streams_by_partition() for each in envelopes(stream, 1, 5)])
    first = place.bus.consumer("readers")
    assert first.commit(next_offsets(take(first, 20))) is True
    second = place.open().consumer("readers")
    arrived = settle([first, second])
    assert arrived == {0: [], 1: []}
    assert place.bus.lag("readers") == dict.fromkeys(range(PARTITIONS), 0)
    first.close()
    second.close()


def test_lag_counts_per_partition_what_the_group_has_not_committed(place: Place) -> None:
    streams = streams_by_partition()
    place.bus.publish([*envelopes(streams[0], 1, 10), *envelopes(streams[2], 1, 3)])
    assert place.bus.lag("readers") == {0: 10, 1: 0, 2: 3, 3: 0}
    consumer = place.bus.consumer("readers")
    take(consumer, 13)
    assert place.bus.lag("readers") == {0: 10, 1: 0, 2: 3, 3: 0}
    assert place.bus.lag("others") == {0: 10, 1: 0, 2: 3, 3: 0}
    assert consumer.commit({0: 4}) is True
    assert place.bus.lag("readers") == {0: 6, 1: 0, 2: 3, 3: 0}
    consumer.close()


def test_a_group_has_as_many_members_as_joined_it_and_did_not_leave(place: Place) -> None:
    assert place.bus.members("readers") == 0
    first, second = place.bus.consumer("readers"), place.open().consumer("readers")
    settle([first, second])
    assert (place.bus.members("readers"), place.bus.members("others")) == (2, 0)
    first.close()
    until = time.monotonic() + 30
    while place.bus.members("readers") != 1:
        assert time.monotonic() < until
        second.poll(10, 0.1)
    second.close()


def test_a_group_committed_at_now_gets_nothing_older_and_everything_later(place: Place) -> None:
    place.bus.publish([each for stream in streams_by_partition() for each in envelopes(stream, 1, 5)])
    place.bus.commit_now("green")
    assert place.bus.lag("green") == dict.fromkeys(range(PARTITIONS), 0)
    place.bus.publish([each for stream in streams_by_partition() for each in envelopes(stream, 6, 6)])
    consumer = place.bus.consumer("green")
    assert bodies(take(consumer, PARTITIONS)) == {f"{stream}@6" for stream in streams_by_partition()}
    consumer.close()


def test_a_first_commit_is_the_begin_of_what_was_never_committed_and_leaves_the_rest(place: Place) -> None:
    place.bus.commit_now("others")  # so that the log keeps everything
    place.bus.publish([each for stream in streams_by_partition() for each in envelopes(stream, 1, 5)])
    assert place.bus.commit_first("readers") == PARTITIONS
    assert place.bus.lag("readers") == dict.fromkeys(range(PARTITIONS), 5)
    consumer = place.bus.consumer("readers")
    take(consumer, 20)
    assert consumer.commit({0: 3}) is True
    consumer.close()
    assert place.bus.commit_first("readers") == 0
    assert place.bus.lag("readers") == {0: 2, 1: 5, 2: 5, 3: 5}


def test_a_group_may_be_put_where_another_one_is(place: Place) -> None:
    place.bus.commit_now("others")  # so that the log keeps everything
    place.bus.publish([each for stream in streams_by_partition() for each in envelopes(stream, 1, 5)])
    consumer = place.bus.consumer("readers")
    take(consumer, 20)
    assert consumer.commit({0: 3, 1: 5}) is True
    consumer.close()
    place.bus.commit_now("watched")
    place.bus.commit_like("watched", "readers")
    assert place.bus.lag("watched") == place.bus.lag("readers") == {0: 2, 1: 0, 2: 5, 3: 5}


def test_a_first_commit_leaves_a_group_to_its_members(place: Place) -> None:
    consumer = place.bus.consumer("readers")
    settle([consumer])
    assert place.bus.commit_first("readers") == 0
    consumer.close()


def test_the_offsets_of_a_group_with_members_are_not_moved_to_now(place: Place) -> None:
    consumer = place.bus.consumer("readers")
    settle([consumer])
    with pytest.raises(Misconfigured, match="readers"):
        place.bus.commit_now("readers")
    consumer.close()


def test_a_log_that_begins_after_the_committed_offset_is_reported_once(place: Place) -> None:
    stream = streams_by_partition()[1]
    place.bus.publish(envelopes(stream, 1, 10))
    first = place.bus.consumer("readers")
    take(first, 10)
    assert first.commit({1: 3}) is True
    assert first.trimmed() == frozenset()
    first.close()
    place.trim(1, 7)
    second = place.bus.consumer("readers")
    assert [delivery.offset for delivery in take(second, 3)] == [7, 8, 9]
    assert second.trimmed() == {1}
    assert second.trimmed() == frozenset()
    second.close()


def test_a_log_trimmed_as_a_whole_is_reported_although_nothing_is_delivered(place: Place) -> None:
    stream = streams_by_partition()[1]
    place.bus.publish(envelopes(stream, 1, 10))
    first = place.bus.consumer("readers")
    take(first, 10)
    assert first.commit({1: 3}) is True
    first.close()
    place.trim(1, 10)
    second = place.bus.consumer("readers")
    until = time.monotonic() + 20
    told: frozenset[int] = frozenset()
    while not told and time.monotonic() < until:
        assert second.poll(10, 0.1) == []
        told = second.trimmed()
    assert told == {1}
    second.close()


def test_a_log_trimmed_under_a_member_is_reported_when_it_goes_back(place: Place) -> None:
    stream = streams_by_partition()[2]
    place.bus.publish(envelopes(stream, 1, 10))
    consumer = place.bus.consumer("readers")
    take(consumer, 10)
    assert consumer.commit({2: 3}) is True
    place.trim(2, 8)
    consumer.rewind()
    assert [delivery.offset for delivery in take(consumer, 2)] == [8, 9]
    assert consumer.trimmed() == {2}
    consumer.close()


def test_a_log_trimmed_below_the_committed_offset_is_not_reported(place: Place) -> None:
    stream = streams_by_partition()[1]
    place.bus.publish(envelopes(stream, 1, 10))
    first = place.bus.consumer("readers")
    take(first, 10)
    assert first.commit({1: 8}) is True
    first.close()
    place.trim(1, 8)
    second = place.bus.consumer("readers")
    assert [delivery.offset for delivery in take(second, 2)] == [8, 9]
    assert second.trimmed() == frozenset()
    second.close()


# a group that is watched


def shown(place: Place, members: list[Consumer], group: str, expected: dict[int, int]) -> None:
    """Show in rounds, as a projector does, until the group's lag is so."""
    until = time.monotonic() + 30
    while place.bus.lag(group) != expected:
        assert time.monotonic() < until, place.bus.lag(group)
        for member in members:
            assert member.poll(100, 0.05) == []
            member.show(group)


def test_a_group_that_is_watched_shows_how_far_a_member_is(place: Place) -> None:
    place.bus.publish([each for stream in streams_by_partition() for each in envelopes(stream, 1, 5)])
    consumer = place.bus.consumer("readers.1")
    found = take(consumer, 20)
    assert place.bus.lag("readers") == dict.fromkeys(range(PARTITIONS), 5)
    assert consumer.commit(next_offsets(found)) is True
    shown(place, [consumer], "readers", dict.fromkeys(range(PARTITIONS), 0))
    assert place.bus.members("readers") == 0
    place.bus.publish(envelopes(streams_by_partition()[1], 6, 7))
    assert place.bus.lag("readers") == {0: 0, 1: 2, 2: 0, 3: 0}
    take(consumer, 2)
    shown(place, [consumer], "readers", dict.fromkeys(range(PARTITIONS), 0))
    consumer.close()


def test_a_member_shows_its_own_partitions_and_no_others(place: Place) -> None:
    place.bus.publish([each for stream in streams_by_partition() for each in envelopes(stream, 1, 5)])
    members = [place.bus.consumer("readers.1"), place.open().consumer("readers.1")]
    arrived = settle(members)
    place.bus.publish([each for stream in streams_by_partition() for each in envelopes(stream, 6, 6)])
    until = time.monotonic() + 30
    while len(bodies([*arrived[0], *arrived[1]])) < 6 * PARTITIONS:
        assert time.monotonic() < until
        for number, member in enumerate(members):
            arrived[number] += member.poll(100, 0.1)
    mine, theirs = members[0].assigned(), members[1].assigned()
    shown(place, members[:1], "readers", {partition: 0 if partition in mine else 6 for partition in range(PARTITIONS)})
    shown(place, members, "readers", dict.fromkeys(range(PARTITIONS), 0))
    assert mine | theirs == set(range(PARTITIONS))
    for member in members:
        member.close()


def test_a_new_member_mends_what_is_shown_from_what_its_group_committed(place: Place) -> None:
    place.bus.commit_now("readers")
    place.bus.publish([each for stream in streams_by_partition() for each in envelopes(stream, 1, 5)])
    first = place.bus.consumer("readers.1")
    assert first.commit(next_offsets(take(first, 20))) is True
    first.close()
    assert place.bus.lag("readers") == dict.fromkeys(range(PARTITIONS), 5)
    second = place.bus.consumer("readers.1")
    settle([second])
    shown(place, [second], "readers", dict.fromkeys(range(PARTITIONS), 0))
    second.close()


def test_what_was_trimmed_before_it_was_read_is_not_shown_as_lag(place: Place) -> None:
    stream = streams_by_partition()[1]
    place.bus.publish(envelopes(stream, 1, 10))
    first = place.bus.consumer("readers.1")
    take(first, 10)
    assert first.commit({1: 3}) is True
    first.show("readers")
    first.close()
    place.trim(1, 10)
    second = place.bus.consumer("readers.1")
    until = time.monotonic() + 30
    while 1 not in second.trimmed():
        assert second.poll(10, 0.05) == []
        assert time.monotonic() < until
    shown(place, [second], "readers", dict.fromkeys(range(PARTITIONS), 0))
    second.close()


def test_a_partition_that_was_trimmed_as_a_whole_and_never_committed_is_shown_at_its_end(place: Place) -> None:
    place.bus.commit_now("others")  # so that the log keeps what comes
    place.bus.publish([each for stream in streams_by_partition() for each in envelopes(stream, 1, 5)])
    for partition in range(PARTITIONS):
        place.trim(partition, 5)
    consumer = place.bus.consumer("readers.1")
    shown(place, [consumer], "readers", dict.fromkeys(range(PARTITIONS), 0))
    place.bus.publish([each for stream in streams_by_partition() for each in envelopes(stream, 6, 6)])
    place.bus.commit_like("others", "readers")
    assert place.bus.lag("others") == dict.fromkeys(range(PARTITIONS), 1)  # an offset was shown: the end, and not nothing
    consumer.close()


def test_a_group_with_members_is_not_shown_to(place: Place) -> None:
    foreign = place.open().consumer("readers")
    consumer = place.bus.consumer("readers.1")
    settle([foreign])
    settle([consumer])
    place.bus.publish(envelopes("a-1", 1, 1))
    take(consumer, 1)
    with pytest.raises(Misconfigured, match="'readers' has members"):
        until = time.monotonic() + 30
        while time.monotonic() < until:
            consumer.show("readers")
            foreign.poll(10, 0.05)
    foreign.close()
    consumer.close()
