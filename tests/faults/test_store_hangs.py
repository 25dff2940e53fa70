"""A server that hangs, answers late or goes away, and a very long stream: bounded waits, typed errors, quick loads (14 and 18)."""

import statistics
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from providers.postgres.database import TIMEOUT_S
from providers.postgres.events import PostgresEventStore
from runtime.errors import Misconfigured, Unavailable
from runtime.ports import Recorded, Snapshot
from tests.conformance.stores import NAMESPACE, PROVIDERS, Place, append, opened
from tests.servers.process import free_port
from tests.servers.proxy import Proxy

SLACK_S = 0.5  # for two busy cores


@pytest.fixture
def proxy(postgres_url: str) -> Iterator[Proxy]:
    with Proxy(int(postgres_url.rsplit(":", 1)[1].split("/")[0])) as proxy:
        yield proxy


@pytest.fixture
def store(postgres_url: str, proxy: Proxy) -> Iterator[PostgresEventStore]:
    store = PostgresEventStore(proxy.through(postgres_url), NAMESPACE)
    yield store
    store.close()


def test_fault_14_a_database_that_hangs_is_given_up_within_two_seconds_by_every_thread_and_used_again_when_it_is_back(
    store: PostgresEventStore, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append(append("a", 0, "one"))
    makers: list[threading.Thread] = []
    start = threading.Thread.start

    def noted(thread: threading.Thread) -> None:
        makers.append(threading.current_thread())
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", noted)
    proxy.hang()
    taken: list[float] = []
    errors: list[Unavailable] = []

    def call(number: int) -> None:
        started = time.monotonic()
        try:
            if number % 2:
                store.append(append(f"t-{number}", 0, "x"))
            else:
                store.load("a", "k", 0)
        except Unavailable as error:
            errors.append(error)
        taken.append(time.monotonic() - started)

    callers = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not set(makers) & set(callers), "a caller made threads"
    assert len(errors) == 8
    assert max(taken) < TIMEOUT_S + SLACK_S
    proxy.forward()
    started = time.monotonic()
    assert store.append(append("a", 1, "two")).last == 2
    assert [event.data for event in store.read("a", 0, 10)] == [b"one", b"two"]
    assert time.monotonic() - started < 1


def test_fault_14_a_database_that_hangs_while_connecting_is_given_up_in_time_too(postgres_url: str, proxy: Proxy) -> None:
    proxy.hang()
    started = time.monotonic()
    with pytest.raises(Unavailable):
        PostgresEventStore(proxy.through(postgres_url), NAMESPACE)
    assert time.monotonic() - started < TIMEOUT_S + SLACK_S


def test_an_append_that_hangs_is_in_doubt_and_a_read_is_not(store: PostgresEventStore, proxy: Proxy) -> None:
    store.append(append("a", 0, "one"))
    proxy.mute_replies()
    with pytest.raises(Unavailable) as reading:
        store.load("a", "k", 0)
    assert not reading.value.in_doubt
    proxy.forward()
    for version in range(2):
        store.append(append("b", version, "so that this connection knows the statements"))
    proxy.mute_replies()
    sent = append("a", 1, "two")
    with pytest.raises(Unavailable) as writing:
        store.append(sent)
    assert writing.value.in_doubt
    proxy.forward()
    assert store.append(sent).replayed


def test_the_deadline_can_be_set(postgres_url: str, proxy: Proxy) -> None:
    store = PostgresEventStore(proxy.through(postgres_url), NAMESPACE, timeout_s=0.3)
    proxy.hang()
    started = time.monotonic()
    with pytest.raises(Unavailable):
        store.load("a", "k", 0)
    assert time.monotonic() - started < 0.3 + SLACK_S
    store.close()


def test_a_slow_network_is_no_error(store: PostgresEventStore, proxy: Proxy) -> None:
    proxy.delay_s = 0.05
    for version in range(5):
        store.append(append("slow", version, "x"))
    assert store.load("slow", "k", 0).version == 5


def test_connections_that_were_cut_while_idle_are_replaced_unnoticed(store: PostgresEventStore, proxy: Proxy) -> None:
    for version in range(5):
        store.append(append("a", version, "x"))
        proxy.cut()
    assert store.load("a", "k", 0).version == 5


def test_a_read_whose_connection_is_cut_is_done_again(store: PostgresEventStore, proxy: Proxy) -> None:
    store.append(append("a", 0, "x"))
    for _ in range(10):
        proxy.delay_s = 0.05  # the answer is under way when the connection breaks
        cutter = threading.Timer(0.02, proxy.cut)
        cutter.start()
        assert store.load("a", "k", 0).version == 1
        cutter.join()


def test_a_late_answer_is_never_taken_for_the_next_calls(store: PostgresEventStore, proxy: Proxy) -> None:
    for number in range(3):
        store.append(append(f"s-{number}", 0, f"event of {number}"))
    proxy.delay_s = TIMEOUT_S + 0.2
    with pytest.raises(Unavailable):
        store.load("s-0", "k", 0)
    proxy.delay_s = 0.0
    for number in (1, 2):
        assert store.load(f"s-{number}", "k", 0).data == [f"event of {number}".encode()]


def test_a_connection_that_waited_in_vain_is_closed_and_never_used_again(store: PostgresEventStore) -> None:
    connection = store.database.take(time.monotonic() + 0.1)
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT pg_sleep(0.5)")
    assert connection.closed
    store.database.give_back(connection)
    assert store.load("a", "k", 0).version == 0


def test_nobody_listening_is_unavailable_within_the_deadline_and_says_where() -> None:
    port = free_port()
    started = time.monotonic()
    with pytest.raises(Unavailable, match=f"127.0.0.1:{port}/shop cannot be reached"):
        PostgresEventStore(f"postgresql://me:secret@127.0.0.1:{port}/shop", NAMESPACE)
    assert time.monotonic() - started < TIMEOUT_S + SLACK_S


def test_a_wrong_password_database_schema_or_url_says_the_way_out_and_no_secret(postgres_url: str) -> None:
    user, rest = postgres_url.removeprefix("postgresql://").split(":", 1)
    wrong_password = f"postgresql://{user}:hunter2@{rest.split('@')[1]}"
    wrong_database = postgres_url.rsplit("/", 1)[0] + "/nowhere"
    for url, namespace in ((wrong_password, "shop"), (wrong_database, "shop"), (postgres_url, "Shop; DROP"), ("postgres//x", "shop")):
        started = time.monotonic()
        with pytest.raises(Misconfigured) as caught:
            PostgresEventStore(url, namespace)
        assert "hunter2" not in str(caught.value)
        assert "\n" not in str(caught.value)
        assert time.monotonic() - started < TIMEOUT_S


def test_a_schema_that_was_dropped_under_a_running_store_says_so(postgres_url: str) -> None:
    store = PostgresEventStore(postgres_url, NAMESPACE)
    with psycopg.connect(postgres_url) as admin:
        admin.execute(f"DROP SCHEMA {NAMESPACE} CASCADE")
    with pytest.raises(Misconfigured, match="restart to make it anew"):
        store.append(append("a", 0, "x"))
    store.close()


@pytest.fixture(params=PROVIDERS)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with opened(request) as place:
        yield place


def test_fault_18_a_stream_of_100_000_events_loads_within_5_ms_from_its_snapshot(place: Place) -> None:
    total, step = 100_000, 10_000
    for first in range(0, total, step):
        numbers = range(first + 1, first + step + 1)
        place.events.restore([Recorded("long", number, "Counted", b'{"type":"Counted","by":1}', f"k-{number}") for number in numbers], [])
    place.snapshots.keep("long", Snapshot(total - 50, "counts", str(total - 50).encode()))
    taken: list[float] = []
    for _ in range(30):
        started = time.perf_counter()
        snapshot = place.snapshots.newest("long", "counts")
        assert snapshot is not None
        loaded = place.events.load("long", "k", snapshot.version)
        taken.append(time.perf_counter() - started)
        assert int(snapshot.state) + len(loaded.data) == loaded.version == total
    assert statistics.quantiles(taken, n=4)[0] <= 0.005  # the quicker quarter: what it takes when nobody else has the processor
    assert place.snapshots.newest("long", "folded otherwise") is None
    if place.sql is not None:
        place.sql("UPDATE snapshots SET state = '99'")
        assert place.snapshots.newest("long", "counts") is None
    assert len(place.events.load("long", "k", 0).data) == total  # the same state, from the start
