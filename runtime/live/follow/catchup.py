"""From nothing, or from a cursor, to now: the picture a subscription begins with, exact although others write all the time.

    snapshot   heads P1 ─▶ rows, page by page ─▶ heads P2 ─▶ the log from P1 to P2 laid over the rows: the picture at P2
    resume     cursor V ─▶ heads H ─▶ the log from V to H, the newest of each row

Heads are one consistent cut of the group: whoever shows the picture of a cut and then every later change misses nothing and doubles
nothing. A cursor need not be such a cut: changes of one row may stand in several shards, and a subscriber may have been told the later
one first. So a resume asks the row itself which revision it stands at before it tells an older one.

What cannot be resumed (another generation, history trimmed, too far behind) begins again with a snapshot.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec
from msgspec import Struct

from runtime.domain.app import App
from runtime.domain.filters import Query
from runtime.domain.tables import Group, Table
from runtime.errors import Fenced, LimitExceeded, Malformed, Unavailable
from runtime.flow.reading import FIRST_WAIT_S, MOST_WAIT_S, Reading, parse_token
from runtime.flow.world import WORLD, World
from runtime.live.callers.waits import Waits
from runtime.live.follow.matching import Moved, Passes, Reader, compiled, seen
from runtime.live.follow.positions import Cursors, Place, Positions
from runtime.live.limits import Limits
from runtime.live.plans import Entry, Plan, Update
from runtime.ports import Generation, ReadStore, Seen
from runtime.steps import Steps, ask

PAGE = 1_000  # rows, or changes, a read
RESUMABLE = 20_000  # changes that a resume reads; who is further behind gets a snapshot
AGAIN = 10  # pictures that were spoilt by a swap or a trim while they were taken
PAGE_ROWS = 500  # entries of one update
TOKEN_MAX = 1_000  # characters
LIMITS = Limits()

type Numbers = Mapping[int, int]
type History = dict[int, tuple[int, int]]


class Caught(Struct, frozen=True):
    """What to tell first. After it, a subscriber has seen exactly what lies up to `numbers`."""

    generation: int
    numbers: dict[int, int]
    entries: tuple[Entry, ...]
    snapshot: bool  # forget what was shown before; otherwise these are changes since the cursor
    stale: bool = False
    parked: bool = False


class CatchingUp:
    """Catches subscriptions up. Register for later changes *before* a core is started: they are what comes after its heads."""

    def __init__(self, app: App, rows: ReadStore, limits: Limits = LIMITS, world: World = WORLD) -> None:
        self._app, self._rows, self._limits, self._world = app, rows, limits, world
        self._reading = Reading(app, rows, world)
        self._waits = Waits(limits.waits)
        self._readers: dict[str, Reader] = {}
        self._groups = {table.part: (group, table) for group in app.groups.values() for table in group.tables}

    def start(self, plan: Plan) -> Steps[Caught]:
        """As the plan's `after` asks: a snapshot, one that is not older than a token, or what changed since a cursor.

        Raises `Malformed` for an `after` that is neither, `LimitExceeded` for too many rows, `Stopped` when there are none to read.
        """
        if "@" in plan.after:
            stale, parked = yield from self._wait(plan)
            caught = yield from self.snapshot(plan)
            return msgspec.structs.replace(caught, stale=stale, parked=parked)
        if plan.after:
            resumed = yield from self.resume(plan, Cursors(self._app.name, plan).read(plan.after))
            if resumed is not None:
                return resumed
        return (yield from self.snapshot(plan))

    def reader(self, part: str) -> Reader:
        """Reads the part's rows."""
        reader = self._readers.get(part)
        if reader is None:
            reader = self._readers[part] = Reader(self._find(part)[1])
        return reader

    def _find(self, part: str) -> tuple[Group, Table]:
        try:
            return self._groups[part]
        except KeyError:
            raise Malformed(f"app {self._app.name!r} has no part {part!r} with rows") from None

    # one's own writes
    def _wait(self, plan: Plan) -> Steps[tuple[bool, bool]]:
        """Until the token's stream was folded so far, bounded: whether it was not (stale), and whether it will not be (parked)."""
        group, _ = self._find(plan.part)
        stream, version = self._token(plan)
        with self._waits.place() as waits:
            deadline, wait = self._world.monotonic() + (self._limits.wait_s if waits else 0.0), FIRST_WAIT_S
            while True:
                watermark = (yield from self._get(group, plan, stream)).watermark
                if watermark >= version:
                    return False, False
                if watermark < 0 or self._world.monotonic() >= deadline:
                    return True, watermark < 0
                yield from ask(self._world.sleep, wait)
                wait = min(MOST_WAIT_S, wait * 2)

    def _token(self, plan: Plan) -> tuple[str, int]:
        if len(plan.after) > TOKEN_MAX:
            raise Malformed("after: not a token that a command answered")
        stream, version = parse_token(plan.after)
        if self._app.tenant is not None and self._app.tenant_of(stream) != plan.tenant:
            raise Malformed("after: the token belongs to another tenant")
        return stream, version

    def _get(self, group: Group, plan: Plan, stream: str) -> Steps[Seen]:
        """The plan's row, or none, with a watermark; of the generation that is the one to read."""
        for _ in range(AGAIN):
            generation = yield from self._reading.generation(group)
            try:
                return (yield from ask(self._rows.get, group.name, generation.number, plan.part, plan.key, stream))
            except Fenced:
                continue
        raise self._unsteady(group)

    # the whole picture
    def snapshot(self, plan: Plan) -> Steps[Caught]:
        """Every row in view, as of one cut."""
        group, _ = self._find(plan.part)
        passes = compiled(plan.where)
        for _ in range(AGAIN):
            generation = yield from self._reading.generation(group)
            try:
                caught = yield from self._picture(group, generation, plan, passes)
            except Fenced:  # dropped meanwhile: its successor answers
                continue
            if caught is not None and (yield from self._reading.generation(group)).number == generation.number:
                return caught
        raise self._unsteady(group)

    def _picture(self, group: Group, generation: Generation, plan: Plan, passes: Passes) -> Steps[Caught | None]:
        """None when the log was trimmed under our hands."""
        begun = yield from self._heads(generation)
        rows = yield from (self._row(group, generation, plan, passes) if plan.key else self._rows_of(generation, plan))
        heads = yield from self._heads(generation)
        slice_ = yield from self._log(generation, plan, begun, heads)
        if slice_ is None:
            return None
        for key, moves in slice_.items():
            newest = moves[-1]
            if seen(passes, newest.after):
                rows[key] = newest.entry(True)
            elif plan.key:
                rows[key] = absent(plan, generation)
            else:
                rows.pop(key, None)
        self._check(plan, len(rows))
        return Caught(generation.number, heads, tuple(rows.values()), True)

    def _row(self, group: Group, generation: Generation, plan: Plan, passes: Passes) -> Steps[dict[str, Entry]]:
        """The one row that is followed, or its absence."""
        found = (yield from ask(self._rows.get, group.name, generation.number, plan.part, plan.key, "")).row
        if found is not None and found.values is not None:
            columns = self.reader(plan.part).columns(found.values)
            if passes(columns):
                return {plan.key: Entry(plan.key, generation.number, found.revision, columns)}
        return {plan.key: absent(plan, generation)}

    def _rows_of(self, generation: Generation, plan: Plan) -> Steps[dict[str, Entry]]:
        reader, rows, cursor = self.reader(plan.part), dict[str, Entry](), ""
        while True:
            query = Query(plan.where, (), PAGE, cursor, plan.tenant)
            page = yield from ask(self._rows.query, generation.number, reader.table, query)
            for key, row in page.rows:
                if row.values is not None:
                    rows[key] = Entry(key, generation.number, row.revision, reader.columns(row.values))
            self._check(plan, len(rows))
            cursor = page.cursor
            if not cursor:
                return rows

    def _check(self, plan: Plan, rows: int) -> None:
        if rows > self._limits.snapshot_rows:
            what = f"the number of {plan.part!r} rows that a subscription follows (at least)"
            raise LimitExceeded(what, rows, self._limits.snapshot_rows, "narrow `where`")

    # from a cursor
    def resume(self, plan: Plan, place: Place) -> Steps[Caught | None]:
        """What changed since the place; None when that cannot be told any more, and only a snapshot can."""
        group, _ = self._find(plan.part)
        generation = yield from self._reading.generation(group)
        if generation.number != place.generation:
            return None
        try:
            caught = yield from self._since(group, generation, plan, place)
        except Fenced:
            return None
        steady = (yield from self._reading.generation(group)).number == generation.number
        return caught if steady else None

    def _since(self, group: Group, generation: Generation, plan: Plan, place: Place) -> Steps[Caught | None]:
        history = yield from ask(self._rows.history, group.name, generation.number)
        if not reachable(place, history):
            return None
        heads = {shard: last for shard, (_, last) in history.items()}
        moves = yield from self._log(generation, plan, place.numbers, heads, RESUMABLE)
        if moves is None:
            return None
        passes = compiled(plan.where)
        concerned = {key: moved for key, moved in moves.items() if any(_concerned(passes, one) for one in moved)}
        ahead = yield from self._ahead(group, generation, plan, concerned)
        if ahead:  # a later revision was told before the cursor, or came after the heads: newer heads tell which
            later = yield from self._heads(generation)
            rest = yield from self._log(generation, plan, heads, later, RESUMABLE)
            if rest is None:
                return None
            for key, moved in rest.items():
                concerned[key] = concerned.get(key, []) + moved
            heads = later
        entries = (self._news(plan, passes, moved, ahead.get(key)) for key, moved in concerned.items())
        return Caught(generation.number, heads, tuple(entry for entry in entries if entry is not None), False)

    def _ahead(self, group: Group, generation: Generation, plan: Plan, moves: dict[str, list[Moved]]) -> Steps[dict[str, Entry]]:
        """Rows that stand at a later revision than what was read of them."""
        ahead: dict[str, Entry] = {}
        for key, moved in moves.items():
            row = (yield from ask(self._rows.get, group.name, generation.number, plan.part, key, "")).row
            if row is not None and row.revision > moved[-1].revision:
                columns = None if row.values is None else self.reader(plan.part).columns(row.values)
                ahead[key] = Entry(key, generation.number, row.revision, columns)
        return ahead

    def _news(self, plan: Plan, passes: Passes, moved: Sequence[Moved], row: Entry | None) -> Entry | None:
        """What is told of a row that changed so since the cursor; `row` as it stood later than what was first read."""
        newest = moved[-1]
        if row is not None and row.revision > newest.revision:  # the subscriber knows this revision, and not some before it
            if seen(passes, row.row) or seen(passes, newest.after):
                return None
            return Entry(row.key, row.generation, row.revision, None)
        if seen(passes, newest.after):
            return newest.entry(True)
        whole = newest.revision - moved[0].revision == len(moved) - 1
        had = seen(passes, moved[0].before) if whole else any(_concerned(passes, one) for one in moved)
        return newest.entry(False) if had else None

    # the log
    def _heads(self, generation: Generation) -> Steps[dict[int, int]]:
        history = yield from ask(self._rows.history, generation.group, generation.number)
        return {shard: last for shard, (_, last) in history.items()}

    def _log(
        self, generation: Generation, plan: Plan, after: Numbers, until: Numbers, most: int | None = None
    ) -> Steps[dict[str, list[Moved]] | None]:
        """The plan's changes by key, in revision order; None when some were trimmed, or there are more than `most`."""
        missing = {shard: last - after.get(shard, 0) for shard, last in until.items() if last > after.get(shard, 0)}
        if most is not None and sum(missing.values()) > most:
            return None
        found: dict[str, list[Moved]] = {}
        reader = self.reader(plan.part)
        for shard in missing:
            number = after.get(shard, 0)
            while number < until[shard]:
                page = yield from ask(
                    self._rows.changes, generation.group, generation.number, shard, number, min(PAGE, until[shard] - number)
                )
                for change in page:
                    number += 1
                    if change.number != number:
                        return None
                    if change.part == plan.part and change.tenant == plan.tenant and plan.key in ("", change.key):
                        found.setdefault(change.key, []).append(Moved(reader, change, generation.number))
                if not page:
                    return None
        for moved in found.values():
            moved.sort(key=lambda one: one.revision)
        return found

    def _unsteady(self, group: Group) -> Unavailable:
        return Unavailable(f"group {group.name!r}: {AGAIN} times its rows were swapped or its history trimmed while they were read")


