"""Relays as real processes between real PostgreSQL and real Kafka: killed, paused, doubled, and left without a broker.

What counts is the log: of each stream every version comes, for the first time, in its order; what comes again is a repeat that
nobody folds.
"""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.processes.expected import heads
from tests.processes.failing import Fault
from tests.processes.figures import p50, p99, report
from tests.processes.fleet import until
from tests.processes.log import first_arrivals
from tests.processes.parallel import at_once, shared
from tests.processes.place import ports
from tests.processes.sea import Sea, at_sea
from tests.rounds import amount
from tests.servers.kafka import KafkaServer

BETWEEN_PUBLISH_AND_MARK = Fault("relay.mark")
MARKED = Fault("relay.mark", when="after")


def in_order(sea: Sea) -> int:
    """Every stored event is in the log, in the order of its stream; how many repeats there are."""
    arrivals, repeats = first_arrivals(sea.ports.bus)
    wanted = {stream: list(range(1, version + 1)) for stream, version in heads(sea.ports.store).items()}
    assert arrivals == wanted
    return repeats


def published(sea: Sea) -> bool:
    """Whether the outbox is empty."""
    return sea.ports.relay.backlog() == 0


@pytest.mark.long
@pytest.mark.rounds
def test_fault_22_a_relay_killed_between_publish_and_mark_loses_reorders_and_doubles_nothing(postgres_url: str, kafka_url: str) -> None:
    def one_world(part: range) -> tuple[int, int]:
        with at_sea(postgres_url, kafka_url) as sea:
            for round_ in part:
                sea.add(20, 20, first=f"new{round_}-")  # nobody has claimed these
                sea.add(20, 20)  # these are in a dead relay's hands until its lease is over
                victim = sea.start("relay", fault=MARKED if round_ % 5 == 4 else BETWEEN_PUBLISH_AND_MARK)
                assert victim.wait(30) == -signal.SIGKILL, victim.tail()
            sea.start("relay")
            sea.start("projector")
            until(lambda: published(sea), 30, "the outbox is empty")
            sea.settle()
            return sea.prove().events, in_order(sea)

    total, started = amount(100), time.monotonic()
    events, repeats = map(sum, zip(*at_once(one_world, shared(total, 4)), strict=True))
    assert repeats >= total // 2  # the fault struck where it should: what was published was not marked
    report("22 relay killed", rounds=total, events=events, lost=0, reordered=0, repeats=repeats, seconds=time.monotonic() - started)


@pytest.mark.long
@pytest.mark.rounds
def test_fault_23_of_two_relays_one_paused_past_its_lease_neither_loses_nor_doubles(postgres_url: str, kafka_url: str) -> None:
    pause_s = max(6.0, amount(10))  # past the lease of 5 s
    points = (BETWEEN_PUBLISH_AND_MARK, Fault("bus.publish"))
    with at_sea(postgres_url, kafka_url) as sea:
        sea.start("projector")
        steady = sea.start("relay", ready=True)
        paused = [sea.start("relay", fault=Fault(point.point, at=2, signal="SIGSTOP")) for point in points]
        log = sea.fleet.folder / "acked"
        writer = sea.start("writer", rate=150, tallies=40, log=str(log), ready=True)
        until(lambda: all(relay.state() == "T" for relay in paused), 30, "both are paused, each with streams in its hands")
        time.sleep(pause_s)
        for relay in paused:
            relay.resume()
        time.sleep(1.0)
        steady.pause()  # … and the other way round: those who were paused have to do it all
        time.sleep(0.5)
        steady.resume()
        writer.stop()
        until(lambda: published(sea), 30, "the outbox is empty")
        sea.settle()
        found = sea.prove()
        repeats = in_order(sea)
        assert found.events == len(log.read_text().splitlines())
        sea.fleet.check()
    report("23 two relays, pauses", paused_s=pause_s, events=found.events, lost=0, reordered=0, repeats=repeats)


class Acked(NamedTuple):
    """A line of a writer's log."""

    started: float
    seconds: float
    stream: str
    last: int
    value: int


def acked(log: Path) -> Iterator[Acked]:
    """What a writer was told."""
    return (Acked(*json.loads(line)) for line in log.read_text().splitlines())


@pytest.mark.long
@pytest.mark.rounds
def test_fault_21_a_broker_that_is_away_slows_no_command_and_everything_comes_in_order_afterwards(
    postgres_url: str, kafka_server: KafkaServer
) -> None:
    away_s = float(amount(60))
    with at_sea(postgres_url, kafka_server.url) as sea:
        sea.start("relay", ready=True)
        sea.start("projector", ready=True)
        log = sea.fleet.folder / "acked"
        writer = sea.start("writer", rate=200, tallies=50, log=str(log), ready=True)
        sea.ports.bus.close()  # this process has nothing to do there
        time.sleep(6.0)
        killed = time.monotonic()
        kafka_server.kill()
        time.sleep(away_s)
        back = time.monotonic()
        assert not published(sea)
        kafka_server.start()
        started = time.monotonic()
        time.sleep(2.0)
        writer.stop()
        until(lambda: published(sea), 60, "the outbox is empty")
        sea.settle(60)
        drained_s = time.monotonic() - started
        found = sea.prove()
        with ports(sea.where) as again:
            repeats = in_order(Sea(sea.where, again, sea.fleet))
        commands = list(acked(log))
        sea.fleet.check()
    before = [one.seconds for one in commands if one.started < killed]
    during = [one.seconds for one in commands if killed < one.started < back]
    report(
        "21 broker away",
        away_s=away_s,
        commands=len(commands),
        rate_during=len(during) / away_s,
        p50_before_ms=p50(before) * 1000,
        p50_during_ms=p50(during) * 1000,
        p99_before_ms=p99(before) * 1000,
        p99_during_ms=p99(during) * 1000,
        lost=len(commands) - found.events,
        repeats=repeats,
        drained_s=drained_s,
    )
    assert found.events == len(commands)
    assert len(during) / away_s >= 0.8 * len(before) / 6.0
    assert p99(during) < max(2 * p99(before), 0.05)  # a shared machine has hiccups of its own
    assert drained_s <= 30
