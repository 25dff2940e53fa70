"""How subscribers get their first picture: one catching up for everybody who asks for the same, and then they are seated.

    a gate is opened ─▶ the picture is read ─▶ what it shows was heard ─▶ picture, then what the gate kept ─▶ live

From the gate on nothing is missed; what lies before the picture's place is not told again.
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from runtime.errors import Unavailable
from runtime.flow.world import World, backoff
from runtime.live.follow.catchup import CatchingUp, Caught, updates_of
from runtime.live.follow.cohorts import Cohort, Gate, Seat
from runtime.live.limits import Limits
from runtime.steps import Steps, ask

if TYPE_CHECKING:
    from runtime.live.follow.feed import Feed

PICTURES = 5  # that one job takes while more comes in than its gate holds
AT_ONCE = 50  # entries that are rendered without a thread
LOOK_AGAIN_S = 0.02


class Job:
    """One catching up, for everybody who asked for the same before it began."""

    __slots__ = ("after", "begun", "cohort", "seats")

    def __init__(self, cohort: Cohort, seats: list[Seat], after: str) -> None:
        self.cohort, self.seats, self.after = cohort, seats, after
        self.begun = False


class Seating:
    """The jobs of one feed."""

    def __init__(self, feed: "Feed", catching: CatchingUp, limits: Limits, world: World, spawn: Callable[[Steps[None]], None]) -> None:
        self._feed, self._catching, self._limits, self._world, self._spawn = feed, catching, limits, world, spawn
        self._jobs: dict[tuple[Cohort, str], Job] = {}
        self._joining = threading.Lock()

    def begin(self, cohort: Cohort, seats: list[Seat], after: str) -> None:
        """From now on nothing is missed for them; `after` is a token, a cursor or "" for the whole picture."""
        with self._joining:
            job = self._jobs.get((cohort, after))
            if job is not None and not job.begun:
                job.seats += seats
                return
            job = self._jobs[cohort, after] = Job(cohort, seats, after)
        self._spawn(self._catch(job))

    def _catch(self, job: Job) -> Steps[None]:
        """Show them the picture, then what came after it, then seat them. Nothing is told twice, nothing is left out."""
        cohort, failures, pictures = job.cohort, 0, 0
        while any(not seat.gone for seat in job.seats):
            rings, following, epoch = self._feed.moved.rings, self._feed.following, self._feed.epoch
            if following is None:
                yield from ask(self._feed.moved.wait, rings, self._feed.poll_s)
                continue
            gate = Gate(self._limits.snapshot_rows)
            cohort.gates.append(gate)
            try:
                caught = yield from self._feed.perform(self._start(job))
                payloads = yield from self._payloads(cohort, caught)
                if (yield from self._seated(job, gate, epoch, caught, payloads)):
                    break
            except Unavailable:
                failures += 1
                yield from ask(self._world.sleep, backoff(failures, self._world))
            except Exception as error:  # noqa: BLE001  told to these subscribers, masked if it is ours
                self._close(job)
                self._feed.fail(cohort, job.seats, error)
                return
            finally:
                cohort.gates.remove(gate)
            if gate.overfull and (pictures := pictures + 1) >= PICTURES:
                self._give_up(job)
                break
        self._close(job)
        self._feed.tidy(cohort)

    def _close(self, job: Job) -> None:
        with self._joining:
            job.begun = True
            if self._jobs.get((job.cohort, job.after)) is job:
                del self._jobs[job.cohort, job.after]

    def _start(self, job: Job) -> Steps[Caught]:
        with self._joining:  # who asks from now on wants a newer picture
            job.begun = True
        return (yield from self._catching.start(replace(job.cohort.plan, after=job.after)))

    def _payloads(self, cohort: Cohort, caught: Caught) -> Steps[list[bytes]]:
        def payloads() -> list[bytes]:
            return [cohort.render(update) for update in updates_of(caught, cohort.plan, cohort.cursors, self._limits)]

        if len(caught.entries) <= AT_ONCE:
            return payloads()
        return (yield from ask(payloads))

    def _seated(self, job: Job, gate: Gate, epoch: int, caught: Caught, payloads: list[bytes]) -> Steps[bool]:
        """Seat them as soon as everything that the picture shows was heard; False: it is out of date, take another."""
        following = self._feed.following
        if following is not None and caught.generation != following.generation:
            self._feed.look.ring()
            yield from ask(self._world.sleep, LOOK_AGAIN_S)
            return False
        while self._feed.epoch == epoch and following is not None and following is self._feed.following and not gate.overfull:
            if following.reached(caught.numbers):
                late = gate.after(caught.numbers)
                self._feed.figures["snapshots" if caught.snapshot else "resumes"] += 1
                self._close(job)
                self._feed.safely(job.cohort, job.cohort.seated, list(job.seats), payloads, late, following.positions)
                return True
            rings = self._feed.moved.rings
            following.learn(caught.numbers)
            self._feed.gap.ring()
            yield from ask(self._feed.moved.wait, rings, self._feed.poll_s)
        return False

    def _give_up(self, job: Job) -> None:
        """More changes than a gate holds, again and again: they may come back when there are fewer."""
        for seat in job.seats:
            if not seat.gone:
                job.cohort.leave(seat)
                seat.outlet.overflow()
