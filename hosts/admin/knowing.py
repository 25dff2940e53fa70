"""Answers of stores and a bus that somebody polls: asked in the background, at most so often, and never waited for long.

A question that hangs or fails leaves its last answer to be told for a while, then None: who polls sees what is not known, and why.
"""

import threading
import time
from collections.abc import Callable

from hosts.admin.said import said

FORGET_S = 15.0  # an answer that could not be renewed for so long is no answer any more


class Known[T]:
    """One question, asked by a thread of its own, one at a time. `failure` is what went wrong the last time, in one line."""

    def __init__(self, ask: Callable[[], T], every_s: float) -> None:
        self._ask, self._every_s = ask, every_s
        self._lock = threading.Lock()
        self._idle = threading.Event()
        self._idle.set()
        self._answer: T | None = None
        self._answered_s = self._asked_s = float("-inf")
        self.failure = ""

    def refresh(self) -> None:
        """Ask again if it is time and nobody is asking."""
        with self._lock:
            now = time.monotonic()
            if not self._idle.is_set() or now - self._asked_s < self._every_s:
                return
            self._idle.clear()
            self._asked_s = now
        threading.Thread(target=self._renew, name="admin asks", daemon=True).start()

    def _renew(self) -> None:
        try:
            answer = self._ask()
        except Exception as error:  # noqa: BLE001  told to whoever polls
            self.failure = said(error)
        else:
            self._answer, self.failure = answer, ""
            self._answered_s = time.monotonic()
        finally:
            self._idle.set()

    def answer(self, until_s: float) -> T | None:
        """The newest answer, waiting for one that is under way until then (of the monotonic clock)."""
        if not self._idle.wait(max(0.0, until_s - time.monotonic())) and not self.failure:
            self.failure = "no answer yet"
        return self._answer if time.monotonic() - self._answered_s <= FORGET_S else None
