"""What an operator may look at and do while an app runs on their own machine: `GET /admin/…` and `POST /operate/…`, for the studio.

Everything here is a question to ports that are open anyway; nothing is kept that the stores do not know, but for a few figures in
memory (hosts.admin.watching). `dev` and `demo` have it, a gateway process does not.
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from runtime.errors import Rejected

if TYPE_CHECKING:  # a host that is watched imports this package, and is no more than that to it
    from hosts.admin.watching import Watching
    from hosts.local import Local
    from hosts.settings import Settings
    from runtime.domain import App
    from runtime.live.callers.identity import Verifier


class NotFound(Rejected):
    """What was asked for is not there: 404, the text is for the caller."""


class Admin:
    """What an endpoint works on. `one(Kind)` is the one object of a class that it keeps between requests; `close` ends them."""

    def __init__(
        self, app: "App", local: "Local", told: "Settings", verifier: "Verifier", figures: Callable[[], dict[str, int]] = dict
    ) -> None:
        self.app, self.local, self.told, self.verifier = app, local, told, verifier
        self.figures = figures  # of the gateway
        self.watching: Watching = local.watching
        self._kept: dict[Any, Any] = {}
        self._lock = threading.RLock()

    def one[T](self, kind: Callable[["Admin"], T]) -> T:
        """Made as `kind(admin)` at the first need, and the same ever after."""
        with self._lock:
            if kind not in self._kept:
                self._kept[kind] = kind(self)
            found: T = self._kept[kind]
            return found

    def close(self) -> None:
        """End what was made, if it wants to be ended."""
        with self._lock:
            kept, self._kept = list(self._kept.values()), {}
        for each in reversed(kept):
            close = getattr(each, "close", None)
            if close is not None:
                close()
