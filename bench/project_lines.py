"""Projection on SQLite: from stored events to rows, watermarks and change log, against the same by hand and against eventsourcing.

Two shapes: streams of 50 consecutive events (a batch folds 50 into one row write) and 150,000 interleaved streams (every event
is a row of its own). Batches are the projector's 2,000 events.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from functools import partial
from itertools import batched
from pathlib import Path

from bench import domain
from bench.measure import Line, Round, race, timed
from bench.peers.bare_fold import decode
from runtime.flow.project import BATCH
from runtime.flow.sink import Sink
from runtime.ports import Head, Phase, Recorded
from runtime.steps import run

BARE = "bare sqlite3, same rows"
LIBRARY = "eventsourcing 9.5.6"
CONSECUTIVE = 50
INTERLEAVED = 150_000
LIBRARY_TURN = 500  # events: one transaction each
TIME = "2026-11-23T22:10:42.454601+00:00"


def recorded(id: str, version: int) -> Recorded:
    """One stored event, as it comes off the bus."""
    stream = f"account-{id}"
    return Recorded(stream, version, "Entered", domain.app.encode(domain.entered(id, version)), f"{id}-{version:020}", time=TIME)


def by_stream(events: tuple[Recorded, ...]) -> dict[str, list[Recorded]]:
    """What a projector hands to the sink."""
    arrivals: dict[str, list[Recorded]] = {}
    for event in events:
        arrivals.setdefault(event.stream, []).append(event)
    return arrivals


class Ours:
    """The sink over a fresh read store in a SQLite file."""

    def __init__(self, path: Path) -> None:
        from providers.memory.signals import MemorySignals
        from providers.sqlite.rows import SqliteReadStore

        self._store = SqliteReadStore(str(path))
        generation = self._store.create(domain.app.groups["rows"], Phase.LIVE, 1)
        # what arrives is whole, so the event store is never asked
        self.sink = Sink(domain.app, "rows", generation.number, None, self._store, MemorySignals(), epoch=1)  # type: ignore[arg-type]

    def apply(self, events: tuple[Recorded, ...]) -> int:
        """Fold them in batches; how many were new."""
        return sum(run(self.sink.apply(by_stream(batch))).events for batch in batched(events, BATCH, strict=False))

    def close(self) -> None:
        """Close the file."""
        self._store.close()


@contextlib.contextmanager
def both(name: str) -> Iterator[tuple[Ours, Path]]:
    """Ours, and a folder for the peer."""
    with tempfile.TemporaryDirectory(prefix=f"trimaran-bench-{name}-") as folder:
        ours = Ours(Path(folder) / "ours.db")
        with contextlib.closing(ours):
            yield ours, Path(folder)


def turns_of(shape: str) -> Iterator[tuple[Recorded, ...]]:
    """Endless turns of fresh events: 20,000 consecutive ones, or 30,000 of the interleaved streams in a scattered order."""
    number = 0
    while True:
        if shape == "consecutive":
            ids = [f"{number + position}" for position in range(20_000 // CONSECUTIVE)]
            number += len(ids)
            yield tuple(recorded(id, version) for id in ids for version in range(1, CONSECUTIVE + 1))
        else:
            start, version = number % INTERLEAVED, 1 + number // INTERLEAVED
            number += 30_000
            # 7,919 is prime to 150,000: neighbours in time are strangers on disk
            yield tuple(recorded(f"{(position * 7919) % INTERLEAVED:06}", version) for position in range(start, start + 30_000))


@contextlib.contextmanager
def against_bare(shape: str) -> Iterator[Round]:
    """The same events, in the same batches, handed to both."""
    from bench.peers import bare_sqlite

    with both(shape) as (ours, folder), contextlib.closing(bare_sqlite.Projector(folder / "bare.db")) as bare:
        turns = turns_of(shape)

        def by_hand(events: tuple[Recorded, ...]) -> int:
            done = 0
            for batch in batched(events, BATCH, strict=False):
                arrivals: dict[str, list[tuple[int, domain.Entered]]] = {}
                for event in batch:
                    arrivals.setdefault(event.stream, []).append((event.version, decode(event.data)))
                done += bare.apply(arrivals)
            return done

        def measure() -> Iterator[tuple[float, float]]:
            while True:
                events = next(turns)
                yield timed(partial(checked, ours.apply, events))(), timed(partial(checked, by_hand, events))()

        pairs = measure()
        next(pairs)
        yield pairwise(pairs, 20_000 if shape == "consecutive" else 30_000, turns=5)


def checked(apply: "partial[int] | object", events: tuple[Recorded, ...]) -> None:
    """Apply, and insist that everything was folded."""
    assert callable(apply)
    done = apply(events)
    assert done == len(events), f"{done} of {len(events)} events were folded"


def pairwise(pairs: Iterator[tuple[float, float]], work: int, turns: int) -> Round:
    """A round of so many pairs of turns."""
    last = [0.0]

    def ours() -> float:
        our_s, last[0] = next(pairs)
        return our_s

    return race(ours, lambda: last[0], work=work, turns=turns)


@contextlib.contextmanager
def against_library(shape: str) -> Iterator[Round]:
    """Both read their own event store; the library projects one event a transaction and so takes turns of fewer events."""
    from bench.peers import library
    from providers.sqlite.events import SqliteEventStore

    per_stream = CONSECUTIVE if shape == "consecutive" else 1
    with both(shape) as (ours, folder):
        store = SqliteEventStore(str(folder / "events.db"))
        theirs = library.on_sqlite(folder / "library.db")
        view = library.balance_view(folder / "view.db")
        with contextlib.closing(store), contextlib.closing(theirs):
            fill(store, 4_000 if per_stream > 1 else INTERLEAVED, per_stream)
            for _ in range(20):
                theirs.save(*library.accounts(LIBRARY_TURN * 4 // per_stream, per_stream))
            place = [Head("", 0)]

            def us() -> None:
                for _ in range(20_000 // BATCH):
                    events = store.bulk(place[0], "", BATCH)
                    assert run(ours.sink.apply(by_stream(tuple(events)))).events == BATCH
                    place[0] = Head(events[-1].stream, events[-1].version)

            def peer() -> None:
                assert library.project(theirs, view, LIBRARY_TURN) == LIBRARY_TURN

            yield race(timed(us), timed(peer), work=20_000, peer_work=LIBRARY_TURN, turns=1)


def fill(store: "SqliteEventStore", streams: int, per_stream: int) -> None:  # type: ignore[name-defined]  # noqa: F821
    """Store the events that a line projects."""
    for ids in batched(range(streams), 5_000, strict=False):
        store.restore([recorded(f"{id:06}", version) for id in ids for version in range(1, per_stream + 1)], [])


LINES = (
    Line("project-50-consecutive", 0.7, "higher", BARE, "events/s", partial(against_bare, "consecutive"), rounds_max=20),
    Line("project-150k-interleaved", 0.7, "higher", BARE, "events/s", partial(against_bare, "interleaved"), rounds_max=7),
    Line(
        "project-50-consecutive-vs-eventsourcing", 60, "higher", LIBRARY, "events/s", partial(against_library, "consecutive"), rounds_max=7
    ),
    Line(
        "project-150k-interleaved-vs-eventsourcing", 7, "higher", LIBRARY, "events/s", partial(against_library, "interleaved"), rounds_max=7
    ),
)
