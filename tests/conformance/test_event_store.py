"""The EventStore port in sentences, over every provider; the memory store is their meaning."""

import threading
from collections.abc import Iterator

import pytest

from runtime.errors import Conflict, KeyReused, LimitExceeded, Malformed
from runtime.limits import Limits
from runtime.ports import Answer, Append, EventStore, Head, KeptKey, New, Recorded
from tests.conformance.stores import PROVIDERS, Place, append, fill, opened


@pytest.fixture(params=PROVIDERS)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with opened(request) as place:
        yield place


@pytest.fixture
def store(place: Place) -> EventStore:
    return place.events


def everything(store: EventStore) -> list[Recorded]:
    return store.bulk(Head("", 0), "", 1_000_000)


def test_events_are_numbered_from_one_by_the_append_that_stored_them(store: EventStore) -> None:
    assert store.append(append("a", 0, "one", "two")) == Answer("a", 0, 2)
    assert store.append(append("a", 2, "three")) == Answer("a", 2, 3)
    assert [(event.version, event.data) for event in store.read("a", 0, 10)] == [(1, b"one"), (2, b"two"), (3, b"three")]


def test_an_answer_carries_the_token_for_reading_ones_own_write(store: EventStore) -> None:
    assert store.append(append("order-1", 0, "one")).token == "order-1@1"


def test_the_envelope_comes_back_as_it_was_appended(store: EventStore) -> None:
    store.append(
        Append("a", 0, (New("Opened", b"\x00\xff{}"), New("Closed", b"")), "k", b"d", "cause@7", "00-aa-bb-01", "2026-05-01T00:00:00Z")
    )
    both = {"key": "k", "cause": "cause@7", "trace": "00-aa-bb-01", "time": "2026-05-01T00:00:00Z", "epoch": 1}
    assert store.read("a", 0, 10) == [Recorded("a", 1, "Opened", b"\x00\xff{}", **both), Recorded("a", 2, "Closed", b"", **both)]  # type: ignore[arg-type]


def test_an_append_at_the_wrong_version_is_a_conflict_and_stores_nothing(store: EventStore) -> None:
    fill(store, "a", 3)
    before = everything(store), store.keys(("", ""), 10), store.heads("", 10)
    for expected in (0, 2, 4, 99, -1):
        with pytest.raises(Conflict) as caught:
            store.append(append("a", expected, "late"))
        assert (caught.value.stream, caught.value.expected, caught.value.actual) == ("a", expected, 3)
    with pytest.raises(Conflict) as caught:
        store.append(append("new", 1, "hole"))
    assert caught.value.actual == 0
    assert (everything(store), store.keys(("", ""), 10), store.heads("", 10)) == before


def test_an_append_without_events_at_the_wrong_version_is_a_conflict_too(store: EventStore) -> None:
    fill(store, "a", 1)
    with pytest.raises(Conflict):
        store.append(append("a", 0, key="k"))
    assert store.load("a", "k", 0).answer is None


def test_the_same_key_and_digest_get_the_first_answer_even_after_the_stream_moved_on(store: EventStore) -> None:
    first = append("a", 0, "one", "two", key="k")
    assert store.append(first) == Answer("a", 0, 2)
    fill(store, "a", 3, first=2)
    for expected in (0, 2, 5, 99):
        again = Append("a", expected, first.events, "k", first.digest)
        assert store.append(again) == Answer("a", 0, 2, replayed=True)
    assert len(store.read("a", 0, 10)) == 5
    assert store.append(append("a", 5, "six")) == Answer("a", 5, 6)


def test_the_same_key_with_another_digest_is_refused_and_stores_nothing(store: EventStore) -> None:
    store.append(append("a", 0, "one", key="k"))
    for expected in (0, 1, 7):
        with pytest.raises(KeyReused) as caught:
            store.append(append("a", expected, "other", key="k"))
        assert (caught.value.stream, caught.value.key) == ("a", "k")
    assert len(everything(store)) == 1
    assert store.append(append("a", 1, "two")) == Answer("a", 1, 2)


def test_a_key_belongs_to_its_stream(store: EventStore) -> None:
    store.append(append("a", 0, "one", key="k"))
    assert store.append(append("b", 0, "other", key="k")) == Answer("b", 0, 1)


