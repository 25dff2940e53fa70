"""One partition of the in-process bus: a list of messages whose front can be forgotten without moving the rest.

Offsets never change: the first message that is still there has the offset `begin`, the next one to come `end`.
"""


class Log:
    """One partition: the messages `begin` to `end - 1`."""

    __slots__ = ("_bodies", "_skip", "begin")

    def __init__(self) -> None:
        self.begin = 0
        self._bodies: list[bytes] = []
        self._skip = 0  # forgotten entries that still occupy the front of the list

    @property
    def end(self) -> int:
        return self.begin + len(self._bodies) - self._skip

    def __len__(self) -> int:
        return len(self._bodies) - self._skip

    def append(self, body: bytes) -> None:
        self._bodies.append(body)

    def read(self, offset: int, limit: int) -> list[bytes]:
        place = offset - self.begin + self._skip
        return self._bodies[place : place + limit]

    def trim(self, offset: int) -> int:
        """Forget everything below `offset`; returns how many went."""
        gone = max(0, min(offset, self.end) - self.begin)
        self.begin += gone
        self._skip += gone
        if self._skip > 1024 and self._skip * 2 > len(self._bodies):
            del self._bodies[: self._skip]
            self._skip = 0
        return gone
