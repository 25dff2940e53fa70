"""Rebuilds step by step: GET /admin/rebuilds, and what `POST /operate/rebuild` does to a group.

    start ─▶ filling (a thread of this process) ─▶ filled ─▶ swap ─▶ done ─▶ finish: what nobody reads any more is dropped
                 └───────────── abort: green is dropped, the live rows were never touched

One rebuild of a group at a time. All that counts is in the read store: when the process stops in the middle, `start` here or
`trimaran rebuild` goes on with what is there.
"""

import logging
import threading
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from hosts.admin import Admin
from hosts.admin.comparing import compared
from hosts.admin.said import said
from hosts.admin.streams import asked_for
from hosts.http import known
from runtime.errors import Rejected, TrimaranError
from runtime.flow.rebuild import Progress, Rebuild
from runtime.flow.world import WORLD
from runtime.ports import Phase
from runtime.steps import Steps, run

LOG = logging.getLogger("trimaran.admin")
FRESH_S = 1.0  # a status is asked for once a second by every page; counting streams takes longer in a large store …
SHARE = 5  # … so it may take a fifth of the time at most
READS = ("bulk", "read")  # requests whose replies are stored events
JOIN_S = 30.0


class Job(Struct):
    """What this process does for a group: its step, how many events were read, and what went wrong."""

    step: str
    folded: int = 0
    error: str | None = None


class Cancelled(Exception):
    """The fill is to end; thrown into it, so that its transaction is rolled back."""


def rebuilds(admin: Admin, asked: Mapping[str, str]) -> object:
    """Every group as it stands."""
    known(asked, ())
    work = admin.one(Rebuilds)
    return {"groups": [work.told(group) for group in admin.app.groups]}


def compare(admin: Admin, asked: Mapping[str, str]) -> object:
    """The rows of green beside the live ones."""
    known(asked, ("group",))
    group = asked_for(asked, "group")
    work = admin.one(Rebuilds)
    status = work.status(group)
    if status.green is None or status.live is None:
        raise Rejected(f"group {group!r} has no rebuild to compare: start one")
    parts = [compared(admin.local.rows, table, status.live, status.green) for table in admin.app.groups[group].tables]
    return {"group": group, "live": status.live, "green": status.green, "parts": parts}


