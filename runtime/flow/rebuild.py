"""Rebuild: a green generation is filled beside the live one and takes its place without a query failing.

    create green, its offsets at "now" ─▶ fill from the store, stream by stream in bulk ─▶ the bus brings the rest
    swap: lock both generations' shards ▸ fold green's small remainder ▸ no watermark behind, no letter only in green ▸ flip
    blue is folded on silently until no reader leases it ─▶ fenced ─▶ dropped

Nothing that clients read changes until the flip, and nothing they have seen is older after it. A saga's output is never rerun:
green holds what it would send, the swap releases only what lies beyond the watermarks of the generation it replaces.
"""

from collections.abc import Iterator

from msgspec import Struct

from runtime.domain.app import App
from runtime.errors import Rejected, Unavailable
from runtime.flow.causal import CausalReading
from runtime.flow.fold import Batch, Poison
from runtime.flow.project import consumer_group
from runtime.flow.sink import Sink
from runtime.flow.sync import Sync
from runtime.flow.world import WORLD, World, backoff
from runtime.ports import SHARDS, Bus, EventStore, Generation, Head, Phase, ReadStore, Recorded, Signals, Transaction, shard_of
from runtime.steps import Steps, ask

PAGE = 10_000  # events a batch of the fill; heads a page
REMAINDER = 5_000  # events that a swap may still fold under the locks
SWAPS = 20  # tries of a swap under steady writes
EVENTS_PER_S = 50_000  # assumed for a plan; `trimaran bench rebuild-sqlite` and `rebuild-postgres` measure it


class Estimate(Struct, frozen=True):
    """What a rebuild would take: events and streams to read, minutes, projector replicas, and US dollars for their pod hours."""

    group: str
    streams: int
    events: int
    minutes: float
    replicas: int
    dollars: float


class Progress(Struct, frozen=True):
    """A rebuild as it stands: green's phase, its watermarks against the store's heads, and its letters."""

    group: str
    live: int | None
    green: int | None
    streams: int
    streams_done: int
    letters: int


