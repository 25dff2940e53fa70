"""From a command to the signal that its row changed, over real PostgreSQL and real Kafka, against a bare pipeline of the same hops.

Commands come one at a time, each waits for its signal: latency, not throughput. A turn costs the median of its commands.
"""

import contextlib
from collections.abc import Callable, Iterator
from statistics import median
from time import monotonic, perf_counter, sleep
from uuid import uuid4

from bench import domain, servers
from bench.measure import Line, Round, Turn, cost

PEER = "bare pipeline, same hops"
COMMANDS = 20  # a turn
PARTITIONS = 8
PATIENCE_S = 20.0
PAUSE_S = 0.002  # between commands, so that every hop is idle again


def turn_of(send: Callable[[str], object], wait: Callable[[str], None], name: str) -> Turn:
    """A turn: the median seconds from just before the command to its signal."""
    number = [0]

    def one() -> float:
        number[0] += 1
        id = f"{name}{number[0]}"
        start = perf_counter()
        send(id)
        wait(id)
        taken = perf_counter() - start
        sleep(PAUSE_S)
        return taken

    return lambda: median(one() for _ in range(COMMANDS))


@contextlib.contextmanager
def trimaran(url: str, topic: str) -> Iterator[Turn]:
    """The whole of ours in one process, as `trimaran dev` runs it."""
    from hosts.local import Local
    from hosts.providers import Events
    from providers.kafka.bus import KafkaBus
    from providers.kafka.signals import KafkaSignals
    from providers.postgres.events import PostgresEventStore
    from providers.postgres.relay import PostgresRelay
    from providers.postgres.rows import PostgresReadStore
    from providers.postgres.snapshots import PostgresSnapshots

    with contextlib.ExitStack() as stack:
        store = stack.enter_context(contextlib.closing(PostgresEventStore(url, "bench")))
        rows = stack.enter_context(contextlib.closing(PostgresReadStore(url, "bench")))
        bus = stack.enter_context(contextlib.closing(KafkaBus(servers.kafka(), topic, PARTITIONS)))
        signals = stack.enter_context(contextlib.closing(KafkaSignals(servers.kafka(), f"{topic}-signals")))
        bus.ensure(3600)
        signals.ensure(3600)
        local = Local(domain.app, Events(store, PostgresSnapshots(store), PostgresRelay(store)), rows, bus, signals)
        stack.callback(local.stop)
        local.start()
        listener = stack.enter_context(signals.listen())

        def wait(id: str) -> None:
            until = monotonic() + PATIENCE_S
            while monotonic() < until:
                if any(signal.key == id for signal in listener.take(100, 1.0)):
                    return
                if local.failure is not None:
                    raise local.failure
            raise TimeoutError(f"no signal of {id} within {PATIENCE_S:g} s")

        yield turn_of(lambda id: local.commands.send(domain.enter(id, 1)), wait, "a")


@contextlib.contextmanager
def bare(url: str, topic: str) -> Iterator[Turn]:
    """The same hops by hand."""
    from bench.peers.bare_pipeline import Pipeline
    from providers.kafka.bus import KafkaBus
    from providers.kafka.signals import KafkaSignals

    with contextlib.closing(KafkaBus(servers.kafka(), topic, PARTITIONS)) as bus:
        bus.ensure(3600)
    with contextlib.closing(KafkaSignals(servers.kafka(), f"{topic}-signals")) as signals:
        signals.ensure(3600)
    bootstrap = servers.kafka().removeprefix("kafka://").partition("?")[0]
    with contextlib.closing(Pipeline(url, bootstrap, topic, f"{topic}-signals")) as pipeline:
        yield turn_of(pipeline.send, lambda id: pipeline.wait(id, PATIENCE_S), "b")


@contextlib.contextmanager
def latency() -> Iterator[Round]:
    """Both pipelines run the whole time; they take turns at being used."""
    name = uuid4().hex[:8]
    with servers.postgres() as url, trimaran(url, f"bench-{name}-a") as ours, bare(url, f"bench-{name}-b") as theirs:
        sleep(1)  # both groups have joined
        for _ in range(2):
            ours()
            theirs()
        yield cost(ours, theirs, turns=4, scale=1000)


LINES = (Line("latency-kafka-postgres", 1.5, "lower", PEER, "ms, p50", latency),)
