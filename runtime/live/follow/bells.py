"""Something to wait for, as a core of the gateway asks for it: the hub wakes it on its loop, the simulation when its turn comes."""

from collections.abc import Callable


class Bell:
    """Something to wait for: whoever drives the cores performs `wait`, and is called when it rings next."""

    __slots__ = ("rings", "waiting")

    def __init__(self) -> None:
        self.rings = 0
        self.waiting: list[Callable[[], None]] = []

    def ring(self) -> None:
        """It happened."""
        self.rings += 1
        if self.waiting:
            waiting, self.waiting = self.waiting, []
            for wake in waiting:
                wake()

    def wait(self, rings: int, timeout_s: float | None) -> None:
        """Until it rang more often than `rings`, or the timeout; only ever asked for."""
        raise AssertionError("the driver performs waits")
