"""Projectors as KEDA runs them, from cold zero: how fast four of them are, how soon one is awake, and what their coming and going costs.

The pods are processes from the command and the environment that the stack declares. The peer is what one writes by hand for the same
job: a kafka-python consumer that folds the same events with the same function into the same PostgreSQL, one transaction a batch and
the offset after it. It has no watermarks, so it is the cheapest thing that could be called a projector, and it doubles what was in
the hands of a pod when the group was shared out anew; how much that is, is told beside our nothing.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import batched
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import sql

from bench import servers
from bench.cluster_domain import NAME, named
from bench.cluster_pods import Pods, pods
from bench.measure import Line, Round, Sample, bounded
from bench.project_lines import recorded
from runtime.domain.manifest import topic
from runtime.flow.cloudevents import to_bus
from runtime.flow.project import watched_group
from runtime.ports import Envelope, Phase

PEER = "bare kafka-python + psycopg consumers, one table"
EVENTS = 1_000_000
SOME = 200_000  # for what need not be so many
PER_ROW = 25
PARTITIONS = 4
REPLICAS = 4
WAKING_S = 2.5
WAITING = 500  # events that wake a pod
WAKINGS = 7
AT_ONCE = 400  # accounts
PATIENCE_S = 1_800.0
LOOK_S = 0.05

type Count = Callable[[], int]


class Water:
    """A ledger's events in the store and on the topic, and a rows database for each side that folds them."""

    def __init__(self, events: int, stack: contextlib.ExitStack) -> None:
        from hosts.providers import open_bus
        from hosts.settings import BusSettings
        from providers.kafka.bus import KafkaBus
        from providers.postgres.events import PostgresEventStore

        self.app = named(f"ledger_{uuid4().hex[:8]}")
        self.events = 0
        self.kafka, self.postgres, self._stack = servers.kafka(), stack.enter_context(servers.postgres()), stack
        opened, signals = open_bus(self.kafka, self.app, rules=BusSettings(partitions=PARTITIONS))
        assert isinstance(opened, KafkaBus)
        self._bus = opened
        stack.callback(signals.close)
        stack.callback(opened.close)
        self._store = stack.enter_context(contextlib.closing(PostgresEventStore(self.postgres, self.app.name)))
        self.add(events)

    def add(self, events: int) -> None:
        """Store and publish so many more."""
        first = self.events // PER_ROW
        self.events += events
        for some in batched(range(first, self.events // PER_ROW), AT_ONCE, strict=False):
            stored = [recorded(f"{id:06}", version) for id in some for version in range(1, PER_ROW + 1)]
            self._store.restore(stored, [])
            self._bus.publish([Envelope(event.stream, to_bus(event, "/bench")) for event in stored])

    @contextlib.contextmanager
    def ours(self) -> Iterator[tuple[Pods, Count, Callable[[], int]]]:
        """Our pods on prepared tables; how many events they have folded; how many are wrong in the rows."""
        from providers.postgres.rows import PostgresReadStore

        with servers.postgres() as rows_url, pods("hosts.projector --group=rows", self._environment(rows_url)) as ours:
            with contextlib.closing(PostgresReadStore(rows_url, self.app.name)) as rows:
                rows.create(self.app.groups["rows"], Phase.LIVE, self._store.epoch())
            space = sql.Identifier(self.app.name)
            marks = sql.SQL("SELECT coalesce(sum(version), 0)::bigint FROM {}.read_watermarks").format(space)
            balance = sql.SQL("{}.row_1_balance").format(space)
            with psycopg.connect(rows_url, autocommit=True) as looking:
                yield ours, lambda: _one(looking, marks), partial(self._wrong, looking, balance)

    @contextlib.contextmanager
    def theirs(self) -> Iterator[tuple[Pods, Count, Callable[[], int]]]:
        """The same for the peer."""
        from bench.peers.bare_group import TABLE

        brokers, group = self.kafka.removeprefix("kafka://").partition("?")[0], f"bare-{uuid4().hex[:8]}"
        with servers.postgres() as url, psycopg.connect(url, autocommit=True) as looking:
            looking.execute(TABLE)
            with pods(f"bench.peers.bare_group {brokers} {topic(self.app)} {group} {url}", {}) as bare:
                total = sql.SQL("SELECT coalesce(sum(entries), 0)::bigint FROM balance")
                yield bare, lambda: _one(looking, total), partial(self._wrong, looking, sql.SQL("balance"))

    def _environment(self, rows_url: str) -> Mapping[str, str]:
        told = {"APP": "bench.cluster_domain:app", "EVENTS": self.postgres, "ROWS": rows_url, "BUS": self.kafka}
        told |= {"TOPICS": "given", "PARTITIONS": str(PARTITIONS), "WATCHED": "1"}
        return {NAME: self.app.name} | {f"TRIMARAN_{name}": value for name, value in told.items()}

    def _wrong(self, looking: Any, table: sql.Composable) -> int:
        """Events that are in no row, and those that are in one twice."""
        query = sql.SQL("SELECT coalesce(sum(abs(entries - %s)), 0)::bigint, count(*) FROM {}").format(table)
        wrong, rows = looking.execute(query, (PER_ROW,)).fetchone()
        return int(wrong) + PER_ROW * (self.events // PER_ROW - int(rows))

    def shown(self) -> int:
        """How many events are done by the group that KEDA watches."""
        lags: dict[int, int] = self._bus.lag(watched_group(self.app, "rows"))
        return self.events - sum(lags.values())


def _one(looking: Any, query: sql.Composable) -> int:
    row = looking.execute(query).fetchone()
    return int(row[0])


def until(pods: Pods, folded: Count, events: int) -> float:
    """Seconds until so many events are folded; the pods have to run."""
    began = time.perf_counter()
    while folded() < events:
        pods.check()
        if time.perf_counter() - began > PATIENCE_S:
            raise RuntimeError(f"only {folded():,} of {events:,} events were folded:\n{pods.tail()}")
        time.sleep(LOOK_S)
    return time.perf_counter() - began


def remark(text: str) -> None:
    """For whoever watches."""
    print(text, file=sys.stderr, flush=True)


# --- four from cold zero
@contextlib.contextmanager
def million(events: int = EVENTS) -> Iterator[Round]:
    """All of it by four pods that are started together, until the last event is in its row; nothing may be lost or doubled."""
    with contextlib.ExitStack() as stack:
        water = Water(events, stack)

        def measure() -> Sample:
            with water.ours() as (ours, folded, wrong):
                our_s = _drained(ours, folded, water.events)
                until(ours, water.shown, water.events)  # KEDA takes no pod before
                ours.scale(0)
                if wrong() or water.shown() != water.events:
                    raise RuntimeError(f"{wrong():,} events are lost or doubled, of {water.events:,} KEDA sees {water.shown():,} as done")
            with water.theirs() as (bare, folded, wrong):
                bare_s = _drained(bare, folded, water.events)
                bare.scale(0)
                remark(f"cluster-million: the peer lost or doubled {wrong():,} events, ours 0")
            return Sample(bare_s / our_s, water.events / our_s, water.events / bare_s)

        yield measure


def _drained(pods: Pods, folded: Count, events: int) -> float:
    """Seconds from their start to the last event."""
    pods.scale(REPLICAS)
    first_s = until(pods, folded, 1)
    rest_s = until(pods, folded, events)
    remark(f"first commit {first_s:.2f} s after the start of {REPLICAS} processes at once, all {events:,} events {rest_s:.1f} s later")
    return first_s + rest_s


# --- one from cold zero
@contextlib.contextmanager
def waking() -> Iterator[Round]:
    """From a pod's process start to its first committed batch, the median of some."""
    with contextlib.ExitStack() as stack:
        water = Water(WAITING, stack)

        def once() -> float:
            with water.ours() as (ours, folded, _):
                ours.scale(1)
                taken = until(ours, folded, 1)
                ours.scale(0)
                return taken

        once()  # compiles

        def turn() -> float:
            return sorted(once() for _ in range(WAKINGS))[WAKINGS // 2]

        yield bounded(turn, WAKING_S)


# --- coming and going
@contextlib.contextmanager
def scale_down(events: int = SOME) -> Iterator[Round]:
    """Pods come and go while they work, 4, 2, 0, 3, 1, 4 of them: how many events are lost or doubled in the end."""
    with contextlib.ExitStack() as stack:
        water = Water(events, stack)

        def measure() -> Sample:
            wrong = []
            for side in (water.ours, water.theirs):
                with side() as (some, folded, differs):
                    for share, replicas in enumerate((4, 2, 0, 3, 1, 4)):
                        some.scale(replicas)
                        if replicas:
                            until(some, folded, water.events * (share + 1) // 10)
                    until(some, folded, water.events)
                    some.scale(0)
                    wrong.append(differs())
            return Sample(wrong[0], wrong[0], wrong[1])

        yield measure


LINES = (
    Line("cluster-million", 0.4, "higher", PEER, "events/s, 4 pods from cold zero", million, rounds_max=1),
    Line("cluster-waking", 1, "lower", f"at most {WAKING_S} s", "s from process start to first commit", waking, rounds_max=3),
    Line("cluster-scale-down", 0, "lower", PEER, "events lost or doubled (ratio: how many)", scale_down, rounds_max=1),
)
