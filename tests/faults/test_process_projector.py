"""Projectors as real processes on real Kafka and PostgreSQL, killed, paused, poisoned, joining and leaving: rows are the fold of the events.

Every audit takes the shard locks and compares rows with the events up to the watermarks, so a doubled or lost event shows in
the very round in which it happened.
"""

import random
import signal
import threading
import time

import pytest

from providers.postgres.rows import PostgresReadStore
from runtime.errors import Unavailable
from runtime.ports import SHARDS, Phase
from tests.processes.domain import DEADLY, AddValues, make_app
from tests.processes.failing import Fault
from tests.processes.figures import p50, report
from tests.processes.fleet import until
from tests.processes.parallel import at_once, shared
from tests.processes.sea import Sea, at_sea
from tests.rounds import amount, rounds

BETWEEN_ROWS_AND_OFFSET = Fault("consumer.commit")
MOMENTS = (BETWEEN_ROWS_AND_OFFSET, Fault("signals.send"), Fault("tx.commit", at=2), Fault("tx.commit", at=2, when="after"))


@pytest.mark.rounds
def test_fault_28_a_projector_killed_between_its_rows_and_its_offset_folds_nothing_twice(postgres_url: str, kafka_url: str) -> None:
    def one_world(part: range) -> int:
        with at_sea(postgres_url, kafka_url) as sea:
            sea.start("relay", ready=True)
            for round_ in part:
                sea.add(60, 20)
                victim = sea.start("projector", batch=30, fault=MOMENTS[round_ % len(MOMENTS)])
                assert victim.wait(30) == -signal.SIGKILL, victim.tail()
                assert sea.audit().wrong == []
            sea.start("projector")
            sea.settle()
            return sea.prove().events

    started = time.monotonic()
    total = rounds(100, 8)
    events = at_once(one_world, shared(total, 4))
    report("28 projector killed between rows and offset", rounds=total, events=sum(events), wrong=0, seconds=time.monotonic() - started)


@pytest.mark.long
@pytest.mark.rounds
def test_fault_29_a_paused_zombie_that_wakes_after_it_was_replaced_doubles_nothing(postgres_url: str, kafka_url: str) -> None:
    pauses = (
        Fault("tx.commit", at=2, signal="SIGSTOP"),
        Fault("consumer.commit", signal="SIGSTOP"),
        Fault("rows.begin", at=2, signal="SIGSTOP"),
    )

    impatient = f"{postgres_url}?options=-c%20idle_in_transaction_session_timeout%3D2000"

    def one_world(part: range) -> int:
        with at_sea(impatient, kafka_url) as sea:
            sea.start("relay", ready=True)
            sea.start("projector", sync_every_s=2.0, ready=True)
            for round_ in part:
                zombie = sea.start("projector", fault=pauses[round_ % len(pauses)], batch=20, ready=True)
                until(lambda zombie=zombie: sea.add(60, 60) > 0 and zombie.state() == "T", 30, "the zombie stops", 0.3)  # type: ignore[misc]
                sea.settle(30)  # without it: its partitions go to the other, its locks are taken from it
                zombie.resume()
                sea.add(60, 60)
                sea.settle(30)
                assert sea.audit().wrong == []
                zombie.stop()
            return sea.prove().events

    started = time.monotonic()
    total = amount(50)
    events = at_once(one_world, shared(total, 3))
    report("29 zombie projector", rounds=total, events=sum(events), wrong=0, seconds=time.monotonic() - started)


def test_fault_29_a_session_paused_in_its_transaction_loses_its_locks(postgres_url: str) -> None:
    rows = PostgresReadStore(postgres_url, "paused", idle_timeout_s=1.0, lock_timeout_s=10.0)
    group = make_app("paused").groups["rows"]
    number = rows.create(group, Phase.LIVE, 1).number
    paused, other = rows.begin("rows", number), rows.begin("rows", number)
    paused.lock(range(SHARDS))
    paused.lock_rows("buckets", ["[1]", "[2]"])
    other.lock(range(SHARDS))  # waits until the server ends the paused session
    other.lock_rows("buckets", ["[1]", "[2]"])
    with pytest.raises(Unavailable):
        paused.commit()
    other.commit()
    rows.close()


