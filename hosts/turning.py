"""Whether a gateway's event loop turns: asked from another thread, which does not hang with it."""

import time
from collections.abc import Callable

from hosts.serving import Serving
from hosts.vitals import Health


class Turning:
    """Callable as a `Look`: for how many seconds the loop has owed an answer; its first question without one is when that began.

    One that is busy for a moment is no reason for a restart, but one for sending nobody there: `health` is False at once.
    """

    def __init__(self, serving: Serving, clock: Callable[[], float] = time.monotonic) -> None:
        self._serving, self._clock = serving, clock
        self._owed_since: float | None = None

    def __call__(self) -> float:
        """Ask."""
        asked_at = self._clock()
        try:
            self._serving.asked(lambda: None)
        except TimeoutError:
            if self._owed_since is None:
                self._owed_since = asked_at
            return self._clock() - self._owed_since
        self._owed_since = None
        return 0.0

    def health(self) -> Health:
        """Whether it answers now."""
        turns = self() == 0.0
        return turns, {"failure": None if turns else "the event loop does not answer"}
