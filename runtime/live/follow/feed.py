"""Everything the subscribers of one group share: what is heard of its changes, and the cores that keep it true.

    keep    which generation is read, leased, and how far its log goes: on a timer, and when somebody has a reason to look
    fill    what signals did not bring, read from the log
    (and one for everybody who waits for a picture: runtime.live.follow.seating)

The cores are `Steps`: the hub drives them with threads and an event loop, the simulation with dice. Between two requests they are alone.
"""

from collections import deque
from collections.abc import Callable, Sequence

from runtime.domain.app import App
from runtime.domain.tables import Group
from runtime.errors import Fenced, Stopped, Unavailable
from runtime.flow.reading import Reading
from runtime.flow.world import World, backoff
from runtime.live.errors import told
from runtime.live.follow.bells import Bell
from runtime.live.follow.catchup import CatchingUp
from runtime.live.follow.cohorts import Cohort, Outlet, Render, Seat
from runtime.live.follow.following import Following
from runtime.live.follow.index import Index
from runtime.live.follow.matching import Reader
from runtime.live.follow.seating import Seating
from runtime.live.follow.topics import topics_of
from runtime.live.limits import Limits
from runtime.live.plans import Plan
from runtime.ports import Generation, Phase, ReadStore, Signal
from runtime.steps import Steps, ask, run

CHANGES, BYTES = 256, 64 * 1024  # that one flush tells, about
PAGE = 1_000  # changes a read of the log
EARLY = 10_000  # signals kept while a generation is opened
LEASE_S, LEASE_EVERY_S = 30.0, 10.0
FRESH_EVERY_S = 60.0  # an idle subscription gets a fresh cursor
BLUE_EVERY_S = 2.0  # pictures of a generation that logs no changes any more, until this code is replaced as well


