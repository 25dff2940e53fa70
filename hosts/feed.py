"""Drives the flights of 2013 through the command path, at any speed, and the saga clock with them; stopped anywhere, it goes on there.

    timeline ─▶ windows of commands ─▶ event store          the clock moves to t only when every command up to t is acknowledged
                                                            (and, while a projector runs, has been seen by the saga)

A window goes out in waves: the first command of each flight in one durable write, then the second ones, and so on. Flights are
independent, and the clock moves only after the whole window.

Where to go on is read from the heads of the flights' own streams. The clock stays where the range ends, so that the next range can follow: it is
never given back to the database, whose time would be decades past every timer of 2013. At the end of a range it stands just
after the last time at which one of its flights could be flagged, which is before any flight of the next day could be.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import date, datetime, timedelta
from threading import Event

from msgspec import Struct

from apps.flights import app
from hosts.timeline import Told, begin, due, last_due, timeline
from hosts.timetable import LAST_DAY, Flown, check_days, days
from hosts.turns import Turns
from runtime.errors import Conflict, Misconfigured, TrimaranError
from runtime.flow.command import Commands, Outcome, Sending
from runtime.ports import Answer, EventStore, ReadStore

WINDOW = 1024  # commands
AHEAD = 10  # windows that the feed may be ahead of the saga
PATIENCE_S = 5.0  # for a saga that does not follow
CLOCK_EVERY_S = 0.1
PAGE = 2_000
TICK = timedelta(microseconds=1)

type Follow = Callable[[str, int], bool]
"""Whether the saga has seen a stream up to a version."""


class Fed(Struct):
    """How far the feed is: commands acknowledged in this run, how many of them had been before, and the instant in 2013."""

    commands: int = 0
    repeated: int = 0
    at: datetime | None = None


class Reached(Struct, frozen=True):
    """Every command up to `at` is acknowledged; the last one stands at `version` of `stream`."""

    at: datetime
    stream: str
    version: int


class Feed:
    """One replay of the days `first` to `last`; `speed` is seconds of 2013 a second, 0: as fast as it goes."""

    def __init__(
        self,
        commands: Commands,
        store: EventStore,
        rows: ReadStore,
        first: date,
        last: date,
        *,
        speed: float = 0.0,
        follow: Follow | None = None,
        turns: Turns | None = None,
    ) -> None:
        check_days(first, last)
        self._commands, self._store, self._rows = commands, store, rows
        self.first, self.last, self.speed = first, last, speed
        self._follow = follow
        self._turns = None if speed else turns  # a feed that waits anyhow leaves the rounds to their own thread
        self._clock = begin(first)
        self._end = last_due(last)
        self._reached: deque[Reached] = deque()
        self._alone = False  # the saga did not follow in time: do not wait for it again before it does
        self._clock_set_s = 0.0
        self.fed = Fed()

    def run(self, stop: Event, progress: Callable[[Fed], None] = lambda _: None) -> bool:
        """Feed until the range ends (True) or `stop` is set (False); what was sent is acknowledged either way."""
        with nullcontext() if self._turns is None else self._turns.hold():
            return self._run(stop, progress)

    def _run(self, stop: Event, progress: Callable[[Fed], None]) -> bool:
        self._take_clock()
        ahead = timeline(days(self.first, self.last), self._done())
        for window, following in self._windows(ahead, stop):
            if stop.is_set():
                return False
            answer = self._send(window)
            self.fed.at = window[-1].at
            at = window[-1].at if following is None or following.at > window[-1].at else following.at - TICK
            self._reached.append(Reached(at, answer.stream, answer.last))
            if self._turns is not None:
                self._turns.once()
            self._move_clock(stop)
            progress(self.fed)
        return self._finish(stop)

    # where to begin
    def _take_clock(self) -> None:
        """A clock nobody drove shows the present."""
        now = self._rows.clock()
        driven = now <= last_due(LAST_DAY)
        self._clock = now if driven else begin(self.first)
        if not driven:
            self._rows.set_clock(self._clock)

    def _done(self) -> Callable[[Flown], int]:
        """How many commands of a flight are certainly in the store: its version, less one where that one may be the flag."""
        heads: dict[str, int] = {}
        known: date | None = None

        def done(flown: Flown) -> int:
            nonlocal heads, known
            if flown.day != known:
                heads, known = self._heads(flown.day), flown.day
            version = heads.get(flown.flight, 0)
            if not version and due(flown) <= self._clock:
                raise Misconfigured(
                    f"the replay stands at {self._clock:%Y-%m-%d %H:%M} UTC and flights of {flown.day} were not fed before: "
                    "feed days in order, or start again with --fresh"
                )
            return version - 1 if version > 1 and (flown.dep_delay or 0) > 15 else version

        return done

    def _heads(self, day: date) -> dict[str, int]:
        """The versions of one day's flights; stream names sort by day."""
        prefix = app.stream("flight", f"{day.isoformat()}-")
        after, found = prefix, dict[str, int]()
        while True:
            page = self._store.heads(after, PAGE)
            for head in page:
                if not head.stream.startswith(prefix):
                    return found
                found[head.stream.removeprefix("flight-")] = head.version
            if len(page) < PAGE:
                return found
            after = page[-1].stream

    # going
    def _windows(self, ahead: Iterator[Told], stop: Event) -> Iterator[tuple[list[Told], Told | None]]:
        """Windows of due commands, each with the command that comes after it."""
        pace = Pace(self.speed)
        window: list[Told] = []
        for told in ahead:
            if window and (len(window) >= WINDOW or not pace.is_due(told.at)):
                yield window, told
                window = []
            pace.wait(told.at, stop, lambda: self._move_clock(stop))
            window.append(told)
        if window:
            yield window, None

    def _send(self, window: list[Told]) -> Answer:
        """Send a window, wave by wave; the answer to its last command."""
        waves: list[list[Told]] = []
        depth: dict[str, int] = {}
        for told in window:
            level = depth.get(told.flight, 0)
            depth[told.flight] = level + 1
            if level == len(waves):
                waves.append([])
            waves[level].append(told)
        answers = {}
        for wave in waves:
            sendings = [Sending(told.command, told.key) for told in wave]
            for told, sending, outcome in zip(wave, sendings, self._commands.send_all(sendings), strict=True):
                answers[told.flight] = answer = self._accepted(sending, outcome)
                self.fed.repeated += answer.replayed
            self.fed.commands += len(wave)
        return answers[window[-1].flight]

    def _accepted(self, sending: Sending, outcome: Outcome) -> Answer:
        if isinstance(outcome, Conflict):  # a flag was quicker, many times over: once more alone
            return self._commands.send(sending.command, sending.key)
        if isinstance(outcome, TrimaranError):
            raise outcome
        return outcome

    # the clock
    def _move_clock(self, stop: Event) -> None:
        """To the newest instant that the saga has reached, too; waits for it, bounded, when it is far behind."""
        at: datetime | None = None
        waiting_since = time.monotonic()
        while self._reached and not stop.is_set():
            if self._seen(self._reached[0]):
                self._alone = False
            elif not self._alone:
                if len(self._reached) <= AHEAD:
                    break
                if time.monotonic() - waiting_since < PATIENCE_S:
                    self._rest(stop, 0.005)
                    continue
                self._alone = True
            at = self._reached.popleft().at
        if at is not None:
            self._set_clock(at)

    def _rest(self, stop: Event, seconds: float) -> None:
        """Let the others work; where the feed holds the turns, that is done here."""
        if self._turns is None or not self._turns.once():
            stop.wait(seconds)

    def _seen(self, reached: Reached) -> bool:
        return self._follow is None or self._follow(reached.stream, reached.version)

    def _set_clock(self, at: datetime, *, now: bool = False) -> None:
        self._clock = max(self._clock, min(at, self._end))
        if now or time.monotonic() - self._clock_set_s >= CLOCK_EVERY_S:
            self._rows.set_clock(self._clock)
            self._clock_set_s = time.monotonic()

    def _finish(self, stop: Event) -> bool:
        """Every command is acknowledged: let the saga catch up, then every timer of the range is due."""
        until = time.monotonic() + PATIENCE_S
        while self._reached and time.monotonic() < until and not self._seen(self._reached[-1]):
            self._rest(stop, 0.01)
            if stop.is_set():
                return False
        self._set_clock(self._end, now=True)
        return True


class Pace:
    """When an instant of 2013 comes, on this machine's clock; speed 0: it has come."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._start: datetime | None = None
        self._began_s = 0.0

    def is_due(self, at: datetime) -> bool:
        """Whether it has come."""
        return self._left_s(at) <= 0

    def wait(self, at: datetime, stop: Event, meanwhile: Callable[[], None]) -> None:
        """Until it comes, or somebody says stop."""
        while (left_s := self._left_s(at)) > 0 and not stop.is_set():
            meanwhile()
            stop.wait(min(left_s, 0.1))

    def _left_s(self, at: datetime) -> float:
        if not self._speed:
            return 0.0
        if self._start is None:
            self._start, self._began_s = at, time.monotonic()
        return (at - self._start).total_seconds() / self._speed - (time.monotonic() - self._began_s)
