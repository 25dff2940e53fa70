"""How a process is, as it tells whoever probes it: does it get on, and can it do its work.

    live    every loop that is watched got on within TRIMARAN_WEDGED_S; what is away is waited for, and that is getting on, too
    ready   it has started, no loop's last round met something unavailable, what it needs is there, and it is not shutting down

A loop says so itself, once a round (`watch`), so that a thread which hangs in a call, in a lock or for ever in a fold says nothing and is
found; an event loop is asked (`look`). Failures are told in words that name no host and hold no secret: the texts go to stderr.
"""

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from runtime.flow.pulse import Pulse

WEDGED_S = 60.0  # twice what a statement may take (30 s), so that one slow batch is no stuck thread
START_S = 180.0  # three stores may each migrate for 60 s

type Health = tuple[bool, dict[str, Any]]
type Look = Callable[[], float]  # for how many seconds something has not got on; 0 when it has just done so


class Watched:
    """A loop as it tells of itself; callable as its `Pulse`."""

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self.name, self._clock = name, clock
        self.at = clock()
        self.met = False  # a round has ended well
        self.failing: Exception | None = None

    def __call__(self, error: Exception | None) -> None:
        """It got on, or met something unavailable; the first of a row of failures, and the end of them, are a line on stderr."""
        self.at = self._clock()
        if error is self.failing:
            self.met = True  # both None, in every round but few
            return
        if error is None:
            _say(f"{self.name}: goes on")
        elif self.failing is None:
            _say(f"{self.name}: {' '.join(str(error).split())}: waits for it")
        self.failing, self.met = error, self.met or error is None


class Vitals:
    """Of one process; any thread may tell and ask."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.wedged_s = WEDGED_S
        self.load: Callable[[], dict[str, int]] | None = None  # how busy it is, where something scales by that; may raise `TimeoutError`
        self._clock = clock
        self._began = clock()
        self._started = False
        self._stop = threading.Event()
        self._watched: dict[str, Watched] = {}
        self._looks: dict[str, Look] = {}
        self._needs: list[Callable[[], Health]] = []

    # what the process tells
    def begin(self, stop: threading.Event) -> None:
        """It begins; once `stop` is set it is shutting down."""
        self._began, self._started, self._stop = self._clock(), False, stop

    def started(self) -> None:
        """Everything is opened."""
        self._started = True

    def watch(self, name: str) -> Pulse:
        """A loop that tells of itself from now on, until it is forgotten."""
        watched = self._watched[name] = Watched(name, self._clock)
        return watched

    def forget(self, name: str) -> None:
        """This loop has ended."""
        self._watched.pop(name, None)

    def look(self, name: str, look: Look) -> None:
        """Something that has to be asked whether it gets on."""
        self._looks[name] = look

    def need(self, health: Callable[[], Health]) -> None:
        """Something without which it cannot do its work."""
        self._needs.append(health)

    # what probes ask
    def live(self) -> Health:
        """False for a process that only a restart can help."""
        if self._stop.is_set():
            return _told(None, state="shutting down")  # whoever stopped it ends it, if it does not end by itself
        if not self._started and (took := self._clock() - self._began) > START_S:
            return _told(f"it has been starting for {took:.0f} s")
        return _told(self._stuck())

    def ready(self) -> Health:
        """False while it cannot do its work."""
        if self._stop.is_set():
            return _told("shutting down")
        if not self._started:
            return _told("starting")
        loops = list(self._watched.values())
        if failing := next((loop.name for loop in loops if loop.failing is not None), None):
            return _told(f"{failing}: what it works on does not answer; the log says what")
        if waiting := next((loop.name for loop in loops if not loop.met), None):
            return _told(f"{waiting}: its first round has not ended")
        if stuck := self._stuck():
            return _told(stuck)
        for need in self._needs:
            well, told = need()
            if not well:
                return _told(str(told.get("failure") or "not well"))
        return _told(None)

    def _stuck(self) -> str | None:
        now = self._clock()
        found = [(name, loop.at) for name, loop in list(self._watched.items())]
        still = [(name, now - at) for name, at in found] + [(name, look()) for name, look in list(self._looks.items())]
        return next((f"{name}: has not got on for {seconds:.0f} s" for name, seconds in still if seconds > self.wedged_s), None)


VITALS = Vitals()  # of this process


def _told(failure: str | None, **more: str) -> Health:
    return failure is None, {"failure": failure, **more}


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