class Rebuild:
    """Rebuilds one group of an app. Every method is a core."""

    def __init__(self, app: App, group: str, store: EventStore, rows: ReadStore, bus: Bus, signals: Signals, world: World = WORLD) -> None:
        if group not in app.groups:
            raise Rejected(f"app {app.name!r} has no group {group!r}: it has {', '.join(app.groups)}")
        self._app, self._group, self._store, self._rows = app, group, store, rows
        self._bus, self._signals, self._world = bus, signals, world

    def plan(self, dollars_per_pod_hour: float, replicas: int = 1) -> Steps[Estimate]:
        """Count what there is to read. `dollars_per_pod_hour` is the caller's price of one projector pod."""
        streams = events = 0
        for page in self._pages():
            heads = yield from page
            streams += len(heads)
            events += sum(head.version for head in heads)
        hours = events / EVENTS_PER_S / 3600 / replicas
        return Estimate(self._group, streams, events, hours * 60, replicas, hours * replicas * dollars_per_pod_hour)

    def start(self) -> Steps[Generation]:
        """Make the green generation, or find the one that was started. Its consumer group starts at "now": older events are filled."""
        schema = self._app.groups[self._group].schema
        epoch = yield from ask(self._store.epoch)
        green = yield from self._phase(Phase.GREEN)
        if green is not None:
            if green.schema == schema and green.epoch == epoch:
                return green
            raise Rejected(
                f"group {self._group!r} has an unfinished rebuild of other code: run `trimaran rebuild abort --group {self._group}`"
            )
        green = yield from ask(self._rows.create, self._app.groups[self._group], Phase.GREEN, epoch)
        yield from ask(self._bus.commit_now, consumer_group(self._app, green))
        return green

    def slices(self, workers: int) -> Steps[list[tuple[str, str]]]:
        """Where each of so many workers fills from and to (`after` and `until` of `fill`), so that each has about as many events."""
        bounds: list[tuple[str, str]] = []
        total = (yield from self.plan(0.0)).events
        seen, after, last = 0, "", ""
        for page in self._pages():
            for head in (yield from page):
                if seen * workers >= total * (len(bounds) + 1) and last:
                    bounds.append((after, head.stream))
                    after = last
                seen, last = seen + head.version, head.stream
        return [*bounds, (after, "")]

    def fill(self, green: Generation, after: str = "", until: str = "", worker: int = 0, workers: int = 1) -> Steps[int]:
        """Fold the store's events of streams after `after` and before `until`, in stream order; how many. Repeatable, and several slices at once.

        A transaction locks the shards of its streams. So of several workers each takes a page's shards in as many parts, and begins
        with another part: they pass each other instead of waiting.
        """
        if self._app.groups[self._group].saga:
            like = yield from self._comparable((yield from self._phase(Phase.LIVE)), green)
            return (yield from self._fill_saga(like, green, after, until))
        sink = self.sink(green)
        folded, place = 0, Head(after, 2**62 if after else 0)
        while True:
            events = yield from ask(self._store.bulk, place, until, PAGE * workers)
            if not events:
                return folded
            parts: list[dict[str, list[Recorded]]] = [{} for _ in range(workers)]
            for event in events:
                part = (shard_of(event.stream) + worker) % workers if workers > 1 else 0
                parts[part].setdefault(event.stream, []).append(event)
            for arrivals in filter(None, parts):
                folded += (yield from sink.apply(arrivals)).events
            place = Head(events[-1].stream, events[-1].version)

    def swap(self, *, silent: bool = False) -> Steps[Generation]:
        """Let green take over. `Rejected` when a stream is parked only in green, `Unavailable` when writes outran every try.

        `silent` drops all that a green saga holds (for a saga whose store was lost); otherwise what lies beyond live is released.
        """
        green = yield from self._phase(Phase.GREEN)
        if green is None:
            raise Rejected(f"group {self._group!r} has no rebuild: run `trimaran rebuild start --group {self._group}`")
        for tries in range(SWAPS):
            live = yield from self._phase(Phase.LIVE)
            like = yield from self._comparable(live, green)
            yield from self._catch_up(like, green)
            if (yield from self._swap(live, like, green, silent)):
                return green
            yield from ask(self._world.sleep, backoff(tries, self._world))
        raise Unavailable(f"group {self._group!r}: green fell behind {SWAPS} times; try again when fewer commands come in")

    def abort(self) -> Steps[None]:
        """Drop green; live was never touched."""
        green = yield from self._phase(Phase.GREEN)
        if green is None:
            raise Rejected(f"group {self._group!r} has no rebuild to abort")
        yield from ask(self._rows.drop, self._group, green.number)

    def finish(self, *, force: bool = False) -> Steps[list[int]]:
        """Fence and drop every blue generation that no reader leases any more (with `force`: leased or not); which ones went."""
        dropped = []
        for generation in (yield from ask(self._rows.generations, self._group)):
            if generation.phase not in (Phase.BLUE, Phase.FENCED):
                continue
            if not force and (yield from ask(self._rows.leases, self._group, generation.number)):
                continue
            yield from self._fence(generation)
            yield from ask(self._rows.drop, self._group, generation.number)
            dropped.append(generation.number)
        return dropped

    def status(self) -> Steps[Progress]:
        """How far green is."""
        green = yield from self._phase(Phase.GREEN)
        live = yield from self._phase(Phase.LIVE)
        streams = done = letters = 0
        if green is not None:
            behind = yield from self._behind(green, (yield from self._goal(None)))
            letters = len((yield from ask(self._rows.letters, self._group, green.number)))
            for page in self._pages():
                streams += len((yield from page))
            done = streams - len(behind)
        return Progress(self._group, live.number if live else None, green.number if green else None, streams, done, letters)

    def sink(self, generation: Generation) -> Sink:
        """A guest's sink on a generation: it writes under the shard locks, but holds no shards."""
        return Sink(
            self._app,
            self._group,
            generation.number,
            self._store,
            self._rows,
            self._signals,
            epoch=generation.epoch,
            guest=True,
            world=self._world,
        )

    # parts of a swap
    def _comparable(self, live: Generation | None, green: Generation) -> Steps[Generation | None]:
        """Live, unless it was folded from events that the store does not have any more: then only the store tells how far green must be."""
        if live is None or live.epoch != green.epoch:
            return None
        marks = yield from self._marks(live)  # before the heads, which only grow
        for page in self._pages():
            for head in (yield from page):
                if marks.get(head.stream, 0) <= head.version:
                    marks.pop(head.stream, None)
        return None if marks else live

    def _catch_up(self, like: Generation | None, green: Generation) -> Steps[None]:
        """Without locks: read whatever live has and green has not."""
        if self._app.groups[self._group].saga:
            yield from self._fill_saga(like, green)
        elif behind := (yield from self._behind(green, (yield from self._goal(like)))):
            yield from Sync(self.sink(green)).read(behind)

    def _fill_saga(self, like: Generation | None, green: Generation, after: str = "", until: str = "") -> Steps[int]:
        """Causes before effects, and never further than live: what live has not decided yet, green decides after the swap."""
        goal = yield from self._goal(like)
        streams = [stream for stream in goal if stream > after and (not until or stream < until)]
        reading = CausalReading(self._store, goal, (yield from self._marks(green)), streams)
        sink, folded = self.sink(green), 0
        while arrivals := (yield from reading.next(PAGE)):
            folded += (yield from sink.apply(arrivals)).events
        return folded

    def _swap(self, live: Generation | None, like: Generation | None, green: Generation, silent: bool) -> Steps[bool]:
        shards = list(range(SHARDS))
        tx = yield from ask(self._rows.begin, self._group, green.number)
        try:
            now, states = yield from ask(tx.lock, shards)
            if live is not None:
                yield from ask(tx.lock_both, live.number, shards)
            if now.phase is not Phase.GREEN:
                raise Rejected(f"generation {green.number} of group {self._group!r} was swapped by somebody else")
            goal = yield from self._goal(like)
            behind = yield from self._behind(green, goal)
            fresh = yield from self._remainder(goal, behind)
            if fresh is None:
                yield from ask(tx.rollback)
                return False
            yield from self._refuse_letters(live, green)
            letters = yield from ask(tx.letters, list(fresh))
            batch = Batch(self.sink(green), now, states[0], letters)
            yield from batch.fold(tx, fresh)
            if any(letter.parked for letter in batch.writes.letters):
                yield from ask(tx.rollback)
                return False
            yield from ask(tx.write, batch.writes)
            yield from self._flip(tx, live, green, silent)
            yield from ask(tx.commit)
        except Poison:  # before the next try, catching up counts it, and parks its stream in the end
            yield from ask(tx.rollback)
            return False
        except Exception:
            yield from ask(tx.rollback)
            raise
        return True

    def _flip(self, tx: Transaction, live: Generation | None, green: Generation, silent: bool) -> Steps[None]:
        if self._app.groups[self._group].saga:
            yield from ask(tx.release, green.number, green.number if silent else live.number if live else 0)
        if live is not None:
            yield from ask(tx.set_phase, live.number, Phase.BLUE)
        yield from ask(tx.set_phase, green.number, Phase.LIVE)

    def _remainder(self, goal: dict[str, int], behind: list[Head]) -> Steps[dict[str, list[Recorded]] | None]:
        """What green still lacks, read to the goal exactly; None when that is too much to fold under the locks, or not there."""
        if sum(goal[head.stream] - head.version for head in behind) > REMAINDER:
            return None
        fresh: dict[str, list[Recorded]] = {}
        for head in behind:
            events = yield from ask(self._store.read, head.stream, head.version, goal[head.stream] - head.version)
            if not events or events[-1].version != goal[head.stream]:
                return None
            fresh[head.stream] = events
        return fresh

    def _refuse_letters(self, live: Generation | None, green: Generation) -> Steps[None]:
        parked = yield from ask(self._rows.letters, self._group, green.number)
        known = (
            set() if live is None else {(one.part, one.stream) for one in (yield from ask(self._rows.letters, self._group, live.number))}
        )
        for letter in parked:
            if letter.parked and (letter.part, letter.stream) not in known:
                raise Rejected(
                    f"green parked {letter.stream}@{letter.version} for {letter.part!r} ({letter.error}), live did not: "
                    f"mend the code and `trimaran rebuild abort --group {self._group}`, or redrive it"
                )

    def _goal(self, like: Generation | None) -> Steps[dict[str, int]]:
        """Where green must be, by stream: where live is, or the store where there is no comparable live."""
        if like is not None:
            return (yield from self._marks(like))
        goal: dict[str, int] = {}
        for page in self._pages():
            goal.update({head.stream: head.version for head in (yield from page)})
        return goal

    def _behind(self, green: Generation, goal: dict[str, int]) -> Steps[list[Head]]:
        """Streams on which green is behind, with green's watermark."""
        marks = yield from self._marks(green)
        return [Head(stream, marks.get(stream, 0)) for stream, version in goal.items() if version > marks.get(stream, 0)]

    def _marks(self, generation: Generation) -> Steps[dict[str, int]]:
        marks: dict[str, int] = {}
        after = ""
        while True:
            page = yield from ask(self._rows.watermarks, self._group, generation.number, after, PAGE)
            marks.update({mark.stream: mark.version for mark in page})
            if len(page) < PAGE:
                return marks
            after = page[-1].stream

    def _pages(self) -> Iterator[Steps[list[Head]]]:
        """The store's heads, a page each; stops by itself after a short page."""
        state = {"after": "", "more": True}

        def page() -> Steps[list[Head]]:
            heads = yield from ask(self._store.heads, str(state["after"]), PAGE)
            state["more"] = len(heads) == PAGE
            if heads:
                state["after"] = heads[-1].stream
            return heads

        while state["more"]:
            yield page()

    def _fence(self, generation: Generation) -> Steps[None]:
        if generation.phase is Phase.FENCED:
            return
        tx = yield from ask(self._rows.begin, self._group, generation.number)
        try:
            yield from ask(tx.lock, list(range(SHARDS)))
            yield from ask(tx.set_phase, generation.number, Phase.FENCED)
            yield from ask(tx.commit)
        except Exception:
            yield from ask(tx.rollback)
            raise

    def _phase(self, phase: Phase) -> Steps[Generation | None]:
        found = [one for one in (yield from ask(self._rows.generations, self._group)) if one.phase is phase]
        return found[-1] if found else None
