"""What a loop tells whoever watches it: it got on, or what it needs is away. A thread that is stuck tells nothing, and so is noticed.

A host hands a `Pulse` in; the loops themselves know nothing of probes. It is called once a round, and within a long round whenever
something was done for good, so that a sync over a whole store is no stuck thread. Calling it must cost next to nothing.
"""

from collections.abc import Callable

type Pulse = Callable[[Exception | None], None]  # None: a round, or a piece of one, ended well; else what is unavailable


def unwatched(_: Exception | None) -> None:
    """Nobody watches."""
