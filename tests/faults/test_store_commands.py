"""Races, duplicates, reused keys and answers that were lost: a command takes effect once (faults 1 to 4 and 6)."""

import random
import threading
import time

import psycopg
import pytest

from providers.postgres.events import PostgresEventStore
from runtime.errors import KeyReused, Unavailable
from runtime.ports import Answer, Head
from tests.conformance.stores import NAMESPACE, append, postgres_handle
from tests.faults.stores import Worker, everything, handle_on, target, working
from tests.rounds import amount, rounds
from tests.servers.proxy import Proxy

__all__ = ["target"]


@pytest.mark.rounds
@pytest.mark.parametrize("processes", [2, 4])
def test_fault_01_processes_racing_for_every_version_have_one_winner_each_and_typed_conflicts(target: str, processes: int) -> None:
    count = rounds(1000) // 2  # half with two processes, half with four
    store = handle_on(target).events
    with working(*(Worker("race", target, f"p{number}", count) for number in range(processes))) as workers:
        said = [worker.end()[-1] for worker in workers]
    assert sum(each["wins"] for each in said) == count
    assert sum(each["conflicts"] for each in said) > 0, "they never met"
    assert len(everything(store)["contested"]) == count
    assert len(store.keys(("", ""), 10_000)) == count
    store.close()


@pytest.mark.rounds
def test_fault_02_a_command_sent_ten_times_by_threads_and_processes_takes_effect_once_with_identical_replies(target: str) -> None:
    count = rounds(1000) // 2
    store = handle_on(target).events
    with working(*(Worker("duplicate", target, 0, count) for _ in range(2))) as workers:
        here: list[list[Answer]] = [[] for _ in range(8)]

        def send(replies: list[Answer]) -> None:
            replies.extend(store.append(append(f"d-{number}", 0, f"command {number}", key=f"command-{number}")) for number in range(count))

        threads = [threading.Thread(target=send, args=(replies,)) for replies in here]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        there = [worker.end() for worker in workers]
    assert [len(events) for events in everything(store).values()] == [1] * count
    expected = [(f"d-{number}", 0, 1) for number in range(count)]
    for replies in here:
        assert [(reply.stream, reply.first, reply.last) for reply in replies] == expected
    for said in there:
        assert [(reply["stream"], reply["first"], reply["last"]) for reply in said] == expected
    assert sum(not reply.replayed for replies in here for reply in replies) <= count
    store.close()


@pytest.mark.rounds
@pytest.mark.parametrize("how", ["cut", "mute"])
def test_fault_03_a_commit_whose_answer_was_lost_is_told_at_its_first_position_when_asked_again(postgres_url: str, how: str) -> None:
    count = rounds(100) // 2
    port = int(postgres_url.rsplit(":", 1)[1].split("/")[0])
    with Proxy(port) as proxy, psycopg.connect(postgres_url, autocommit=True) as witness:
        store = PostgresEventStore(proxy.through(postgres_url), NAMESPACE, timeout_s=0.5)
        store.append(append("a", 0, "first"))
        for number in range(count):
            head = number * 2 + 1
            store.append(append("a", head, "before"))  # so that this connection knows the statement
            sent = append("a", head + 1, f"in doubt {number}")
            proxy.mute_replies()
            cutter = threading.Thread(target=cut_when_stored, args=(proxy, witness, sent.key)) if how == "cut" else None
            if cutter:
                cutter.start()
            with pytest.raises(Unavailable) as caught:
                store.append(sent)
            assert caught.value.in_doubt
            if cutter:
                cutter.join()
            proxy.forward()
            assert store.append(sent) == Answer("a", head + 1, head + 2, replayed=True)
        assert len(everything(store)["a"]) == count * 2 + 1
        store.close()


def cut_when_stored(proxy: Proxy, witness: psycopg.Connection[tuple[object, ...]], key: str) -> None:
    """The commit happened, its answer is on the way: now the network breaks."""
    until = time.monotonic() + 30
    while time.monotonic() < until and not witness.execute(f"SELECT 1 FROM {NAMESPACE}.keys WHERE key = %s", (key,)).fetchall():
        time.sleep(0.001)
    proxy.cut()


@pytest.mark.rounds
def test_fault_04_a_key_that_comes_back_with_another_payload_is_refused_and_stores_nothing(target: str) -> None:
    store, chance = handle_on(target).events, random.Random(4)
    payloads: dict[tuple[str, str], str] = {}
    heads: dict[str, int] = {}
    for _ in range(rounds(500)):
        stream, key, payload = f"s-{chance.randrange(5)}", f"k-{chance.randrange(40)}", f"payload {chance.randrange(3)}"
        sent = append(
            stream, chance.choice([heads.get(stream, 0), 0, 3]) if (stream, key) in payloads else heads.get(stream, 0), payload, key=key
        )
        first = payloads.setdefault((stream, key), payload)
        if first != payload:
            with pytest.raises(KeyReused):
                store.append(sent)
        elif not store.append(sent).replayed:
            heads[stream] = heads.get(stream, 0) + 1
    assert {stream: len(events) for stream, events in everything(store).items()} == heads
    assert sum(heads.values()) == len(payloads)
    store.close()


@pytest.mark.rounds
def test_fault_06_a_follower_of_six_writing_processes_misses_nothing_and_sees_nothing_twice(target: str) -> None:
    each = -(-amount(20_000) // 6)
    handle = handle_on(target)
    seen: dict[str, list[int]] = {}
    with working(*(Worker("single", target, f"w{number}", each) for number in range(6))) as workers:
        while True:
            over = all(worker.process.poll() is not None for worker in workers)
            claimed = handle.relay.claim(500, 60.0)
            for pending in claimed:
                seen.setdefault(pending.stream, []).extend(event.version for event in pending.events)
            handle.relay.mark([Head(pending.stream, pending.last) for pending in claimed])
            if over and not claimed:
                break
            if not claimed:
                handle.relay.wait(0.01)
        assert sum(worker.end()[-1]["written"] for worker in workers) == each * 6
    stored = {stream: list(range(1, len(events) + 1)) for stream, events in everything(handle.events).items()}
    assert sum(map(len, stored.values())) == each * 6
    assert seen == stored
    assert handle.relay.backlog() == 0
    handle.events.close()


def test_fault_06_with_postgres_needs_no_lock_that_makes_writers_wait_for_one_another(postgres_url: str) -> None:
    store = postgres_handle(postgres_url).events
    with psycopg.connect(postgres_url) as other:  # an append that stays open holds up nobody but its own stream
        other.execute(f"SELECT {NAMESPACE}.append('held', 0, '{{Noted}}', array['x'::bytea], 'k', 'd', '', '', '')")
        for number in range(20):
            store.append(append(f"free-{number}", 0, "x"))
        waiting = append("held", 0, "y")
        with pytest.raises(Unavailable) as caught:
            store.append(waiting)
        assert caught.value.in_doubt
        other.rollback()
    assert store.append(waiting).last == 1  # whether it was stored by the first try, which nobody cancelled, or by this one
    assert len(everything(store)["held"]) == 1
    store.close()