def absent(plan: Plan, generation: Generation) -> Entry:
    """The one row is not there, or not in view: then its revision is nobody's business."""
    return Entry(plan.key, generation.number, 0, None)


def reachable(place: Place, history: History) -> bool:
    """Whether the log still has everything after a place, and the place is not ahead of the log (a database put back in time)."""
    if any(number > history.get(shard, (1, 0))[1] for shard, number in place.numbers.items()):
        return False
    return all(place.numbers.get(shard, 0) + 1 >= first for shard, (first, _) in history.items())


def _concerned(passes: Passes, moved: Moved) -> bool:
    return seen(passes, moved.before) or seen(passes, moved.after)


def updates_of(caught: Caught, plan: Plan, cursors: Cursors, limits: Limits) -> Iterator[Update]:
    """As updates of a bounded size. Only the last has a cursor: before it, there is no place to come back to but the start.

    A plan of one row is told nothing when nothing changed: an update without the row would say that it is not there.
    """
    if plan.key and not caught.entries:
        return
    cursor = cursors.write(Positions(caught.generation, caught.numbers))
    pages = list(paged(caught.entries, limits.answer_bytes // 2))
    for position, page in enumerate(pages, 1):
        last = position == len(pages)
        yield Update(
            page,
            cursor if last else "",
            snapshot=caught.snapshot,
            reset=caught.snapshot and position == 1,
            complete=last,
            stale=caught.stale,
            parked=caught.parked,
        )


def paged(entries: Sequence[Entry], most_bytes: int) -> Iterator[tuple[Entry, ...]]:
    """In pages of at most `PAGE_ROWS` entries and about so many bytes; one empty page of nothing."""
    start = size = 0
    for position, entry in enumerate(entries):
        weight = len(entry.key) + 64 + len(msgspec.json.encode(entry.row))
        if position > start and (position - start >= PAGE_ROWS or size + weight > most_bytes):
            yield tuple(entries[start:position])
            start, size = position, 0
        size += weight
    yield tuple(entries[start:])
