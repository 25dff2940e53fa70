"""The Relay port in sentences, over every provider: an outbox of one row per stream, never a position cursor."""

import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from runtime.ports import Head, Pending, Relay
from tests.conformance.stores import PROVIDERS, Place, append, fill, opened
from tests.rounds import amount

LEASE_S = 60.0


@pytest.fixture(params=PROVIDERS)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with opened(request) as place:
        yield place


def versions(claimed: list[Pending]) -> dict[str, list[int]]:
    return {pending.stream: [event.version for event in pending.events] for pending in claimed}


def publish(relay: Relay, claimed: list[Pending]) -> None:
    relay.mark([Head(pending.stream, pending.last) for pending in claimed])


def test_a_claim_gives_every_unpublished_event_of_a_stream_in_order(place: Place) -> None:
    fill(place.events, "a", 3)
    fill(place.events, "b", 2)
    claimed = place.relay.claim(100, LEASE_S)
    assert versions(claimed) == {"a": [1, 2, 3], "b": [1, 2]}
    for pending in claimed:
        assert pending.events == place.events.read(pending.stream, 0, 100)
    assert place.relay.backlog() == 2


def test_marked_streams_are_done_until_something_is_appended_again(place: Place) -> None:
    fill(place.events, "a", 3)
    publish(place.relay, place.relay.claim(100, LEASE_S))
    assert (place.relay.backlog(), place.relay.claim(100, 0.0)) == (0, [])
    fill(place.events, "a", 1, first=3)
    assert versions(place.relay.claim(100, LEASE_S)) == {"a": [4]}


def test_a_mark_clears_nothing_that_was_appended_after_the_claim(place: Place) -> None:
    fill(place.events, "a", 2)
    claimed = place.relay.claim(100, LEASE_S)
    fill(place.events, "a", 2, first=2)
    publish(place.relay, claimed)
    assert place.relay.backlog() == 1
    assert versions(place.relay.claim(100, LEASE_S)) == {"a": [3, 4]}


def test_a_mark_that_comes_late_or_twice_or_for_nobody_changes_nothing(place: Place) -> None:
    fill(place.events, "a", 5)
    place.relay.mark([Head("a", 3)])
    place.relay.mark([Head("a", 2), Head("a", 3), Head("nobody", 7)])
    place.relay.mark([])
    assert versions(place.relay.claim(100, LEASE_S)) == {"a": [4, 5]}


def test_what_was_claimed_a_moment_ago_is_left_to_the_claimer_and_comes_again_after_the_lease(place: Place) -> None:
    fill(place.events, "a", 1)
    fill(place.events, "b", 1)
    assert set(versions(place.relay.claim(1, LEASE_S))) | set(versions(place.relay.claim(1, LEASE_S))) == {"a", "b"}
    assert place.relay.claim(100, LEASE_S) == []
    time.sleep(0.06)
    assert set(versions(place.relay.claim(100, 0.05))) == {"a", "b"}


def test_a_claim_is_bounded_and_a_long_stream_comes_in_parts(place: Place) -> None:
    fill(place.events, "a", 25)
    seen: list[int] = []
    for _ in range(3):
        (pending,) = place.relay.claim(10, LEASE_S)
        assert len(pending.events) <= 10
        seen += [event.version for event in pending.events]
        publish(place.relay, [pending])
    assert seen == list(range(1, 26))
    assert place.relay.claim(10, LEASE_S) == []


def test_no_stream_keeps_another_waiting(place: Place) -> None:
    for name in "abcdefgh":
        fill(place.events, name, 1)
    published: list[str] = []
    for turn in range(16):
        claimed = place.relay.claim(1, 0.0)
        published += versions(claimed)
        publish(place.relay, claimed)
        fill(place.events, "a", 1, first=turn + 1)  # a busy stream is pending again at once
    assert set(published) == set("abcdefgh")


def test_every_event_is_claimed_once_when_all_are_marked(place: Place) -> None:
    for number in range(40):
        fill(place.events, f"s-{number}", number % 7 + 1)
    seen: dict[str, list[int]] = {}
    for _ in range(1000):
        claimed = place.relay.claim(9, LEASE_S)
        if not claimed:
            break
        for stream, found in versions(claimed).items():
            seen.setdefault(stream, []).extend(found)
        publish(place.relay, claimed)
    assert seen == {f"s-{number}": list(range(1, number % 7 + 2)) for number in range(40)}


