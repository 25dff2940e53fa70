"""The projector: a member of a consumer group that hands what the bus delivers to the sink, then commits the offset.

    poll ─▶ sink.apply (rows and watermarks in one transaction, then signals) ─▶ commit the offset

The bus is a hint: on start, when the log was trimmed, and on a timer, sync compares the store's heads with the watermarks and
reads what is missing. Any number of projectors share a group; whatever they are handed twice is folded once.
"""

from collections.abc import Callable, Sequence
from threading import Event

from runtime.domain.app import App
from runtime.errors import Fenced, Malformed, Stopped, Unavailable
from runtime.flow.cloudevents import from_bus
from runtime.flow.pulse import Pulse, unwatched
from runtime.flow.sink import Sink, restored
from runtime.flow.sync import Sync
from runtime.flow.telemetry import SILENT, Telemetry
from runtime.flow.world import WORLD, World, backoff
from runtime.ports import SHARDS, Bus, Consumer, Delivery, EventStore, Generation, Phase, ReadStore, Recorded, Signals
from runtime.steps import Steps, ask, run

BATCH = 2_000  # deliveries a poll
POLL_S = 0.2
SYNC_EVERY_S = 60.0
TRIM_EVERY_S = 10.0
LOOK_EVERY_S = 1.0  # whether this generation is the live one, for whoever watches
HISTORY = 10_000  # changes a shard: how far back a subscription can resume


def consumer_group(app: App, generation: Generation) -> str:
    """The consumer group of a generation: each generation has its own offsets."""
    return generation_group(app, generation.group, generation.number)


def generation_group(app: App, group: str, number: int) -> str:
    """The same by a generation's number."""
    return f"{watched_group(app, group)}.{number}"


def watched_group(app: App, group: str) -> str:
    """A consumer group without members to which the live generation's projectors repeat their commits: one name over all generations.

    Whoever scales a group by its lag watches this name, and need not learn that a rebuild was swapped in.
    """
    return f"{app.name}.{group}"


def open_generation(app: App, group: str, store: EventStore, rows: ReadStore, *, resend: bool = False) -> Steps[Generation]:
    """The live generation of a group, made if there is none. `Stopped` when it was folded by other code or from a restored store.

    A saga that has no rows while the store has events is new, or its read store was lost: only an operator knows whether what it
    would send for the past was sent already, so it stops here and dispatches nothing. `resend` is their word to send it; a silent
    start is a rebuild that is swapped in silently.
    """
    epoch = yield from ask(store.epoch)
    mine = app.groups[group]
    if not resend and (yield from unsure(app, group, store, rows)):
        raise Stopped(
            f"saga {group!r} has no rows but the store has events: run `trimaran rebuild start --group {group}` with --resend "
            "(send what it would have sent for them) or --silent"
        )
    live = yield from ask(rows.create, mine, Phase.LIVE, epoch)
    if live.schema != mine.schema:
        raise Stopped(f"group {group!r} was folded by other code: run `trimaran rebuild start --group {group}`")
    if live.epoch != epoch:
        raise Stopped(restored(group, f"its epoch is {epoch}, the rows were folded from {live.epoch}"))
    return live


def unsure(app: App, group: str, store: EventStore, rows: ReadStore) -> Steps[bool]:
    """Whether this is a saga of which nobody knows what it has sent: it has no rows, and the store has events."""
    if not app.groups[group].saga or (yield from ask(rows.generations, group)):
        return False
    return bool((yield from ask(store.heads, "", 1)))