class Rebuilds:
    """The rebuilds of this process; `close` ends a fill where it is."""

    def __init__(self, admin: Admin) -> None:
        self._app, self._local = admin.app, admin.local
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._filling: dict[str, tuple[threading.Thread, threading.Event]] = {}
        self._known: dict[str, tuple[Progress, float, object]] = {}  # … until when it is fresh enough, and in which state of things
        self._now: dict[str, object] = {}  # another object whenever a step was made
        self._events: dict[str, int] = {}

    def rebuild(self, group: str) -> Rebuild:
        """Of a group that there is, else `Rejected`."""
        local = self._local
        return Rebuild(self._app, group, local.events.store, local.rows, local.bus, local.signals)

    # steps
    def start(self, group: str) -> None:
        """Make green, or find the one that was begun, and fill it on a thread."""
        work = self.rebuild(group)
        with self._lock:
            if self._busy(group):
                raise Rejected(f"group {group!r} is being rebuilt: wait until it is filled, or abort it")
            green = run(work.start())
            self._events[group] = run(work.plan(0.0)).events
            job = self._jobs[group] = Job("filling")
            stop = threading.Event()
            thread = threading.Thread(target=self._fill, args=(group, job, work.fill(green), stop), name=f"rebuild {group}", daemon=True)
            self._filling[group] = thread, stop
            self._now[group] = object()
            thread.start()

    def swap(self, group: str) -> None:
        """Let green take over. `Rejected` while it is filled."""
        work = self.rebuild(group)
        with self._lock:
            if self._busy(group):
                raise Rejected(f"group {group!r} is not filled yet: wait until it is")
            before = self._jobs.get(group)
            job = self._jobs[group] = Job("swapping", before.folded if before is not None else 0)
        try:
            run(work.swap())
        except TrimaranError as error:  # green is as it was
            self._leave(group, before and Job(before.step, before.folded, said(error)))
            raise
        except Exception:
            self._leave(group, Job("failed", job.folded, "internal error"))
            raise
        self._leave(group, Job("done", job.folded))

    def _leave(self, group: str, job: Job | None) -> None:
        """The step is over; how long ago a status was counted does not matter any more."""
        with self._lock:
            self._now[group] = object()
            if job is None:
                self._jobs.pop(group, None)
            else:
                self._jobs[group] = job

    def abort(self, group: str) -> None:
        """End the fill and drop green."""
        work = self.rebuild(group)
        self._end(group)
        run(work.abort())
        self._leave(group, None)

    def finish(self, group: str) -> None:
        """Drop the generations that were replaced and that nobody reads any more; `Rejected` where one is still read."""
        run(self.rebuild(group).finish())
        left = [one for one in self._local.rows.generations(group) if one.phase in (Phase.BLUE, Phase.FENCED)]
        if left:
            names = ", ".join(str(one.number) for one in left)
            raise Rejected(f"generation {names} of group {group!r} is still read, and folded on: finish again in a while")
        self._leave(group, None)

    def close(self) -> None:
        """The process stops: what was filled stays, and is gone on with."""
        for group in list(self._filling):
            self._end(group)

    def _busy(self, group: str) -> bool:
        job = self._jobs.get(group)
        return job is not None and job.step in ("filling", "swapping")

    def _end(self, group: str) -> None:
        filling = self._filling.get(group)
        if filling is not None:
            filling[1].set()
            filling[0].join(JOIN_S)

    def _fill(self, group: str, job: Job, steps: Steps[int], stop: threading.Event) -> None:
        failed: str | None = None
        try:
            run(watched(steps, job, stop))
        except Cancelled:
            failed = "it was ended before all was filled: start again, it goes on"
        except TrimaranError as error:
            failed = said(error)
        except Exception as error:  # a fault of ours, told to whoever looks and to the log
            LOG.error("a rebuild failed", exc_info=error)
            failed = f"internal error: {type(error).__name__}"
        self._now[group] = object()
        job.error = failed
        job.step = "failed" if failed else "filled"

    # how it stands
    def status(self, group: str) -> Progress:
        """As fresh as counting allows."""
        begun, state = WORLD.monotonic(), self._now.get(group)
        found = self._known.get(group)
        if found is None or found[1] <= begun or found[2] is not state:
            status = run(self.rebuild(group).status())
            now = WORLD.monotonic()
            found = self._known[group] = status, now + max(FRESH_S, (now - begun) * SHARE), state
        return found[0]

    def told(self, group: str) -> dict[str, Any]:
        """A group as the endpoint tells it."""
        rows, job = self._local.rows, self._jobs.get(group)
        shown = None if job is None else {"step": job.step, "folded": job.folded, "error": job.error}
        status = self.status(group)  # after the step, so that a step that is over is seen with what it did
        return {
            "group": group,
            "saga": self._app.groups[group].saga,
            "live": status.live,
            "green": status.green,
            "generations": [
                {"number": one.number, "phase": one.phase.value, "leases": rows.leases(group, one.number)}
                for one in rows.generations(group)
            ],
            "streams": status.streams,
            "streams_done": status.streams_done,
            "letters": status.letters,
            "events": self._events.get(group),
            "job": shown,
        }


def watched(steps: Steps[int], job: Job, stop: threading.Event) -> Steps[int]:
    """The same requests and replies, passed through: events that are read are counted, and `Cancelled` is thrown in when it is to end."""
    request = next(steps)
    while True:
        try:
            if stop.is_set() and request.name not in ("rollback", "commit"):
                raise Cancelled
            reply = yield request
        except Exception as error:  # noqa: BLE001  handed to the core, which decides
            request = steps.throw(error)
            continue
        if request.name in READS:
            job.folded += len(reply)
        try:
            request = steps.send(reply)
        except StopIteration as stopped:
            result: int = stopped.value
            return result