def test_a_decision_without_events_keeps_its_key_and_moves_nothing(place: Place) -> None:
    store = place.events
    assert store.append(append("a", 0, key="nothing")) == Answer("a", 0, 0)
    assert store.append(append("a", 0, key="nothing")) == Answer("a", 0, 0, replayed=True)
    assert store.heads("", 10) == []
    assert place.relay.backlog() == 0
    fill(store, "a", 2)
    assert store.append(append("a", 2, key="nothing again")) == Answer("a", 2, 2)
    assert store.append(append("a", 2, key="nothing")) == Answer("a", 0, 0, replayed=True)
    with pytest.raises(KeyReused):
        store.append(append("a", 2, "something", key="nothing"))
    assert store.heads("", 10) == [Head("a", 2)]


def test_a_kept_answer_is_found_by_load_with_its_digest(store: EventStore) -> None:
    sent = append("a", 0, "one", key="k")
    store.append(sent)
    fill(store, "a", 2, first=1)
    loaded = store.load("a", "k", 0)
    assert (loaded.version, loaded.data) == (3, [b"one", b"a@2", b"a@3"])
    assert (loaded.answer, loaded.digest) == (Answer("a", 0, 1, replayed=True), sent.digest)
    unknown = store.load("a", "never sent", 0)
    assert (unknown.answer, unknown.digest) == (None, b"")


def test_load_gives_the_tail_after_a_version_and_the_head(store: EventStore) -> None:
    fill(store, "a", 5)
    assert store.load("a", "k", 3).data == [b"a@4", b"a@5"]
    assert store.load("a", "k", 3).version == 5
    at_the_head = store.load("a", "k", 5)
    assert (at_the_head.version, at_the_head.data) == (5, [])
    beyond = store.load("a", "k", 9)
    assert (beyond.version, beyond.data) == (5, [])


def test_an_absent_stream_loads_as_version_zero(store: EventStore) -> None:
    loaded = store.load("nobody", "k", 0)
    assert (loaded.version, loaded.data, loaded.answer) == (0, [], None)
    assert store.read("nobody", 0, 10) == []


def test_read_is_bounded_and_in_order(store: EventStore) -> None:
    fill(store, "a", 12)
    assert [event.version for event in store.read("a", 2, 4)] == [3, 4, 5, 6]
    assert [event.version for event in store.read("a", 9, 99)] == [10, 11, 12]


def test_append_all_treats_each_append_as_if_alone_and_in_order(store: EventStore) -> None:
    fill(store, "b", 1)
    store.append(append("c", 0, "kept", key="k"))
    replies = store.append_all(
        [
            append("z", 0, "one"),
            append("b", 0, "conflict"),
            append("z", 1, "two", "three"),
            append("c", 0, "kept", key="k"),
            append("c", 1, "other", key="k"),
            append("a", 0, key="nothing"),
            append("", 0, "no name"),
            append("z", 3, "four"),
            append("z", 3, "conflict"),
        ]
    )
    assert [reply for reply in replies if isinstance(reply, Answer)] == [
        Answer("z", 0, 1),
        Answer("z", 1, 3),
        Answer("c", 0, 1, replayed=True),
        Answer("a", 0, 0),
        Answer("z", 3, 4),
    ]
    assert [type(reply) for reply in replies if not isinstance(reply, Answer)] == [Conflict, KeyReused, Malformed, Conflict]
    assert [str(reply) for reply in (replies[1], replies[8])] == ["'b' is at version 1, expected 0", "'z' is at version 4, expected 3"]
    assert store.heads("", 10) == [Head("b", 1), Head("c", 1), Head("z", 4)]
    assert store.append_all([]) == []


def test_one_key_twice_in_one_append_all_takes_effect_once(store: EventStore) -> None:
    twice = append("a", 0, "one", key="k")
    assert store.append_all([twice, twice]) == [Answer("a", 0, 1), Answer("a", 0, 1, replayed=True)]
    assert len(everything(store)) == 1