class Feed:
    """One group. `spawn` starts a core, `later` calls a function after everything that is ready; `threads`: cores may be run in one go."""

    def __init__(
        self,
        app: App,
        group: Group,
        rows: ReadStore,
        *,
        limits: Limits,
        world: World,
        poll_s: float,
        spawn: Callable[[Steps[None]], None],
        later: Callable[[Callable[[], None]], None],
        threads: bool,
    ) -> None:
        self._app, self.group, self._rows, self._limits, self._world, self.poll_s = app, group, rows, limits, world, poll_s
        self._later, self._threads = later, threads
        self._reading = Reading(app, rows, world)
        self._seating = Seating(self, CatchingUp(app, rows, limits, world), limits, world, spawn)
        self._readers = {table.part: Reader(table) for table in group.tables}
        self._keys = {table.part: app.folds[table.part].key_fields for table in group.tables}
        self.holder = f"gateway-{world.token()[:12]}"
        self.cohorts: dict[str, Cohort] = {}
        self._index: Index[Cohort] = Index()
        self.following: Following | None = None
        self.epoch = 0  # of `following`
        self._early: deque[Signal] = deque(maxlen=EARLY)
        self._pumping = False
        self.pump_size = CHANGES
        self._cut: dict[int, int] = {}  # heads to settle when they are reached
        self._lease_at = self._fresh_at = self._blue_at = 0.0
        self.look, self.gap, self.moved = Bell(), Bell(), Bell()
        self.figures = dict.fromkeys(("changes", "filled", "snapshots", "resumes", "resets", "failures"), 0)
        self.gone = dict.fromkeys(("pushes", "renders", "overflows"), 0)  # of cohorts that nobody is in any more

    # subscribers
    def subscribe(self, plan: Plan, render: Render, outlet: Outlet) -> Seat:
        """From now on nothing that this plan follows is missed; its picture comes as soon as it was read."""
        cohort = self.cohorts.get(plan.cohort)
        if cohort is None:
            topics = topics_of(plan, self._readers[plan.part].table, self._keys[plan.part])
            cohort = self.cohorts[plan.cohort] = Cohort(self._app.name, plan, topics, render, self._limits)
            self._index.add(cohort, topics)
        seat = cohort.join(outlet)
        self._seating.begin(cohort, [seat], plan.after)
        if self.following is None:
            self.look.ring()
        return seat

    def leave(self, seat: Seat) -> None:
        """It hears no more; again does nothing."""
        seat.cohort.leave(seat)
        self.tidy(seat.cohort)

    def drained(self, seat: Seat) -> None:
        """Its outlet is ready again."""
        if self.following is not None and not seat.gone:
            self.safely(seat.cohort, seat.cohort.drained, seat, self.following.positions)

    def tidy(self, cohort: Cohort) -> None:
        """A cohort without anybody is found by no change."""
        if not cohort.seats and self.cohorts.get(cohort.plan.cohort) is cohort:
            del self.cohorts[cohort.plan.cohort]
            self._index.remove(cohort, cohort.topics)
            for name in self.gone:
                self.gone[name] += getattr(cohort, name)

    def fail(self, cohort: Cohort, seats: Sequence[Seat], error: Exception) -> None:
        """These subscriptions are over; what is ours is masked."""
        self.figures["failures"] += 1
        errors = [told(error, self._world.token())]
        for seat in seats:
            if not seat.gone:
                cohort.leave(seat)
                seat.outlet.fail(errors)
        self.tidy(cohort)

    def safely[**P](self, cohort: Cohort, do: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """A rendering that fails ends its own cohort, never the others."""
        try:
            do(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  told to its subscribers, masked
            self.fail(cohort, list(cohort.seats), error)
        if not cohort.seats:
            self.tidy(cohort)

    # changes
    def hear(self, signals: Sequence[Signal]) -> None:
        """What the signals say of this group, in any order."""
        following = self.following
        if following is None:
            if self.cohorts:
                self._early.extend(signals)
            return
        mine = [signal for signal in signals if signal.generation == following.generation]
        if len(mine) < len(signals):
            newer = [signal for signal in signals if signal.generation > following.generation]
            self._early.extend(newer)
            if newer:
                self.look.ring()
        following.hear(mine)
        self.pump()

    @property
    def busy(self) -> bool:
        """Whether changes wait to be told."""
        return self._pumping

    def pump(self) -> None:
        """Tell what is next, a bounded part of it at a time."""
        if not self._pumping:
            self._pumping = True
            self._pump()

    def _pump(self) -> None:
        following = self.following
        if following is None:
            self._pumping = False
            return
        taken = following.take(self.pump_size, BYTES)
        touched: dict[Cohort, None] = {}
        for moved, earlier in taken:
            for cohort in self._index.find(moved):
                if cohort.hear(moved, earlier):
                    touched[cohort] = None
        self.figures["changes"] += len(taken)
        for cohort in touched:
            self.safely(cohort, cohort.flush, following.positions)
        self.moved.ring()
        if following.waits:
            self._later(self._pump)
            return
        self._pumping = False
        if following.gaps():
            self.gap.ring()

    def _following(self) -> Following:
        assert self.following is not None
        return self.following

    # the generation
    def keep(self) -> Steps[None]:
        """Which generation is read and how far its log goes, for as long as somebody subscribes."""
        failures = 0
        while True:
            rings = self.look.rings
            try:
                if not self.cohorts:
                    yield from self._rest()
                elif self.following is None:
                    yield from self._open()
                else:
                    yield from self._look()
                failures = 0
            except Unavailable:
                failures += 1
            except Fenced:
                self.following = None  # dropped: its successor is looked for
                continue
            except Stopped as error:  # nothing that this code can read
                failures += 1
                self._stopped(error)
            resting = not self.cohorts and self.following is None
            wait = backoff(failures, self._world) if failures else None if resting else self.poll_s
            yield from ask(self.look.wait, rings, wait)

    def _stopped(self, error: Stopped) -> None:
        self.following = None
        for cohort in list(self.cohorts.values()):
            self.fail(cohort, list(cohort.seats), error)

    def _rest(self) -> Steps[None]:
        """Nobody subscribes: give the generation back."""
        following, self.following, self.epoch = self.following, None, self.epoch + 1
        self._early.clear()
        if following is not None:
            yield from self._unlease(following.generation)

    def _unlease(self, number: int) -> Steps[None]:
        try:
            yield from ask(self._rows.lease, self.group.name, number, self.holder, 0.0)
        except (Unavailable, Stopped):
            return  # it ends by itself

    def _open(self) -> Steps[None]:
        """Follow the newest generation that this code reads, from its heads on; everybody is shown its picture."""
        before, self.following = self.following, None  # what is heard from now on is kept
        generation = yield from self.perform(self._reading.generation(self.group))
        yield from self._lease(generation)
        history = yield from ask(self._rows.history, self.group.name, generation.number)
        heads = {shard: last for shard, (_, last) in history.items()}
        self.following = Following(self._readers, generation.number, heads)
        self.epoch += 1
        self._cut, now = heads, self._world.monotonic()
        self._blue_at, self._fresh_at = now + BLUE_EVERY_S, now + FRESH_EVERY_S
        for cohort in list(self.cohorts.values()):
            if seats := cohort.unseat():
                self.figures["resets"] += len(seats)
                self._seating.begin(cohort, seats, "")
        early = [signal for signal in self._early if signal.generation == generation.number]
        self._early.clear()
        self.moved.ring()
        self.hear(early)
        if before is not None and before.generation != generation.number:
            yield from self._unlease(before.generation)

    def _lease(self, generation: Generation) -> Steps[None]:
        self._lease_at = self._world.monotonic() + LEASE_EVERY_S
        yield from ask(self._rows.lease, self.group.name, generation.number, self.holder, LEASE_S)

    def _look(self) -> Steps[None]:
        """Is this still the generation to read, and was everything heard? A lost last signal is found here."""
        following = self._following()
        told_to = dict(following.positions.numbers)
        generation = yield from self.perform(self._reading.generation(self.group))
        now = self._world.monotonic()
        silent = generation.phase is Phase.BLUE and now >= self._blue_at  # it is folded on, but logs no changes
        if generation.number != following.generation or following.overfull or silent:
            yield from self._open()
            return
        if now >= self._lease_at:
            yield from self._lease(generation)
        history = yield from ask(self._rows.history, self.group.name, generation.number)
        heads = {shard: last for shard, (_, last) in history.items()}
        if any(heads.get(shard, 0) < number for shard, number in told_to.items()):  # a database put back in time
            yield from self._open()
            return
        following.learn(heads)
        if following.reached(self._cut):
            following.settle(self._cut)
            self._cut = heads
        if following.gaps():
            self.gap.ring()
        if now >= self._fresh_at:
            self._fresh_at = now + FRESH_EVERY_S
            for cohort in list(self.cohorts.values()):
                self.safely(cohort, cohort.refresh, following.positions)

    # what the signals did not bring
    def fill(self) -> Steps[None]:
        """Read holes from the log, for ever."""
        failures = 0
        while True:
            rings, following = self.gap.rings, self.following
            gaps = following.gaps() if following is not None else []
            if following is None or not gaps:
                yield from ask(self.gap.wait, rings, None)
                continue
            try:
                yield from self._fill(following, gaps)
                failures = 0
            except Unavailable:
                failures += 1
                yield from ask(self._world.sleep, backoff(failures, self._world))
            except Fenced:
                self.look.ring()
                yield from ask(self.gap.wait, rings, self.poll_s)

    def _fill(self, following: Following, gaps: Sequence[tuple[int, int, int]]) -> Steps[None]:
        for shard, after, count in gaps:
            page = yield from ask(self._rows.changes, self.group.name, following.generation, shard, after, min(count, PAGE))
            if self.following is not following:
                return
            self.figures["filled"] += len(page)
            at = following.positions.numbers.get(shard, 0)
            if at == after and (not page or page[0].number != after + 1):
                self.following = None  # trimmed before it was read: everybody begins again
                self.look.ring()
                return
            following.hear(page)
            self.pump()  # at once: the next read may fail

    def perform[T](self, steps: Steps[T]) -> Steps[T]:
        """A core of blocking requests: with threads in one go on one of them."""
        if self._threads:
            return (yield from ask(run, steps))
        return (yield from steps)
