"""Connections and sockets in memory: the meaning of both ports, and what the driver's own tests run on.

`Weather` makes every call take a little while, seeded, so that concurrent functions meet each other between any two of their steps.
"""

import itertools
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from runtime.ports.sockets import Busy, Connection, Follower, Gone, Operation


class Weather:
    """Waits a random while, at most `most_s`; the same seed, the same whiles."""

    def __init__(self, seed: int, most_s: float) -> None:
        self._random, self._most_s = random.Random(seed), most_s
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            seconds = self._random.uniform(0, self._most_s)
        time.sleep(seconds)


def calm() -> None:
    """No waiting."""


class MemoryConnections:
    """See the Connections port."""

    def __init__(self, weather: Callable[[], None] = calm) -> None:
        self._weather = weather
        self._lock = threading.Lock()
        self._stamps = itertools.count(1)
        self._connections: dict[str, Connection] = {}
        self._operations: dict[str, dict[str, Operation]] = {}
        self._followers: dict[str, dict[tuple[str, str], Follower]] = {}
        self._columns: dict[str, frozenset[str]] = {}
        self._cohorts: dict[str, tuple[bytes, float]] = {}
        self._pushed: dict[tuple[str, int], dict[int, int]] = {}

    # connections
    def connection(self, id: str) -> Connection | None:
        """The row of a connection."""
        self._weather()
        with self._lock:
            return self._connections.get(id)

    def put_connection(self, row: Connection) -> Connection | None:
        """Store it if nobody was first."""
        self._weather()
        with self._lock:
            stored = self._connections.get(row.id)
            if (stored.stamp if stored else "") != row.stamp:
                return None
            kept = self._connections[row.id] = replace(row, stamp=self._stamp())
            return kept

    def drop_connection(self, id: str) -> bool:
        """The row goes."""
        self._weather()
        with self._lock:
            return self._connections.pop(id, None) is not None

    # operations
    def operation(self, connection: str, id: str) -> Operation | None:
        """The row of an operation."""
        self._weather()
        with self._lock:
            return self._operations.get(connection, {}).get(id)

    def operations(self, connection: str) -> list[Operation]:
        """All operation rows of a connection."""
        self._weather()
        with self._lock:
            return list(self._operations.get(connection, {}).values())

    def operations_of(self, ids: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Operation]:
        """Those that are there."""
        self._weather()
        with self._lock:
            found = {(connection, id): self._operations.get(connection, {}).get(id) for connection, id in ids}
        return {key: row for key, row in found.items() if row is not None}

    def put_operation(self, row: Operation) -> Operation | None:
        """Store it if nobody was first."""
        self._weather()
        with self._lock:
            if self._stored(row) != row.stamp:
                return None
            kept = self._operations.setdefault(row.connection, {})[row.id] = replace(row, stamp=self._stamp())
            return kept

    def drop_operation(self, row: Operation) -> bool:
        """The row goes if nobody was first."""
        self._weather()
        with self._lock:
            if not row.stamp or self._stored(row) != row.stamp:
                return False
            del self._operations[row.connection][row.id]
            if not self._operations[row.connection]:
                del self._operations[row.connection]
            return True

    def _stored(self, row: Operation) -> str:
        stored = self._operations.get(row.connection, {}).get(row.id)
        return stored.stamp if stored else ""

    def _stamp(self) -> str:
        return str(next(self._stamps))

    def everyone(self, after: str, limit: int) -> tuple[list[Operation], str]:
        """A page of all live operations."""
        self._weather()
        with self._lock:
            live = {
                f"{row.connection}\0{row.id}": row for held in self._operations.values() for row in held.values() if row.state == "live"
            }
        marks = sorted(mark for mark in live if mark > after)
        return [live[mark] for mark in marks[:limit]], marks[limit - 1] if len(marks) > limit else ""

    # who follows what
    def follow(self, followers: Sequence[Follower]) -> None:
        """Put rows into the index."""
        self._weather()
        with self._lock:
            for each in followers:
                self._followers.setdefault(each.topic, {})[each.connection, each.instance] = each

    def unfollow(self, followers: Sequence[Follower]) -> None:
        """Take rows out of the index."""
        self._weather()
        with self._lock:
            for each in followers:
                rows = self._followers.get(each.topic, {})
                rows.pop((each.connection, each.instance), None)
                if not rows:
                    self._followers.pop(each.topic, None)

    def followers(self, topic: str, after: str, limit: int) -> tuple[list[Follower], str]:
        """A page of a topic's followers."""
        self._weather()
        with self._lock:
            rows = self._followers.get(topic, {})
            marks = sorted(mark for mark in ("\0".join(key) for key in rows) if mark > after)
            page = [rows[connection, instance] for connection, _, instance in (mark.partition("\0") for mark in marks[:limit])]
            return page, marks[limit - 1] if len(marks) > limit else ""

    def note(self, part: str, columns: Sequence[str]) -> None:
        """Somebody may follow these."""
        self._weather()
        with self._lock:
            self._columns[part] = self._columns.get(part, frozenset()) | set(columns)

    def noted(self, part: str) -> frozenset[str]:
        """The columns that were ever noted."""
        self._weather()
        with self._lock:
            return self._columns.get(part, frozenset())

    def keep_cohort(self, cohort: str, data: bytes, until: float) -> None:
        """Keep it, or keep it longer."""
        self._weather()
        with self._lock:
            known = self._cohorts.get(cohort)
            self._cohorts[cohort] = (data, max(until, known[1] if known else 0.0))

    def cohort(self, cohort: str) -> bytes | None:
        """What a cohort shares."""
        self._weather()
        with self._lock:
            known = self._cohorts.get(cohort)
            return known[0] if known else None

    # how far changes were pushed
    def begin(self, group: str, generation: int, numbers: Mapping[int, int]) -> None:
        """Unless it has begun already."""
        self._weather()
        with self._lock:
            self._pushed.setdefault((group, generation), dict(numbers))

    def pushed(self, group: str, generation: int) -> dict[int, int] | None:
        """Per shard, the last pushed number."""
        self._weather()
        with self._lock:
            known = self._pushed.get((group, generation))
            return None if known is None else dict(known)

    def advance(self, group: str, generation: int, numbers: Mapping[int, int]) -> None:
        """Never back."""
        self._weather()
        with self._lock:
            known = self._pushed.setdefault((group, generation), {})
            for shard, number in numbers.items():
                known[shard] = max(number, known.get(shard, number))

    # sweeping
    def due(self, now: float, limit: int) -> list[Connection | Operation]:
        """What has come due; cohorts whose time is over go on the way."""
        self._weather()
        with self._lock:
            for cohort in [cohort for cohort, (_, until) in self._cohorts.items() if until <= now]:
                del self._cohorts[cohort]
            rows: list[Connection | Operation] = [row for row in self._connections.values() if row.due <= now]
            rows += [row for held in self._operations.values() for row in held.values() if row.due <= now]
        return sorted(rows, key=lambda row: row.due)[:limit]

    def count(self) -> dict[str, int]:
        """How many rows there are."""
        with self._lock:
            states = [row.state for held in self._operations.values() for row in held.values()]
            return {
                "connections": len(self._connections),
                "operations": sum(state != "tombstone" for state in states),
                "tombstones": sum(state == "tombstone" for state in states),
                "followers": sum(map(len, self._followers.values())),
            }

    def close(self) -> None:
        """Nothing to give back."""