@pytest.mark.rounds
def test_fault_30_projectors_that_join_and_leave_fold_every_event_once(postgres_url: str, kafka_url: str) -> None:
    total, events = rounds(50, 5), amount(20_000)
    chance = random.Random(30)
    with at_sea(postgres_url, kafka_url) as sea:
        sea.start("relay", ready=True)
        members = [sea.start("projector", batch=200) for _ in range(3)]
        feeding = Feeding(sea, events, tallies=200, seconds=total * 0.8)
        feeding.start()
        started = time.monotonic()
        for round_ in range(total):
            leaver = members.pop(chance.randrange(len(members)))
            sea.ready(leaver)
            if round_ % 3 == 2:
                leaver.kill()
            else:
                leaver.stop()
            members.append(sea.start("projector", batch=200))
            time.sleep(chance.random() * 0.6)
            assert sea.audit().wrong == []
        feeding.end()
        took = sea.settle()
        found = sea.prove()
        sea.fleet.check()
    report("30 join and leave", rounds=total, events=found.events, wrong=0, drained_s=took, seconds=time.monotonic() - started)


class Feeding(threading.Thread):
    """Adds events evenly over a time, beside the test."""

    def __init__(self, sea: Sea, events: int, tallies: int, seconds: float) -> None:
        super().__init__(daemon=True)
        self._sea, self._events, self._tallies, self._seconds = sea, events, tallies, seconds
        self._failure: Exception | None = None

    def run(self) -> None:
        """In forty waves."""
        try:
            for _ in range(40):
                self._sea.add(self._events // 40, self._tallies)
                time.sleep(self._seconds / 40)
        except Exception as error:  # noqa: BLE001  raised by `end`
            self._failure = error

    def end(self) -> None:
        """Wait for the last wave."""
        self.join(120)
        assert not self.is_alive()
        if self._failure is not None:
            raise self._failure


@pytest.mark.long
@pytest.mark.rounds
def test_fault_31_scaled_to_zero_and_back_a_projector_drains_and_catches_up(postgres_url: str, kafka_url: str) -> None:
    starts, drains = [], []
    total = amount(20)
    with at_sea(postgres_url, kafka_url) as sea:
        sea.start("relay", ready=True)
        sea.start("projector", ready=True).stop()
        for _ in range(total):
            sea.add(500, 100)
            until(lambda: sea.ports.relay.backlog() == 0, 20, "everything is published")
            started = time.monotonic()
            member = sea.start("projector")
            sea.settle()
            starts.append(time.monotonic() - started)
            sea.add(500, 100)  # and this is in its hands when it is told to go
            drains.append(member.stop())
            assert sea.audit().wrong == []
        sea.start("projector")
        sea.settle()
        found = sea.prove()
    report(
        "31 scale to zero and back",
        rounds=total,
        events=found.events,
        caught_up_p50_s=p50(starts),
        caught_up_worst_s=max(starts),
        drained_p50_s=p50(drains),
        drained_worst_s=max(drains),
    )
    assert min(starts) <= 2.0  # what else runs on the machine may delay a start, nothing makes one quicker than it is
    assert max(drains) <= 10.0


@pytest.mark.long
def test_fault_26_a_poison_that_kills_the_projector_parks_alone_after_bounded_deaths(postgres_url: str, kafka_url: str) -> None:
    with at_sea(postgres_url, kafka_url) as sea:
        sea.start("relay", ready=True)
        sea.start("projector", ready=True).stop()
        sea.add(200, 50)
        answer = sea.ports.commands.send(AddValues("t7", (DEADLY,)))
        sea.add(200, 50)  # later events of the poisoned stream among them
        sea.allowed = (66,)
        deaths = _restart_until_it_lives(sea, 66)
        parked = {letter.stream: (letter.part, letter.version) for letter in sea.ports.rows.letters("rows", 1)}
        assert parked == {"tally-t7": ("tallies", answer.last)}
        sea.prove(parked={"tally-t7": answer.last})
        started = time.monotonic()
        sea.add(200, 50)
        sea.settle()
        report("26 poison that kills", deaths=deaths, parked=1, others_lag_s=time.monotonic() - started)
        sea.prove(parked={"tally-t7": answer.last})
        assert deaths <= 12


def _restart_until_it_lives(sea: Sea, poisoned: int) -> int:
    """Start a projector again and again, as a deployment does, until one folds everything; how many died."""
    for deaths in range(30):
        member = sea.start("projector")
        until(lambda member=member: member.code() is not None or sea.behind() == 0, 30, f"it dies or folds it all:\n{member.tail()}")  # type: ignore[misc]
        if member.code() is None:
            return deaths
        assert member.code() == poisoned, member.tail()
    raise AssertionError("it never stopped dying")