def test_wait_returns_at_once_for_appends_of_this_process_and_else_after_its_timeout(place: Place) -> None:
    place.relay.wait(0.01)
    started = time.monotonic()
    place.relay.wait(0.15)
    assert time.monotonic() - started >= 0.14
    later = threading.Timer(0.1, lambda: fill(place.events, "a", 1))
    started = time.monotonic()
    later.start()
    place.relay.wait(20.0)
    assert time.monotonic() - started < 10
    later.join()


def test_nothing_is_missed_by_a_relay_that_claims_while_many_append(place: Place) -> None:
    seen: dict[str, int] = {}
    writers = [threading.Thread(target=write, args=(place, f"w-{number}", 60)) for number in range(4)]
    for writer in writers:
        writer.start()
    done = False
    while not done:
        done = not any(writer.is_alive() for writer in writers)
        for pending in (claimed := place.relay.claim(20, LEASE_S)):
            for event in pending.events:
                assert event.version == seen.get(pending.stream, 0) + 1
                seen[pending.stream] = event.version
        publish(place.relay, claimed)
        done = done and not claimed
    assert seen == {f"w-{number}": 60 for number in range(4)}
    assert place.relay.backlog() == 0


def write(place: Place, stream: str, count: int) -> None:
    for version in range(count):
        place.events.append(append(stream, version, str(version)))


def test_two_relays_share_the_work_and_lose_nothing(place: Place) -> None:
    other = place.another().relay
    for number in range(30):
        fill(place.events, f"s-{number}", 2)
    seen: dict[str, set[int]] = {}
    for turn in range(200):
        relay = (place.relay, other)[turn % 2]
        claimed = relay.claim(6, LEASE_S)
        for stream, found in versions(claimed).items():
            seen.setdefault(stream, set()).update(found)
        publish(relay, claimed)
        if not relay.backlog():
            break
    assert seen == {f"s-{number}": {1, 2} for number in range(30)}
    assert place.relay.backlog() == other.backlog() == 0


@pytest.mark.rounds
@pytest.mark.parametrize("place", ["postgres"], indirect=True)
def test_fault_07_a_writer_idle_in_its_transaction_delays_only_its_own_streams_and_nothing_is_missed(
    place: Place,
) -> None:
    fill(place.events, "published", 1)
    publish(place.relay, place.relay.claim(100, LEASE_S))
    fill(place.events, "unpublished", 1)
    with psycopg.connect(place.url) as idle:
        for stream in ("published", "unpublished"):
            idle.execute(f"SELECT {place.namespace}.append('{stream}', 1, '{{Noted}}', array['x'::bytea], 'k', 'd', '', '', '')")
        fill(place.events, "free", 3)
        started = time.monotonic()
        assert versions(place.relay.claim(100, LEASE_S)) == {"free": [1, 2, 3]}
        assert place.relay.claim(100, LEASE_S) == []
        assert time.monotonic() - started < 1, "the relay waited for the writer"
        time.sleep(amount(5))
        fill(place.events, "later", 1)
        assert versions(place.relay.claim(100, LEASE_S)) == {"later": [1]}
        idle.commit()
        started = time.monotonic()
        assert versions(place.relay.claim(100, LEASE_S)) == {"published": [2], "unpublished": [1, 2]}
        assert time.monotonic() - started < 1


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
def test_fault_08_a_rolled_back_append_leaves_no_hole_that_anybody_waits_for(place: Place) -> None:
    fill(place.events, "a", 1)
    with psycopg.connect(place.url) as doomed:
        doomed.execute(f"SELECT {place.namespace}.append('a', 1, '{{Noted}}', array['x'::bytea], 'k', 'd', '', '', '')")
        assert place.events.load("a", "k", 0).version == 1
        doomed.rollback()
    fill(place.events, "a", 2, first=1)
    assert versions(place.relay.claim(100, LEASE_S)) == {"a": [1, 2, 3]}
