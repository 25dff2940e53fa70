"""The projector on real Kafka and PostgreSQL against a bare poll loop with the same durable writes.

Every event of a turn is published before the clock starts: 25 consecutive events a row, so a batch of 2,000 folds 80 rows. Both
sides are consumer groups of the same topic.
"""

import contextlib
from collections.abc import Callable, Iterator
from uuid import uuid4

from bench import domain, servers
from bench.measure import Line, Round, race, timed
from bench.project_lines import recorded
from runtime.flow.cloudevents import to_bus
from runtime.flow.project import Projector
from runtime.ports import Envelope, Phase
from runtime.steps import run

PEER = "bare kafka-python + psycopg loop"
PER_ROW = 25
EVENTS = 10_000  # a turn
PARTITIONS = 8
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


@contextlib.contextmanager
def projector() -> Iterator[Round]:
    """Drain what was published, ours then theirs."""
    from bench.peers import bare_kafka, bare_postgres_rows
    from providers.kafka.bus import KafkaBus
    from providers.memory.signals import MemorySignals
    from providers.postgres.events import PostgresEventStore
    from providers.postgres.rows import PostgresReadStore

    with contextlib.ExitStack() as stack:
        url = stack.enter_context(servers.postgres())
        topic = f"bench-{uuid4().hex[:8]}"
        bus = stack.enter_context(contextlib.closing(KafkaBus(servers.kafka(), topic, PARTITIONS)))
        bus.ensure(3600)
        store = stack.enter_context(contextlib.closing(PostgresEventStore(url, "bench")))
        rows = stack.enter_context(contextlib.closing(PostgresReadStore(url, "bench")))
        generation = rows.create(domain.app.groups["rows"], Phase.LIVE, 1)
        ours = Projector(domain.app, generation, store, rows, bus, MemorySignals(), sync_every_s=3600)
        stack.callback(ours.close)
        bare = stack.enter_context(contextlib.closing(bare_postgres_rows.Projector(url)))
        bootstrap = servers.kafka().removeprefix("kafka://").partition("?")[0]
        loop = bare_kafka.Loop(bootstrap, topic, f"{topic}-bare", bare.apply)
        stack.callback(loop.close)
        published = [0]

        def publish() -> None:
            first = published[0]
            published[0] += EVENTS // PER_ROW
            events = [recorded(str(id), version) for id in range(first, published[0]) for version in range(1, PER_ROW + 1)]
            bus.publish([Envelope(event.stream, to_bus(event, "/bench")) for event in events])

        def turn(once: Callable[[], int]) -> float:
            return timed(lambda: drain(once, EVENTS))()

        def us() -> float:
            publish()
            return turn(lambda: run(ours.once()))

        for _ in range(2):  # joining the group is not what is measured
            us()
            turn(loop.once)
        yield race(us, lambda: turn(loop.once), work=EVENTS, turns=4)


LINES = (Line("kafka-projector", 0.5, "higher", PEER, "events/s", projector),)
