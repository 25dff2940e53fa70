"""What a hand-written projector computes for one batch: rows, watermarks and the change log, with no part, codec or letter in sight.

Shared by the bare loops on SQLite and PostgreSQL. Each event is decoded once, into the class that
is folded, and the columns written are ours.
"""

from collections.abc import Iterable, Mapping, Sequence
from zlib import crc32

import msgspec

from bench.domain import Account, Entered, show

type Arrivals = Mapping[str, Sequence[tuple[int, Entered]]]  # stream -> (version, event), in order
type Stored = tuple[tuple[str, int, int, str], int]  # the row's values and its revision

decode = msgspec.json.Decoder(Entered).decode
_encode = msgspec.json.Encoder().encode


class Folded:
    """What to write: rows (key, revision, values), watermarks (stream, version), changes (number, key, revision, before, after)."""

    __slots__ = ("changes", "events", "marks", "rows")

    def __init__(self) -> None:
        self.rows: list[tuple[str, int, tuple[str, int, int, str]]] = []
        self.marks: list[tuple[str, int]] = []
        self.changes: list[tuple[int, str, int, bytes, bytes]] = []
        self.events = 0


def key_of(stream: str) -> str:
    """The row that a stream feeds."""
    return stream.partition("-")[2]


def shards_of(streams: Iterable[str]) -> list[int]:
    """The shards of these streams, ascending."""
    return sorted({crc32(stream.encode()) & 255 for stream in streams})


def fold(arrivals: Arrivals, marks: Mapping[str, int], rows: Mapping[str, Stored], number: int) -> Folded:
    """Fold what is newer than the watermarks; `number` is the last change's."""
    folded = Folded()
    for stream, events in arrivals.items():
        mark = marks.get(stream, 0)
        key = key_of(stream)
        stored = rows.get(key)
        row = None if stored is None else Account(*stored[0])
        revision = 1 if stored is None else stored[1] + 1
        for version, event in events:
            if version > mark:
                row = show(row, event)
                mark = version
                folded.events += 1
        if row is None:
            continue
        values = (row.account, row.entries, row.total, row.last)
        number += 1
        before = b"" if stored is None else _encode({"entries": stored[0][1], "total": stored[0][2], "last": stored[0][3]})
        folded.rows.append((key, revision, values))
        folded.marks.append((stream, mark))
        folded.changes.append((number, key, revision, before, _encode(row)))
    return folded
