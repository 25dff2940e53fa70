"""Reading rows: the generation that fits this code, one filter meaning, and one's own writes.

A read counts only if its generation is still the one to read afterwards: right after a swap blue may be ahead of live, and whoever saw
that row would see time run backwards; later blue is gone, and no query may fail of it.

A command answers with a token `stream@version`. A read `after` that token waits, bounded, until the part's watermark is there; a
parked stream answers at once, since it will not come by waiting, and a time-out says `stale`.
"""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from runtime.domain.app import App
from runtime.domain.filters import Query
from runtime.domain.rows import as_json
from runtime.domain.tables import Group, Table
from runtime.errors import Fenced, Malformed, Stopped, Unavailable
from runtime.flow.world import WORLD, World
from runtime.ports import Generation, Page, Phase, ReadStore
from runtime.steps import Steps, ask

WAIT_S = 5.0
SWAPS = 10  # that one read may meet
FIRST_WAIT_S, MOST_WAIT_S = 0.002, 0.1


class Read(Struct, frozen=True):
    """One row as read: its columns (None: not there), its revision (generation, n), and whether it may be older than was asked for."""

    row: dict[str, Any] | None
    generation: int
    revision: int
    stale: bool = False
    parked: bool = False


class Reading:
    """Reads the rows of an app."""

    def __init__(self, app: App, rows: ReadStore, world: World = WORLD) -> None:
        self._app, self._rows, self._world = app, rows, world
        self._known: dict[str, Generation] = {}

    def generation(self, group: Group) -> Steps[Generation]:
        """The newest generation that this code can read: live, or blue while it lasts. `Stopped` when there is none."""
        found = yield from ask(self._rows.generations, group.name)
        for generation in reversed(found):
            if generation.phase in (Phase.LIVE, Phase.BLUE) and generation.schema == group.schema:
                return generation
        raise Stopped(
            f"group {group.name!r} has no rows that this code can read: start a projector, or `trimaran rebuild start --group {group.name}`"
        )

    def get(self, part: str, key: str, *, tenant: str = "", after: str = "", wait_s: float = WAIT_S) -> Steps[Read]:
        """One row, not older than the token `after`."""
        group, table = self._find(part)
        stream, version = parse_token(after)
        stored = f"{tenant}/{key}" if self._app.tenant is not None else key
        deadline, wait = self._world.monotonic() + wait_s, FIRST_WAIT_S
        while True:
            _, seen = yield from self._steadily(
                group, lambda generation: ask(self._rows.get, group.name, generation.number, part, stored, stream)
            )
            row = as_json(table.columns, seen.row.values) if seen.row is not None else None
            revision = seen.row.revision if seen.row is not None else 0
            if not stream or seen.watermark >= version:
                return Read(row, seen.generation, revision)
            if seen.watermark < 0 or self._world.monotonic() >= deadline:
                return Read(row, seen.generation, revision, stale=True, parked=seen.watermark < 0)
            yield from ask(self._world.sleep, wait)
            wait = min(MOST_WAIT_S, wait * 2)

    def query(self, part: str, query: Query) -> Steps[tuple[Generation, Page]]:
        """A page of rows."""
        group, table = self._find(part)
        return (yield from self._steadily(group, lambda generation: ask(self._rows.query, generation.number, table, query)))

    def _steadily[T](self, group: Group, read: Callable[[Generation], Steps[T]]) -> Steps[tuple[Generation, T]]:
        """What `read` reads of a generation that is still the one to read when it is done."""
        generation = self._known.get(group.name) or (yield from self.generation(group))
        for _ in range(SWAPS):
            try:
                found = yield from read(generation)
            except Fenced:  # dropped: its successor answers
                generation = yield from self.generation(group)
                continue
            self._known[group.name] = yield from self.generation(group)
            if self._known[group.name].number == generation.number:
                return self._known[group.name], found
            generation = self._known[group.name]
        raise Unavailable(f"group {group.name!r}: {SWAPS} generations came and went during one read")

    def columns(self, part: str) -> Table:
        """What the rows of a part look like."""
        return self._find(part)[1]

    def _find(self, part: str) -> tuple[Group, Table]:
        for group in self._app.groups.values():
            for table in group.tables:
                if table.part == part:
                    return group, table
        known = ", ".join(table.part for group in self._app.groups.values() for table in group.tables)
        raise Malformed(f"app {self._app.name!r} has no part {part!r} with rows: it has {known}")


def parse_token(token: str) -> tuple[str, int]:
    """The stream and version of a token; ("", 0) of "". `Malformed` for anything else."""
    if not token:
        return "", 0
    stream, at, version = token.rpartition("@")
    if not at or not stream or not version.isdigit():
        raise Malformed(f"token {token!r} is not `stream@version`: send back what the command answered")
    return stream, int(version)
