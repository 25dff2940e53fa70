"""Whether a gateway process can do its work: it reads rows, so it is well as long as there are rows that its code can read.

Looked at most once a second, whoever asks how often: a probe must not be a way to load the database.
"""

import threading
import time
from typing import Any

from runtime.domain import App
from runtime.errors import Stopped, Unavailable
from runtime.flow.reading import Reading
from runtime.ports import ReadStore
from runtime.steps import run

AGAIN_S = 1.0

type Health = tuple[bool, dict[str, Any]]


class Probe:
    """Callable as a `Health`; the texts of stores, which name hosts and files, stay in the process's own log."""

    def __init__(self, app: App, rows: ReadStore) -> None:
        self._app, self._reading = app, Reading(app, rows)
        self._lock = threading.Lock()
        self._looked: tuple[float, Health] = (0.0, (True, {}))

    def __call__(self) -> Health:
        """Well or not, and why not."""
        with self._lock:
            at, found = self._looked
            if not found[1] or time.monotonic() - at >= AGAIN_S:
                found = self._look()
                self._looked = time.monotonic(), found
            return found

    def _look(self) -> Health:
        failure: str | None = None
        try:
            for group in self._app.groups.values():
                if not group.saga:
                    run(self._reading.generation(group))
        except Unavailable:
            failure = "the read database does not answer"
        except Stopped:
            failure = "there are no rows that this code can read: start a projector, or rebuild the group"
        return failure is None, {"app": self._app.name, "failure": failure}