def test_append_all_takes_thousands_at_once(store: EventStore) -> None:
    replies = store.append_all([append(f"s-{number % 700}", number // 700, "x" * 500) for number in range(2100)])
    assert all(isinstance(reply, Answer) and not reply.replayed for reply in replies)
    assert len(everything(store)) == 2100


def test_heads_name_every_stream_once_in_code_point_order(store: EventStore) -> None:
    names = ["Z", "a", "a-", "a-1", "b", "zz", "É", "é", "ä", "～", "\U0001f6a2", "A b", "ﾟ", "\ue000"]
    for count, name in enumerate(names, 1):
        fill(store, name, count)
    expected = [Head(name, names.index(name) + 1) for name in sorted(names)]
    assert store.heads("", 100) == expected
    paged: list[Head] = []
    while page := store.heads(paged[-1].stream if paged else "", 3):
        paged += page
        assert len(page) <= 3
    assert paged == expected


def test_bulk_gives_every_event_once_in_stream_and_version_order(store: EventStore) -> None:
    for name in ("b", "a", "d", "c", "é"):
        fill(store, name, 5)
    found: list[Recorded] = []
    while page := store.bulk(Head(found[-1].stream, found[-1].version) if found else Head("", 0), "", 7):
        assert len(page) <= 7
        found += page
    assert [(event.stream, event.version) for event in found] == [(name, version) for name in "abcdé" for version in range(1, 6)]
    assert found[3] == store.read("a", 3, 1)[0]


def test_bulk_ends_before_until_and_starts_behind_a_place_that_may_not_exist(store: EventStore) -> None:
    for name in ("a", "b", "c", "d"):
        fill(store, name, 2)
    assert [event.stream for event in store.bulk(Head("", 0), "c", 100)] == ["a", "a", "b", "b"]
    assert [(event.stream, event.version) for event in store.bulk(Head("b", 1), "d", 100)] == [("b", 2), ("c", 1), ("c", 2)]
    assert [event.stream for event in store.bulk(Head("bb", 0), "", 100)] == ["c", "c", "d", "d"]
    assert store.bulk(Head("c", 99), "d", 100) == []


def test_kept_keys_page_in_order(store: EventStore) -> None:
    for stream in ("b", "a"):
        for key in ("y", "X", "x"):
            store.append(append(stream, 0, key=key, digest=b"d"))
    expected = [KeptKey(stream, key, b"d", 0, 0) for stream in "ab" for key in ("X", "x", "y")]
    assert store.keys(("", ""), 10) == expected
    assert store.keys(("a", "x"), 2) == expected[2:4]


def test_a_raised_epoch_is_carried_by_what_comes_later_only(place: Place) -> None:
    store = place.events
    store.append(append("a", 0, "before", key="k"))
    assert store.epoch() == 1
    assert store.raise_epoch() == 2
    other = place.another().events
    assert other.epoch() == 2
    assert other.append(append("a", 1, "after")) == Answer("a", 1, 2, epoch=2)
    assert [event.epoch for event in store.read("a", 0, 10)] == [1, 2]
    assert store.append(append("a", 1, "before", key="k")) == Answer("a", 0, 1, epoch=1, replayed=True)
    assert sorted(key.epoch for key in store.keys(("", ""), 10)) == [1, 2]


def test_what_one_handle_appended_another_reads_at_once(place: Place) -> None:
    other = place.another().events
    for version in range(5):
        (place.events if version % 2 else other).append(append("a", version, str(version)))
        assert place.events.load("a", "k", 0) == other.load("a", "k", 0)
        assert other.load("a", "k", 0).version == version + 1


def test_threads_at_one_version_have_one_winner_and_typed_conflicts(store: EventStore) -> None:
    outcomes: list[Answer | Conflict] = []

    def race(name: str) -> None:
        for version in range(20):
            try:
                outcomes.append(store.append(append("contested", version, f"{name}-{version}")))
            except Conflict as conflict:
                outcomes.append(conflict)
            barrier.wait(30)

    barrier = threading.Barrier(6)
    threads = [threading.Thread(target=race, args=(f"t{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 120
    assert sorted(answer.last for answer in outcomes if isinstance(answer, Answer)) == list(range(1, 21))
    assert [event.version for event in store.read("contested", 0, 100)] == list(range(1, 21))


def test_threads_on_their_own_streams_never_fail_each_other(store: EventStore) -> None:
    failures: list[BaseException] = []

    def write(name: str) -> None:
        try:
            for version in range(40):
                if version % 10 == 3:
                    with pytest.raises(Conflict):
                        store.append(append(name, version + 5, "wrong"))
                loaded = store.load(name, f"{name}-{version}", 0)
                store.append(append(name, loaded.version, f"{name}@{version + 1}", key=f"{name}-{version}"))
        except BaseException as error:  # noqa: BLE001  shown by the test's thread
            failures.append(error)

    threads = [threading.Thread(target=write, args=(f"own-{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [event.data for event in everything(store)] == [f"own-{n}@{v}".encode() for n in range(8) for v in range(1, 41)]


# --- limits (law 5) ----------------------------------------------------------------------------------------------


def too_much() -> list[tuple[str, Append, str]]:
    big = b"x" * (Limits.bytes_per_event + 1)
    nearly = New("T", b"x" * (Limits.bytes_per_event - 1000))
    return [
        (
            "events",
            Append("a", 0, (New("T", b""),) * (Limits.events_per_append + 1), "k", b"d"),
            "events of one append is 91, the limit is 90",
        ),
        ("event bytes", Append("a", 0, (New("T", big),), "k", b"d"), "the limit is 400,000"),
        ("append bytes", Append("a", 0, (nearly,) * 11, "k", b"d"), "the limit is 4,194,304"),
        ("stream", Append("s" * 201, 0, (), "k", b"d"), "stream name in characters is 201, the limit is 200"),
        ("key", Append("a", 0, (), "k" * 201, b"d"), "idempotency key in characters is 201, the limit is 200"),
        ("key of surrogate pairs", Append("a", 0, (), "\U0001f6a2" * 101, b"d"), "idempotency key in characters is 202, the limit is 200"),
        ("type", Append("a", 0, (New("T" * 32_001, b""),), "k", b"d"), "event type in characters is 32,001, the limit is 32,000"),
        ("trace", Append("a", 0, (), "k", b"d", trace="t" * 32_001), "trace in characters is 32,001"),
        ("cause", Append("a", 0, (), "k", b"d", cause="t" * 32_001), "cause in characters is 32,001"),
        ("time", Append("a", 0, (), "k", b"d", time="t" * 32_001), "time in characters is 32,001"),
    ]


def test_fault_16_what_the_smallest_cloud_cannot_hold_is_refused_before_any_write_with_the_limit_named(store: EventStore) -> None:
    for name, refused, text in too_much():
        with pytest.raises(LimitExceeded, match=text) as caught:
            store.append(refused)
        assert caught.value.actual > caught.value.limit, name
        (reply,) = store.append_all([refused])
        assert isinstance(reply, LimitExceeded), name
    assert (everything(store), store.keys(("", ""), 10), store.heads("", 10)) == ([], [], [])


UNSTORABLE = [
    Append("", 0, (), "k", b"d"),
    Append("a", 0, (), "", b"d"),
    Append("a\0b", 0, (), "k", b"d"),
    Append("a\nb", 0, (), "k", b"d"),
    Append("a\x85b", 0, (), "k", b"d"),
    Append("a\ud800b", 0, (), "k", b"d"),
    Append("a", 0, (), "k\0", b"d"),
    Append("a", 0, (), "k\udfff", b"d"),
    Append("a", 0, (New("", b""),), "k", b"d"),
    Append("a", 0, (New("T\0", b""),), "k", b"d"),
    Append("a", 0, (), "k", b"d", cause="\0"),
    Append("a", 0, (), "k", b"d", trace="\ud800"),
    Append("a", 0, (), "k", b"d", time="\0"),
]


def test_text_that_some_store_cannot_hold_is_malformed_everywhere(store: EventStore) -> None:
    for refused in UNSTORABLE:
        with pytest.raises(Malformed):
            store.append(refused)
    assert (everything(store), store.keys(("", ""), 10)) == ([], [])


def test_the_largest_allowed_append_is_stored_and_comes_back(store: EventStore) -> None:
    stream, key = "\u00e9" * 200, "\U0001f6a2" * 100
    shared = len(stream.encode()) + len(key.encode()) + 1
    events = (New("T", b"\xff" * (Limits.bytes_per_event - shared)),) * 10
    store.append(Append(stream, 0, events, key, b"d"))
    store.append(Append(stream, 10, (New("T", b"x"),) * Limits.events_per_append, "k2", b"d"))
    assert store.load(stream, key, 0).version == 100
    assert store.load(stream, key, 0).data[0] == events[0].data


def test_odd_but_valid_text_is_stored_as_it_is(store: EventStore) -> None:
    for number, text in enumerate(
        ["a b", "'; DROP TABLE events; --", "%s{s}$1?", "\u202e\u200b", "tab\\t", "\U0001f6a2", "a" * 200, "\ufeff", "\ue000"]
    ):
        store.append(Append(text, 0, (New(text, text.encode()),), text + str(number) if len(text) < 190 else text, b"d", text, text, text))
        (event,) = store.read(text, 0, 10)
        assert (event.stream, event.type, event.data, event.cause, event.trace, event.time) == (text, text, text.encode(), text, text, text)


# --- restore -----------------------------------------------------------------------------------------------------


def exported(stream: str, count: int, first: int = 1) -> list[Recorded]:
    return [
        Recorded(stream, version, "Noted", str(version).encode(), f"key-{version}", "cause", "trace", "time", 3, "subject", "key-id")
        for version in range(first, first + count)
    ]


def test_restore_keeps_versions_envelopes_and_keys(place: Place) -> None:
    store = place.events
    keys = [KeptKey("a", "key-1", b"d1", 0, 1, 3), KeptKey("only-a-key", "k", b"d2", 0, 0, 3)]
    store.restore([*exported("b", 2), *exported("a", 3)], keys)
    assert everything(store) == [*exported("a", 3), *exported("b", 2)]
    assert store.keys(("", ""), 10) == keys
    assert store.heads("", 10) == [Head("a", 3), Head("b", 2)]
    assert store.append(Append("a", 0, (), "key-1", b"d1")) == Answer("a", 0, 1, epoch=3, replayed=True)
    assert store.append(append("a", 3, "next")) == Answer("a", 3, 4)


def test_restored_events_are_unpublished_and_go_out_in_order(place: Place) -> None:
    place.events.restore(exported("a", 3), [])
    (pending,) = place.relay.claim(100, 30.0)
    assert pending.events == exported("a", 3)


def test_restore_is_resumable_and_skips_what_is_there_unchanged(place: Place) -> None:
    store, keys = place.events, [KeptKey("a", "k", b"d", 0, 1, 3)]
    store.restore(exported("a", 2), keys)
    place.relay.mark([Head("a", 2)])
    store.restore([*exported("a", 4), *exported("a", 4)], keys * 2)
    store.restore(exported("a", 4), keys)
    assert everything(store) == exported("a", 4)
    assert store.keys(("", ""), 10) == keys
    (pending,) = place.relay.claim(100, 30.0)
    assert [event.version for event in pending.events] == [3, 4]
    store.restore([], [])


def test_a_hole_or_a_difference_in_an_import_is_a_conflict_and_nothing_of_the_call_stays(store: EventStore) -> None:
    store.restore(exported("a", 2), [KeptKey("a", "k", b"d", 0, 1, 3)])
    changed = [*exported("a", 2)[:1], Recorded("a", 2, "Noted", b"changed")]
    twice = [*exported("b", 1), Recorded("b", 1, "Noted", b"changed")]
    for events in (exported("a", 1, first=4), changed, exported("b", 1, first=2), twice):
        with pytest.raises(Conflict):
            store.restore([*exported("fresh", 1), *events], [KeptKey("fresh", "k", b"d", 0, 1)])
    with pytest.raises(KeyReused):
        store.restore(exported("fresh", 1), [KeptKey("a", "k", b"other", 0, 1, 3)])
    with pytest.raises(Conflict):
        store.restore(exported("fresh", 1), [KeptKey("a", "k", b"d", 1, 2, 3)])
    assert everything(store) == exported("a", 2)
    assert len(store.keys(("", ""), 10)) == 1


def test_an_import_is_held_to_the_limits_too(store: EventStore) -> None:
    with pytest.raises(LimitExceeded):
        store.restore([Recorded("a", 1, "T", b"x" * 400_001)], [])
    for events in ([Recorded("", 1, "T", b"")], [Recorded("a", 0, "T", b"")], [Recorded("a\n", 1, "T", b"")]):
        with pytest.raises(Malformed):
            store.restore(events, [])
    with pytest.raises(Malformed):
        store.restore([], [KeptKey("a", "", b"d", 0, 0)])
    assert everything(store) == []