class MemorySockets:
    """See the Sockets port; the frames of each open socket are kept in `frames` for whoever reads them."""

    def __init__(self, weather: Callable[[], None] = calm, buffered: int = 100_000) -> None:
        self._weather, self._buffered = weather, buffered
        self._lock = threading.Lock()
        self._open: dict[str, list[str]] = {}

    def open(self, connection: str) -> None:
        """The service opened a socket."""
        with self._lock:
            self._open[connection] = []

    def take(self, connection: str) -> list[str]:
        """What the client reads now; `Gone` when the socket is closed and everything was read."""
        with self._lock:
            if connection not in self._open:
                raise Gone(connection)
            frames, self._open[connection] = self._open[connection], []
            return frames

    def send(self, connection: str, text: str) -> None:
        """Hand over one frame."""
        self._weather()
        with self._lock:
            frames = self._open.get(connection)
            if frames is None:
                raise Gone(f"socket {connection} is closed")
            if len(frames) >= self._buffered:
                raise Busy(f"socket {connection} holds {len(frames)} frames that nobody reads")
            frames.append(text)

    def close(self, connection: str) -> None:
        """Close a socket."""
        self._weather()
        with self._lock:
            self._open.pop(connection, None)

    def figures(self) -> dict[str, Any]:
        """How many sockets are open."""
        with self._lock:
            return {"open": len(self._open)}
