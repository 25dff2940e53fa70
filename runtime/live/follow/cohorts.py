"""Subscribers who see the same: one cohort matches a change once and renders an update once, whoever many they are.

    change ─▶ the cohort's news, newest state per row ─▶ flush: one update, rendered once ─▶ every outlet that is ready
                                                            ├─▶ an outlet that is not ready keeps the newest of each row, bounded
                                                            └─▶ a gate: the same, for those who are being caught up

A subscriber is behind a gate until it was told the picture that the gate begins after; then what the gate kept, and then it is live.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from runtime.live.follow.matching import Moved, Passes, compiled, told
from runtime.live.follow.positions import Cursors, Positions
from runtime.live.follow.topics import Topic
from runtime.live.limits import Limits
from runtime.live.plans import Entry, Plan, Update

type Render = Callable[[Update], bytes]
type News = tuple[Entry, int, int]  # a row's newest state, and the shard and number of the change that left it


class Outlet(Protocol):
    """One operation of one connection, as its driver implements it. Nothing here suspends."""

    def ready(self) -> bool:
        """False while the connection cannot take more; its driver calls `drained` when it can."""
        ...

    def push(self, payload: bytes) -> None:
        """The payload of a `next`."""
        ...

    def fail(self, errors: list[dict[str, object]]) -> None:
        """The operation is over."""
        ...

    def overflow(self) -> None:
        """The client is too slow: its connection is over, and may come back with its cursor."""
        ...


class Seat:
    """One subscriber of a cohort."""

    __slots__ = ("cohort", "gone", "late", "outlet", "payloads", "push", "ready")

    def __init__(self, cohort: "Cohort", outlet: Outlet) -> None:
        self.cohort, self.outlet = cohort, outlet
        self.ready, self.push = outlet.ready, outlet.push
        self.gone = False
        self.payloads: list[bytes] = []  # of its picture, last first, for as long as its outlet was not ready for them
        self.late: dict[str, Entry] = {}  # the newest of each row since then


class Gate:
    """What came since it was opened, newest state per row, for those who are being caught up. `overfull`: too much, take a newer picture."""

    __slots__ = ("_most", "news", "overfull")

    def __init__(self, most: int) -> None:
        self._most = most
        self.news: dict[str, News] = {}
        self.overfull = False

    def keep(self, news: dict[str, News]) -> None:
        """One flush more."""
        if self.overfull:
            return
        self.news.update(news)
        if len(self.news) > self._most:
            self.overfull = True
            self.news.clear()

    def after(self, numbers: dict[int, int]) -> dict[str, Entry]:
        """What a picture of this cut does not have."""
        return {key: entry for key, (entry, shard, number) in self.news.items() if number > numbers.get(shard, 0)}


class Cohort:
    """Everybody who sees the same rows through the same document."""

    def __init__(self, app: str, plan: Plan, topics: tuple[Topic, ...], render: Render, limits: Limits) -> None:
        self.plan, self.topics, self.render = plan, topics, render
        self.passes: Passes = compiled(plan.where)
        self.cursors = Cursors(app, plan)
        self._limits = limits
        self.seats: dict[Seat, None] = {}  # all of them
        self._live: dict[Seat, None] = {}  # those who are told of the next update at once
        self._slow: dict[Seat, None] = {}
        self.gates: list[Gate] = []
        self.news: dict[str, News] = {}
        self.told = False  # whether the live ones got a cursor since somebody last looked
        self.overflows = self.renders = self.pushes = 0

    # a change
    def hear(self, moved: Moved, earlier: Sequence[Moved]) -> bool:
        """One change of a part that the cohort follows; whether it is news."""
        plan = self.plan
        if moved.part != plan.part or moved.tenant != plan.tenant or (plan.key and moved.key != plan.key):
            return False
        found = told(self.passes, moved, earlier)
        if found is None:
            return False
        newest, shown = found
        news = self.news
        news.pop(moved.key, None)  # what came later stands later
        news[moved.key] = newest.entry(shown), newest.shard, newest.number
        return True

    def flush(self, positions: Positions) -> None:
        """Tell it: the positions are exactly those of the changes heard so far."""
        news, self.news = self.news, {}
        for gate in self.gates:
            gate.keep(news)
        entries = {key: entry for key, (entry, _, _) in news.items()}
        for seat in list(self._slow):
            self._delay(seat, entries)
        if self._live:
            self._tell(tuple(entries.values()), positions)

    def refresh(self, positions: Positions) -> None:
        """A fresh cursor for who heard nothing since the last time; not for one row, since an update without the row would mean that it is gone."""
        if self._live and not self.told and not self.plan.key:
            self._tell((), positions)
        self.told = False

    def _tell(self, entries: tuple[Entry, ...], positions: Positions) -> None:
        payload = self._rendered(Update(entries, self.cursors.write(positions)))
        slow = []
        live = list(self._live)  # an outlet may leave when it is pushed to
        for seat in live:
            if seat.ready():
                seat.push(payload)
            else:
                slow.append(seat)
        self.told = True
        self.pushes += len(live) - len(slow)
        for seat in slow:
            if seat.gone:
                continue
            del self._live[seat]
            self._slow[seat] = None
            self._delay(seat, {entry.key: entry for entry in entries})

    def _rendered(self, update: Update) -> bytes:
        self.renders += 1
        return self.render(update)

    # slow outlets
    def _delay(self, seat: Seat, entries: dict[str, Entry]) -> None:
        seat.late.update(entries)
        if len(seat.late) > self._limits.outbox_rows:
            self.overflows += 1
            self.leave(seat)
            seat.outlet.overflow()

    def drained(self, seat: Seat, positions: Positions) -> None:
        """Its outlet is ready again: the rest of its picture, then the newest of each row, and then it is live."""
        if seat not in self._slow:
            return
        while seat.payloads:
            if not seat.ready():
                return
            seat.push(seat.payloads.pop())
            self.pushes += 1
        if seat.late:
            if not seat.ready():
                return
            payload = self._rendered(Update(tuple(seat.late.values()), self.cursors.write(positions)))
            seat.late.clear()
            seat.push(payload)
            self.pushes += 1
        self._slow.pop(seat, None)
        self._live[seat] = None

    # coming and going
    def join(self, outlet: Outlet) -> Seat:
        """A new subscriber; nothing is told until it is `seated`."""
        seat = Seat(self, outlet)
        self.seats[seat] = None
        return seat

    def seated(self, seats: Sequence[Seat], payloads: Sequence[bytes], late: dict[str, Entry], positions: Positions) -> None:
        """They get their picture, and what came after it up to these positions; from now on they hear what everybody hears."""
        turned = list(reversed(payloads))
        if late:
            turned.insert(0, self._rendered(Update(tuple(late.values()), self.cursors.write(positions))))
        for seat in seats:
            if seat in self.seats:
                seat.payloads, seat.late = turned.copy(), {}
                self._slow[seat] = None
                self.drained(seat, positions)

    def unseat(self) -> list[Seat]:
        """Everybody who was seated, to be caught up again; what they were not told yet is forgotten."""
        seats = [*self._live, *self._slow]
        self._live.clear()
        self._slow.clear()
        self.news.clear()
        for seat in seats:
            seat.payloads, seat.late = [], {}
        return seats

    def leave(self, seat: Seat) -> None:
        """It hears no more."""
        seat.gone = True
        self.seats.pop(seat, None)
        self._live.pop(seat, None)
        self._slow.pop(seat, None)
        seat.payloads, seat.late = [], {}

    @property
    def slow(self) -> int:
        """How many are behind."""
        return len(self._slow)

    @property
    def live(self) -> int:
        """How many hear at once."""
        return len(self._live)
