"""Newcomers in line: so many a turn of the event loop, so that thousands who connect at once do not keep those waiting who are there.

A handshake costs half a millisecond, and an event loop does everything that is ready before it looks at its sockets again: two thousand at
once are a second in which nobody else is heard. Here each turn lets some in, and between two turns everybody else has theirs.
"""

import asyncio
from collections import deque
from collections.abc import Callable

PER_TURN = 4


class Turnstile:
    """Of one event loop. `enter` is called with what lets the newcomer in."""

    def __init__(self, loop: asyncio.AbstractEventLoop, per_turn: int = PER_TURN) -> None:
        self._loop, self._per_turn = loop, per_turn
        self._line: deque[Callable[[], None]] = deque()
        self._left = per_turn  # of this turn
        self._turning = False

    def enter(self, let_in: Callable[[], None]) -> None:
        """At once, if this turn has room and nobody stands in line; else when it is one's turn."""
        if not self._turning:
            self._turning = True
            self._loop.call_soon(self._turn)
        if self._left and not self._line:
            self._left -= 1
            let_in()
        else:
            self._line.append(let_in)

    def _turn(self) -> None:
        self._left = self._per_turn
        if not self._line:
            self._turning = False
            return
        self._loop.call_soon(self._turn)
        while self._line and self._left:
            self._left -= 1
            self._line.popleft()()
