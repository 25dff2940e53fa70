"""What the rows of the domain have to be, computed from the stored events alone, and an audit that compares.

An audit takes every shard's lock and reads watermarks and rows under them, so it is exact at any moment, also while processes
are killed around it: the rows are what the events up to the watermarks make them, no more and no less.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from runtime.errors import Unavailable
from runtime.ports import SHARDS, EventStore, Head, Phase, ReadStore, Recorded
from tests.processes.domain import link

PAGE = 20_000
GROUP = "rows"

type Rows = dict[str, tuple[Any, ...]]


class Audit(Struct, frozen=True):
    """What an audit found: how many streams and events there are, how many events are folded, and what is wrong with the rows."""

    streams: int
    events: int
    folded: int
    wrong: list[str]

    @property
    def caught_up(self) -> bool:
        """Every stored event is folded."""
        return self.folded == self.events


def stored(store: EventStore) -> dict[str, list[Recorded]]:
    """Every event, by stream, in order."""
    streams: dict[str, list[Recorded]] = {}
    place = Head("", 0)
    while page := store.bulk(place, "", PAGE):
        for event in page:
            streams.setdefault(event.stream, []).append(event)
        place = Head(page[-1].stream, page[-1].version)
    return streams


def heads(store: EventStore) -> dict[str, int]:
    """The version at which every stream stands."""
    found: dict[str, int] = {}
    after = ""
    while page := store.heads(after, PAGE):
        found.update({head.stream: head.version for head in page})
        after = page[-1].stream
    return found


def made_of(events: Iterable[Recorded]) -> tuple[Rows, Rows]:
    """Tallies and buckets by their stored keys."""
    tallies: Rows = {}
    buckets: Rows = {}
    for event in events:
        told = json.loads(event.data)
        name, bucket, value = told["tally"], told["bucket"], told["value"]
        _, count, total, chain = tallies.get(name, (name, 0, 0, 0))
        tallies[name] = (name, count + 1, total + value, link(chain, value))
        _, values, sum_, most = buckets.get(f"[{bucket}]", (bucket, 0, 0, value))
        buckets[f"[{bucket}]"] = (bucket, values + 1, sum_ + value, max(most, value))
    return tallies, buckets


def live(rows: ReadStore) -> int:
    """The number of the live generation."""
    return next(one.number for one in rows.generations(GROUP) if one.phase is Phase.LIVE)


def audit(store: EventStore, rows: ReadStore, generation: int | None = None, *, parked: Mapping[str, int] | None = None) -> Audit:
    """Compare. `parked` names streams whose tallies are parked from a version on."""
    number = live(rows) if generation is None else generation
    marks, tallies, buckets = _read(rows, number, list(heads(store)))
    streams = stored(store)
    folded = [event for stream, mark in marks.items() for event in streams[stream][:mark]]
    wrong = [
        f"{stream}: its watermark is {mark}, it has {len(streams[stream])} events"
        for stream, mark in marks.items()
        if mark > len(streams[stream])
    ]
    wrong += [f"{stream}: versions are not 1, 2, 3 …" for stream, events in streams.items() if not _whole(events)]
    unparked = [event for event in folded if event.version < (parked or {}).get(event.stream, event.version + 1)]
    wrong += _differences("tallies", made_of(unparked)[0], tallies)
    wrong += _differences("buckets", made_of(folded)[1], buckets)
    return Audit(len(streams), sum(map(len, streams.values())), len(folded), wrong)


def _whole(events: list[Recorded]) -> bool:
    return [event.version for event in events] == list(range(1, len(events) + 1))


def _read(rows: ReadStore, generation: int, streams: list[str]) -> tuple[dict[str, int], Rows, Rows]:
    tx = rows.begin(GROUP, generation)
    try:
        tx.lock(list(range(SHARDS)))
        marks = tx.watermarks(streams)
        tallies = tx.rows("tallies", [stream.removeprefix("tally-") for stream in streams])
        buckets = tx.rows("buckets", [f"[{bucket}]" for bucket in range(5)])
    finally:
        tx.rollback()
    kept = [{key: row.values for key, row in found.items() if row.values is not None} for found in (tallies, buckets)]
    return marks, kept[0], kept[1]


def _differences(part: str, wanted: Rows, found: Rows) -> list[str]:
    return [
        f"{part} {key!r}: wanted {wanted.get(key)}, found {found.get(key)}"
        for key in sorted(wanted.keys() | found.keys())
        if wanted.get(key) != found.get(key)
    ]


def audited(store: EventStore, rows: ReadStore, **options: Any) -> Audit:
    """An audit that waits for whoever holds a shard for too long, a few times."""
    for _ in range(20):
        try:
            return audit(store, rows, **options)
        except Unavailable:
            continue
    return audit(store, rows, **options)
