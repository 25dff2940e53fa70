"""A line of threads before one writer: who leads does the work of all who stand in line, so that one disk flush serves them all.

    idle ──stand──▶ leading ──nobody in line──▶ idle
                     │   ▲
                     └───┘ somebody in line: the first of them leads

Whoever was served a moment ago is likely to come again at once. So after a crowd was served, the next leader waits a little for
as many, and the one who completes the crowd takes the lead: two half-filled flushes become one full one. A lone thread never waits.
"""

from _thread import allocate_lock
from collections.abc import Callable
from typing import Any

GATHER_S = 0.0003  # about as long as a flush takes: waiting longer cannot pay


class Turn:
    """A place in the line: the work (None: the writer is wanted for oneself), whose lead it is, and how it went."""

    __slots__ = ("done", "error", "gate", "leads", "outcome", "work")

    def __init__(self, work: Callable[..., Any] | None) -> None:
        self.work = work
        self.gate = allocate_lock()
        self.gate.acquire()
        self.leads = self.done = False
        self.outcome: Any = None
        self.error: BaseException | None = None


class Line:
    """Hands the lead from thread to thread. Exactly one thread leads, or the line is empty."""

    def __init__(self) -> None:
        self._mutex = allocate_lock()  # guards everything below, held for a moment only
        self._led = False
        self._turns: list[Turn] = []
        self._gathering: Turn | None = None  # leads, but waits for the crowd
        self._served = 1
        self._crowd = 1  # so many came for the last flush

    def lead_alone(self, *, anyway: bool = False) -> bool:
        """Take the lead without a place in the line; False if somebody leads, or (unless `anyway`) a crowd is expected."""
        with self._mutex:
            if self._led or (self._crowd > 1 and not anyway):
                return False
            self._led = True
            self._served = 1
            return True

    def stand(self, work: Callable[..., Any] | None) -> Turn:
        """Stand in line until somebody has done the work (`done`), or it is this thread's turn to lead."""
        turn = Turn(work)
        self._join(turn)
        try:
            while not (turn.leads and self._complete(turn)):
                turn.gate.acquire(timeout=GATHER_S if turn.leads else -1)
                if turn.done:
                    break
                if self._waited_enough(turn):
                    break
        except BaseException:  # Ctrl-C on a waiting thread: leave the line, and do not strand who stands behind
            self._leave(turn)
            raise
        return turn

    def batch(self) -> list[Turn]:
        """For who leads: everybody from the head of the line, up to the first who wants the writer for itself (or only that one)."""
        with self._mutex:
            count = next((n for n, turn in enumerate(self._turns) if turn.work is None), len(self._turns)) or 1
            batch = self._turns[:count]
            del self._turns[:count]
            self._served = count
            return batch

    def release(self, batch: list[Turn]) -> None:
        """Tell everybody of a batch, but the leader itself, that the work is done."""
        for turn in batch:
            turn.done = True
            if not turn.leads:
                turn.gate.release()

    def pass_on(self) -> None:
        """Give up the lead, to the head of the line if there is one."""
        with self._mutex:
            self._crowd = self._served + len(self._turns)
            if not self._turns:
                self._led = False
                return
            head = self._turns[0]
            head.leads = True
        head.gate.release()

    def _join(self, turn: Turn) -> None:
        with self._mutex:
            self._turns.append(turn)
            if not self._led:
                self._led = turn.leads = True
            elif self._gathering is not None and (len(self._turns) >= self._crowd or turn.work is None):
                self._gathering.leads = False
                self._gathering = None
                turn.leads = True
                if turn.work is None:  # it can only lead from the head of the line
                    self._turns.insert(0, self._turns.pop())

    def _complete(self, turn: Turn) -> bool:
        """Whether the leader may go on at once; else it is gathering from now on."""
        with self._mutex:
            # who wants the writer alone ends the batch: whoever completed the crowd behind it would lead without its own work
            if len(self._turns) >= self._crowd or any(one.work is None for one in self._turns):
                return True
            self._gathering = turn
            return False

    def _waited_enough(self, turn: Turn) -> bool:
        """Whether this thread gathered in vain and leads all the same."""
        with self._mutex:
            if self._gathering is not turn:
                return False
            self._gathering = None
            return True

    def _leave(self, turn: Turn) -> None:
        with self._mutex:
            if turn in self._turns:
                self._turns.remove(turn)
            if self._gathering is turn:
                self._gathering = None
            leads = turn.leads and not turn.done
        if leads:
            self.pass_on()
