"""Who holds which shard and which row: all that one call wants is taken at once, or nothing is."""

import threading
import time
from collections.abc import Callable, Hashable, Sequence

from runtime.errors import Unavailable

LOCK_TIMEOUT_S = 10.0


class WouldBlock(Exception):
    """Somebody else holds a lock and this store does not wait; nothing was taken, the same call may be made again."""


class Locks:
    """The store's one mutex, and the locks that transactions hold until their end."""

    def __init__(self, *, blocking: bool) -> None:
        self.mutex = threading.Condition(threading.RLock())
        self._blocking = blocking
        self._owners: dict[Hashable, object] = {}
        self._held: dict[int, list[Hashable]] = {}

    def take(self, owner: object, wanted: Sequence[Hashable], check: Callable[[], None]) -> None:
        """Take them for the owner, waiting for others if this store waits; `check` raises when the owner may not go on.

        Call it with the mutex held.
        """
        deadline = time.monotonic() + LOCK_TIMEOUT_S if self._blocking else 0.0
        while True:
            check()
            busy = next((one for one in wanted if self._owners.get(one, owner) is not owner), None)
            if busy is None:
                break
            if not self._blocking:
                raise WouldBlock(str(busy))
            if not self.mutex.wait(max(0.0, deadline - time.monotonic())) and time.monotonic() >= deadline:
                raise Unavailable(f"somebody held {busy} for longer than {LOCK_TIMEOUT_S:g} s")
        held = self._held.setdefault(id(owner), [])
        for one in wanted:
            if one not in self._owners:
                self._owners[one] = owner
                held.append(one)

    def release(self, owner: object) -> None:
        """Give back all that the owner holds. Call it with the mutex held."""
        for one in self._held.pop(id(owner), ()):
            del self._owners[one]
        self.mutex.notify_all()