class Projector:
    """One member of the consumer group of one generation."""

    def __init__(
        self,
        app: App,
        generation: Generation,
        store: EventStore,
        rows: ReadStore,
        bus: Bus,
        signals: Signals,
        *,
        holder: str = "",
        batch: int = BATCH,
        sync_every_s: float = SYNC_EVERY_S,
        watched: bool = False,
        world: World = WORLD,
        telemetry: Telemetry = SILENT,
        pulse: Pulse = unwatched,
    ) -> None:
        self.app, self.generation, self.world = app, generation, world
        self._pulse = pulse
        self.batch, self.sync_every_s = batch, sync_every_s
        self._bus = bus
        self.sink = Sink(
            app,
            generation.group,
            generation.number,
            store,
            rows,
            signals,
            epoch=generation.epoch,
            holder=holder,
            world=world,
            telemetry=telemetry,
            pulse=pulse,
        )
        self.sync = Sync(self.sink)
        self.consumer: Consumer = bus.consumer(consumer_group(app, generation))
        self._synced: frozenset[int] = frozenset()  # partitions that were synced since they were assigned
        self._assigned: frozenset[int] = frozenset()
        self._sync_at = self._trim_at = self._look_at = 0.0
        self._watched, self._live = watched, False
        self._waits = app.groups[generation.group].saga and generation.phase is Phase.GREEN
        self.folded = 0
        self.undecodable = 0

    def once(self, poll_s: float = POLL_S) -> Steps[int]:
        """One round: how many events were folded. After an error hand over again: `consumer.rewind()`."""
        if self._waits and not (yield from self._may_begin(poll_s)):
            return 0
        deliveries = yield from ask(self.consumer.poll, self.batch, poll_s)
        folded = 0
        if deliveries:
            applied = yield from self.sink.apply(self._by_stream(deliveries))
            folded = applied.events
            yield from ask(self.consumer.commit, {one.partition: one.offset + 1 for one in deliveries})
        folded += yield from self._sync_if_due(idle=not deliveries)
        yield from self._trim_if_due()
        yield from self._show()
        self.folded += folded
        return folded

    def _may_begin(self, poll_s: float) -> Steps[bool]:
        """A green saga is filled up to live by its rebuild and never further: what live has not decided, only one of them may decide."""
        found = yield from ask(self.sink.rows.generations, self.generation.group)
        mine = next((one for one in found if one.number == self.generation.number), None)
        if mine is None:
            raise Fenced(f"generation {self.generation.number} of group {self.generation.group!r} was dropped")
        self._waits = mine.phase is Phase.GREEN
        if self._waits:
            yield from ask(self.world.sleep, poll_s)
        return not self._waits

    def _by_stream(self, deliveries: Sequence[Delivery]) -> dict[str, list[Recorded]]:
        arrivals: dict[str, list[Recorded]] = {}
        for delivery in deliveries:
            try:
                event = from_bus(delivery.body)
            except Malformed:
                self.undecodable += 1  # a foreign message; ours would be found by sync
                continue
            arrivals.setdefault(event.stream, []).append(event)
        return arrivals

    def _sync_if_due(self, *, idle: bool) -> Steps[int]:
        """Sync what was newly assigned as soon as the bus is quiet, and everything on the timer or after the log was trimmed."""
        trimmed = yield from ask(self.consumer.trimmed)
        assigned = yield from ask(self.consumer.assigned)
        lost, self._assigned = self._assigned - assigned, assigned
        if lost:
            yield from self.sink.release(shard for shard in range(SHARDS) if shard % self._bus.partitions in lost)
        self._synced = (self._synced & assigned) - trimmed
        now = self.world.monotonic()
        if self._sync_at == 0.0:
            self._sync_at = now + self.sync_every_s
        if now >= self._sync_at:
            self._synced = frozenset()
        elif not idle and not trimmed:
            return 0
        missing = assigned - self._synced
        if not missing:
            return 0
        folded = yield from self.sync.run(self._owned(missing))
        self._synced |= missing
        self._sync_at = self.world.monotonic() + self.sync_every_s
        return folded

    def _trim_if_due(self) -> Steps[None]:
        now = self.world.monotonic()
        if now >= self._trim_at:
            self._trim_at = now + TRIM_EVERY_S
            yield from ask(self.sink.rows.trim_changes, self.generation.group, self.generation.number, HISTORY)

    def _show(self) -> Steps[None]:
        """While this generation is the live one, repeat what was committed to the group that is watched: every round, the idle ones too.

        So it never runs ahead of the rows for longer than a look, and whatever was lost, or overwritten late by somebody else, is soon
        mended: the watched lag is zero when nothing is left to do.
        """
        if not self._watched:
            return
        now = self.world.monotonic()
        if now >= self._look_at:
            found = yield from ask(self.sink.rows.generations, self.generation.group)
            self._live = any(one.number == self.generation.number and one.phase is Phase.LIVE for one in found)
            self._look_at = now + LOOK_EVERY_S
        if self._live:
            yield from ask(self.consumer.show, watched_group(self.app, self.generation.group))

    def _owned(self, partitions: frozenset[int]) -> Callable[[int], bool]:
        width = self._bus.partitions
        return lambda shard: shard % width in partitions

    def loop(self, stop: Event) -> None:
        """Project until told to stop, then drain the batch in hand and leave the shards clean. Raises `Stopped` when an operator must act."""
        failures = 0
        try:
            while not stop.is_set():
                try:
                    run(self.once())
                    failures = 0
                    self._pulse(None)
                except Unavailable as error:
                    failures += 1
                    self._pulse(error)
                    stop.wait(backoff(failures, self.world))
                    self.consumer.rewind()
        except Fenced:
            return
        finally:
            self.close()

    def close(self) -> None:
        """Leave the group, and the shards clean."""
        try:
            run(self.sink.release())
        except Unavailable:
            pass  # the next holder is careful for nothing, no more
        finally:
            self.consumer.close()
