"""The projector on real Kafka and PostgreSQL against a bare poll loop with the same durable writes.

Every event of a turn is published before the clock starts: 25 consecutive events a row, so a batch of 2,000 folds 80 rows. Both
sides are consumer groups of the same topic.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from itertools import batched
from uuid import uuid4

from bench import domain, servers
from bench.measure import Line, Round, Sample, race, timed
from bench.project_lines import recorded
from runtime.domain import App
from runtime.flow.cloudevents import to_bus
from runtime.flow.project import Projector
from runtime.ports import Envelope, Phase, Recorded
from runtime.steps import run

PEER = "bare kafka-python + psycopg loop"
PER_ROW = 25
EVENTS = 10_000  # a turn
PARTITIONS = 8
FLIGHTS_FIGURE = 5_000  # what the embedded defaults have to reach, commands included
EMPTY_POLLS = 300  # of 0.2 s: then something was lost


def drain(once: Callable[[], int], events: int) -> None:
    """Poll until so many events were folded."""
    done = empty = 0
    while done < events:
        folded = once()
        done += folded
        empty = 0 if folded else empty + 1
        if empty > EMPTY_POLLS:
            raise RuntimeError(f"only {done:,} of {events:,} events came")


class Ours:
    """The projector of one group of an app, on a fresh topic and database."""

    def __init__(self, app: App, group: str, url: str, stack: contextlib.ExitStack, *, watched: bool = False) -> None:
        from providers.kafka.bus import KafkaBus
        from providers.memory.signals import MemorySignals
        from providers.postgres.events import PostgresEventStore
        from providers.postgres.rows import PostgresReadStore

        self.topic = f"bench-{uuid4().hex[:8]}"
        self._bus = stack.enter_context(contextlib.closing(KafkaBus(servers.kafka(), self.topic, PARTITIONS)))
        self._bus.ensure(3600)
        store = stack.enter_context(contextlib.closing(PostgresEventStore(url, "bench")))
        rows = stack.enter_context(contextlib.closing(PostgresReadStore(url, "bench")))
        generation = rows.create(app.groups[group], Phase.LIVE, 1)
        self.projector = Projector(app, generation, store, rows, self._bus, MemorySignals(), sync_every_s=3600, watched=watched)
        stack.callback(self.projector.close)

    def publish(self, events: Iterable[Recorded]) -> int:
        """Put events on the topic; how many."""
        envelopes = [Envelope(event.stream, to_bus(event, "/bench")) for event in events]
        self._bus.publish(envelopes)
        return len(envelopes)

    def turn(self, events: int) -> float:
        """The seconds until so many were folded."""
        return timed(lambda: drain(lambda: run(self.projector.once()), events))()


@contextlib.contextmanager
def projector() -> Iterator[Round]:
    """Drain what was published, ours then theirs."""
    from bench.peers import bare_kafka, bare_postgres_rows

    with contextlib.ExitStack() as stack:
        url = stack.enter_context(servers.postgres())
        ours = Ours(domain.app, "rows", url, stack)
        bare = stack.enter_context(contextlib.closing(bare_postgres_rows.Projector(url)))
        bootstrap = servers.kafka().removeprefix("kafka://").partition("?")[0]
        loop = bare_kafka.Loop(bootstrap, ours.topic, f"{ours.topic}-bare", bare.apply)
        stack.callback(loop.close)
        published = [0]

        def us() -> float:
            first = published[0]
            published[0] += EVENTS // PER_ROW
            ours.publish(recorded(str(id), version) for id in range(first, published[0]) for version in range(1, PER_ROW + 1))
            return ours.turn(EVENTS)

        def peer() -> float:
            return timed(lambda: drain(loop.once, EVENTS))()

        for _ in range(2):  # joining the group is not what is measured
            us()
            peer()
        yield race(us, peer, work=EVENTS, turns=4)


@contextlib.contextmanager
def watched() -> Iterator[Round]:
    """What showing every commit to the group that is watched costs: the same projector with it and without."""
    with contextlib.ExitStack() as stack:
        sides = [
            Ours(App(name, parts=domain.app.parts), "rows", stack.enter_context(servers.postgres()), stack, watched=name == "shown")
            for name in ("shown", "unseen")  # two apps, so that they share no group
        ]
        rows = [0, 0]

        def turn(side: int) -> float:
            first = rows[side]
            rows[side] += EVENTS // PER_ROW
            sides[side].publish(recorded(str(id), version) for id in range(first, rows[side]) for version in range(1, PER_ROW + 1))
            return sides[side].turn(EVENTS)

        for _ in range(2):
            turn(0)
            turn(1)
        yield race(lambda: turn(0), lambda: turn(1), work=EVENTS, turns=4)


@contextlib.contextmanager
def flights() -> Iterator[Round]:
    """The flights' board and five aggregations on the same servers: reported, with no goal."""
    from apps.flights import app
    from bench import year

    with contextlib.ExitStack() as stack:
        ours = Ours(app, "rows", stack.enter_context(servers.postgres()), stack)
        some = batched(year.events_of(year.FIRST, year.LAST), 1_000, strict=False)

        def measure() -> Sample:
            events = ours.publish(event for one in next(some) for event in one)
            per_s = events / ours.turn(events)
            return Sample(per_s / FLIGHTS_FIGURE, per_s)

        measure()
        yield measure


LINES = (
    Line("kafka-projector", 0.5, "higher", PEER, "events/s", projector),
    Line("kafka-projector-watched", 0, "higher", "the same, showing nothing (reported only)", "events/s", watched),
    Line("kafka-projector-flights", 0, "higher", f"{FLIGHTS_FIGURE:,} events/s (reported only)", "events/s", flights),
)
