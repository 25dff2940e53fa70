"""One sink for everybody: `apply` takes what arrived, in any order and as often as it likes, and changes rows exactly once.

    arrivals ─▶ drop what the watermarks have, fill gaps from the store ─▶ one transaction:
        lock the shards ▸ watermarks moved? redo ▸ fold ▸ rows, watermarks, changes, saga output ▸ commit ─▶ signals

Projector, sync, redrive and rebuild only differ in who hands over the events. Correctness comes from the watermarks under the
shard lock, never from owning a partition: a paused zombie finds them moved and folds nothing twice.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from runtime.domain.app import App
from runtime.domain.folds import Fold
from runtime.domain.messages import Event, tag_of
from runtime.errors import Fenced, StoreRestored, Unavailable
from runtime.flow.careful import Careful
from runtime.flow.fold import Batch, Poison
from runtime.flow.pulse import Pulse, unwatched
from runtime.flow.telemetry import SILENT, Telemetry
from runtime.flow.world import WORLD, World, backoff
from runtime.ports import Change, EventStore, Generation, Letter, Phase, ReadStore, Recorded, ShardState, Signal, Signals, Writes, shard_of
from runtime.steps import Steps, ask

MAX_TRIES = 5  # of an event that a part cannot fold, each counted durably before it is made
REDOS = 100  # of a batch whose watermarks moved while it was prepared
GAP_READ = 1_000  # events a read of the store
CAREFUL_AFTER = 2  # deaths in a row on a shard
CAREFUL_STREAMS = 20  # streams a batch while being careful
GAP_TRIES = 3  # before a hole in the store itself parks its stream

type Arrivals = Mapping[str, Sequence[Recorded]]
type Taker = tuple[str, Fold]  # a part's name and fold


class Applied(Struct):
    """What a batch did: events folded, what listeners must hear, in order, and what it had to park."""

    events: int = 0
    signals: list[Signal] = []
    parked: list[Letter] = []


class Moved(Exception):
    """The batch was prepared for other watermarks than the stored ones: prepare it again."""

    def __init__(self, known: dict[str, int]) -> None:
        super().__init__()
        self.known = known


class Sink:
    """Applies events to one generation of one group. `holder` names this process on the shards it touches.

    A `guest` (rebuild, redrive) writes under the shard locks like everybody, but leaves the shards to whoever holds them.
    """

    def __init__(
        self,
        app: App,
        group: str,
        generation: int,
        store: EventStore,
        rows: ReadStore,
        signals: Signals,
        *,
        epoch: int,
        holder: str = "",
        guest: bool = False,
        world: World = WORLD,
        telemetry: Telemetry = SILENT,
        pulse: Pulse = unwatched,
    ) -> None:
        self.app, self.group, self.generation, self.epoch = app, group, generation, epoch
        self.store, self.rows, self.signals, self.world = store, rows, signals, world
        self.holder = holder or world.token()
        self.folds = app.folds_of(group)
        self.guest, self.telemetry, self.pulse = guest, telemetry, pulse
        self.max_tries = MAX_TRIES
        self.locking_order = sorted(self.folds, key=lambda fold: fold.part.name)
        self.handlers: dict[str, list[Taker]] = {}
        for fold in self.folds:
            for tag in fold.handles:
                self.handlers.setdefault(tag, []).append((fold.part.name, fold))
        self._held: set[int] = set()  # shards whose row carries our name
        self._shaken: set[int] = set()  # shards taken over from somebody who died, until a batch succeeds on them
        self._dirty: set[int] = set()  # … from several in a row: perhaps an event kills whoever folds it
        self._careful = Careful(self)
        self._sent: dict[int, int] = {}  # shard -> number of the last change signalled by us

    def handlers_of(self, event: type[Event]) -> Sequence[Taker]:
        """The folds that take this event class."""
        return self.handlers.get(tag_of(event), ())

    # the one entrance
    def apply(self, arrivals: Arrivals) -> Steps[Applied]:
        """Fold what is new of these streams and tell the listeners. Raises `Unavailable` (nothing lost: hand it over again) or `Stopped`."""
        started = self.telemetry.started()
        # Mostly the bus brings just what comes next: prepare for that, and let the locked watermarks say if it was wrong.
        known = {stream: min(event.version for event in events) - 1 for stream, events in arrivals.items() if events}
        for _ in range(REDOS):
            fresh, holes = yield from self._fresh(arrivals, known)
            if not fresh and not holes:
                return Applied()
            shards = sorted({shard_of(stream) for stream in (*fresh, *holes)})
            if not self.guest:
                yield from self._take(shards)
            try:
                if not self._dirty.isdisjoint(shards):
                    yield from self._sure(known, [*fresh, *holes])
                    if len(fresh) > CAREFUL_STREAMS:
                        return (yield from self._piecewise(fresh))
                    yield from self._careful.tread(fresh, self._dirty)
                applied = yield from self._transact(shards, fresh, known, holes)
            except Moved as moved:
                known = moved.known
                continue
            except Poison as poison:
                yield from self._count(poison)
                continue
            self._dirty.difference_update(shards)
            self._shaken.difference_update(shards)
            self._careful.forget()
            self.pulse(None)
            yield from self.tell(applied.signals)
            for letter in applied.parked:
                self.telemetry.count("parked", 1, group=self.group, part=letter.part, reason=letter.reason)
            if started:
                self.telemetry.hop(f"project {self.group}", (event for events in fresh.values() for event in events), started)
                self.telemetry.count("folded", applied.events, group=self.group)
                self.telemetry.seconds("batch", started, group=self.group)
            return applied
        raise Unavailable(f"group {self.group!r}: its watermarks moved {REDOS} times while a batch was prepared")

    def release(self, shards: Iterable[int] | None = None) -> Steps[None]:
        """Leave these shards (None: all) clean, so that the next holder need not be careful."""
        leaving = self._held if shards is None else self._held.intersection(shards)
        if not leaving:
            return
        tx = yield from ask(self.rows.begin, self.group, self.generation)
        try:
            _, states = yield from ask(tx.lock, sorted(leaving))
            ours = [state.shard for state in states if state.holder.partition("~")[0] == self.holder]
            yield from ask(tx.hold, ours, "")
            yield from ask(tx.commit)
        except (Unavailable, Fenced):
            yield from ask(tx.rollback)  # whoever comes next counts one death too many, which does no harm; or nobody comes
        self._held = self._held - leaving

    def resend(self, shards: Sequence[int]) -> Steps[None]:
        """Tell what was committed and never signalled on these shards; sync calls it, for shards that no batch touches any more."""
        tx = yield from ask(self.rows.begin, self.group, self.generation)
        try:
            generation, states = yield from ask(tx.lock, shards)
            missed = yield from self._missed(states, generation)
        except Exception:
            yield from ask(tx.rollback)
            raise
        yield from ask(tx.rollback)
        yield from self.tell(missed)
        sent = {state.shard: self._sent[state.shard] for state in states if self._sent.get(state.shard, 0) > state.signalled}
        if sent:
            yield from self._note_signalled(sent)

    def _note_signalled(self, sent: dict[int, int]) -> Steps[None]:
        tx = yield from ask(self.rows.begin, self.group, self.generation)
        try:
            _, states = yield from ask(tx.lock, sorted(sent))
            further = {state.shard: sent[state.shard] for state in states if sent[state.shard] > state.signalled}
            yield from ask(tx.write, Writes(signalled=further))
            yield from ask(tx.commit)
        except Exception:
            yield from ask(tx.rollback)
            raise

    # what is new
    def _fresh(self, arrivals: Arrivals, known: Mapping[str, int]) -> Steps[tuple[dict[str, list[Recorded]], set[str]]]:
        """Per stream the contiguous events after its watermark, gaps filled from the store; and the streams whose store has a hole."""
        fresh: dict[str, list[Recorded]] = {}
        holes: set[str] = set()
        for stream, events in arrivals.items():
            after = known.get(stream, 0)
            if in_order(events, after):
                fresh[stream] = list(events)
                continue
            by_version = {event.version: event for event in events if event.version > after}
            if not by_version:
                continue
            last = max(by_version)
            if last - after == len(by_version):
                ordered = [by_version[version] for version in sorted(by_version)]
            else:
                ordered = yield from self._fill(stream, after, last)
                if not ordered or ordered[-1].version < last:
                    holes.add(stream)
            if ordered:
                fresh[stream] = ordered
        newest = max((event.epoch for events in fresh.values() for event in events), default=0)
        if newest > self.epoch:
            raise StoreRestored(restored(self.group, f"events of epoch {newest} arrived, the rows were folded from {self.epoch}"))
        return fresh, holes

    def _fill(self, stream: str, after: int, until: int) -> Steps[list[Recorded]]:
        """Read what the bus did not bring, contiguous from the watermark on, at least to `until` unless the store has a hole."""
        filled: list[Recorded] = []
        tries = 0
        while after < until:
            read = yield from ask(self.store.read, stream, after, GAP_READ)
            whole = [event for position, event in enumerate(read) if event.version == after + 1 + position]
            if not whole:
                tries += 1
                if tries >= GAP_TRIES:
                    break
                yield from ask(self.world.sleep, backoff(tries, self.world))
                continue
            filled += whole
            after = whole[-1].version
        return filled

    # the transaction
    def _transact(
        self, shards: list[int], fresh: Mapping[str, list[Recorded]], known: Mapping[str, int], holes: set[str]
    ) -> Steps[Applied]:
        tx = yield from ask(self.rows.begin, self.group, self.generation)
        try:
            generation, states = yield from ask(tx.lock, shards)
            self._check(generation)
            streams = [*fresh, *(stream for stream in sorted(holes) if stream not in fresh)]
            marks = yield from ask(tx.watermarks, streams)
            if any(marks.get(stream, 0) != known.get(stream, 0) for stream in streams):
                raise Moved({**known, **dict.fromkeys(streams, 0), **marks})
            letters = yield from ask(tx.letters, streams)
            batch = Batch(self, generation, states[0], letters)
            batch.park_holes(holes, fresh, known)
            yield from batch.fold(tx, fresh)
            missed = yield from self._missed(states, generation)
            batch.writes.signalled = (
                {}
                if self.guest
                else {state.shard: self._sent.get(state.shard, state.signalled) for state in states if state.changes > state.signalled}
            )
            yield from ask(tx.write, batch.writes)
            if not self._shaken.isdisjoint(shards):
                yield from ask(tx.hold, sorted(self._shaken.intersection(shards)), f"{self.holder}~0")
            yield from ask(tx.commit)
        except Exception:
            yield from ask(tx.rollback)
            raise
        return Applied(batch.events, missed + batch.signals, batch.writes.letters)

    def _check(self, generation: Generation) -> None:
        if generation.phase is Phase.FENCED:
            raise Fenced(f"generation {generation.number} of group {self.group!r} is fenced: another one is live")

    def _missed(self, states: Sequence[ShardState], generation: Generation) -> Steps[list[Signal]]:
        """Changes that were committed and perhaps never signalled: a crash, or a commit in doubt, came between."""
        missed: list[Signal] = []
        if generation.phase is not Phase.LIVE or self.guest:
            return missed
        for state in states:
            sent = self._sent.setdefault(state.shard, state.signalled)
            if state.changes > sent:
                for change in (yield from ask(self.rows.changes, self.group, self.generation, state.shard, sent, state.changes - sent)):
                    missed.append(signal_of(change, self.generation))
        return missed

    def tell(self, signals: Sequence[Signal]) -> Steps[None]:
        """After the commit, before the offset: listeners hear it at least once, or read it from the change log."""
        if not signals:
            return
        try:
            yield from ask(self.signals.send, signals)
        except Unavailable:
            return  # the shard remembers how far was signalled; its next batch sends the rest
        for signal in signals:
            self._sent[signal.shard] = max(self._sent.get(signal.shard, 0), signal.number)

    # holding shards
    def _take(self, shards: Iterable[int]) -> Steps[None]:
        """Put our name on shards that we touch for the first time; who left them without cleaning up may have died of an event."""
        new = [shard for shard in shards if shard not in self._held]
        if not new:
            return
        tx = yield from ask(self.rows.begin, self.group, self.generation)
        try:
            _, states = yield from ask(tx.lock, new)
            for deaths in sorted({deaths_of(state, self.holder) for state in states}):
                dead = [state.shard for state in states if deaths_of(state, self.holder) == deaths]
                yield from ask(tx.hold, dead, f"{self.holder}~{deaths}")
                if deaths:
                    self._shaken.update(dead)
                if deaths >= CAREFUL_AFTER:
                    self._dirty.update(dead)
            yield from ask(tx.commit)
        except Exception:
            yield from ask(tx.rollback)
            raise
        self._held.update(new)
        for state in states:
            self._sent[state.shard] = state.signalled

    # poison
    def _sure(self, known: Mapping[str, int], streams: Sequence[str]) -> Steps[None]:
        """Nobody's old events are held against him: `Moved` unless these watermarks are the stored ones."""
        marks = yield from ask(self.rows.watermarks_of, self.group, self.generation, streams)
        if any(marks.get(stream, 0) != known.get(stream, 0) for stream in streams):
            raise Moved({**known, **dict.fromkeys(streams, 0), **marks})

    def _piecewise(self, fresh: Mapping[str, list[Recorded]]) -> Steps[Applied]:
        """A batch after deaths, in small pieces, so that each is safe once it is done."""
        total = Applied()
        streams = list(fresh)
        for start in range(0, len(streams), CAREFUL_STREAMS):
            applied = yield from self.apply({stream: fresh[stream] for stream in streams[start : start + CAREFUL_STREAMS]})
            total.events += applied.events
            total.signals += applied.signals
        return total

    def _count(self, poison: Poison) -> Steps[int]:
        """Count the coming try durably, before it is made; the batch is then redone, or parks the stream once the bound is reached."""
        letter = Letter(poison.part, poison.stream, poison.version, poison.text, 0, parked=False, reason=poison.reason)
        tries = yield from ask(self.rows.count_try, self.group, self.generation, letter)
        self.pulse(None)
        if tries <= self.max_tries:
            yield from ask(self.world.sleep, backoff(tries, self.world, first_s=0.005, most_s=0.1))
        return tries


def in_order(events: Sequence[Recorded], after: int) -> bool:
    """Whether these are just the next events, each once."""
    for event in events:
        after += 1
        if event.version != after:
            return False
    return bool(events)


def deaths_of(state: ShardState, holder: str) -> int:
    """How many holders in a row, if we take it now, died without a batch on this shard; a shard left clean starts again at 0."""
    name, _, deaths = state.holder.partition("~")
    return 0 if not name else int(deaths or 0) + (name != holder)


def restored(group: str, what: str) -> str:
    """The text of a group that met a restored store."""
    return f"the event store was restored ({what}): run `trimaran rebuild start --group {group}`"


def signal_of(change: Change, generation: int) -> Signal:
    """A change of the log as listeners hear it."""
    return Signal(
        change.part, change.key, change.tenant, generation, change.revision, change.shard, change.number, change.before, change.after
    )
