"""A topic and its one consumer group: what waits in each partition since when, what was folded, and what was committed."""

from collections import Counter, deque

from costs.scaling.keda import NONE_COMMITTED, Partition


class Log:
    """One partition. Offsets are counts: what was folded is committed a batch at a time, and only then it is done."""

    __slots__ = ("_waiting", "committed", "done", "end", "position")

    def __init__(self, *, first_commit: bool) -> None:
        self.end = 0
        self.position = 0  # folded up to here
        self.done = 0  # folded and committed, or skipped: what is left is waiting
        self.committed = 0 if first_commit else NONE_COMMITTED
        self._waiting: deque[list[int]] = deque()  # [born in second, how many]

    @property
    def pending(self) -> int:
        """Not folded yet."""
        return self.end - self.position

    @property
    def waiting(self) -> int:
        """Not done yet."""
        return self.end - self.done

    @property
    def oldest(self) -> int | None:
        """The second in which the oldest event was born that is not done."""
        return self._waiting[0][0] if self._waiting else None

    def append(self, events: int, second: int) -> None:
        """Events arrive."""
        if events:
            self.end += events
            self._waiting.append([second, events])

    def commit(self, second: int, ages: Counter[int]) -> int:
        """What was folded is done at the end of `second`; counts the ages, gives how many."""
        events = self.position - self.done
        left = events
        while left:
            born, count = self._waiting[0]
            taken = min(left, count)
            ages[second + 1 - born] += taken
            left -= taken
            if taken == count:
                self._waiting.popleft()
            else:
                self._waiting[0][1] -= taken
        self.done = self.position
        if events:
            self.committed = self.position
        return events

    def assign(self, *, latest: bool, commits_all: bool) -> int:
        """A consumer takes it. Without a committed offset it begins at one end of the log; gives how many events that skips."""
        skipped = 0
        if self.committed == NONE_COMMITTED and latest:
            skipped = self.end - self.done
            self.position = self.done = self.end
            self._waiting.clear()
        if self.committed == NONE_COMMITTED and commits_all:
            self.committed = self.position
        return skipped

    def offsets(self) -> Partition:
        """What KEDA reads."""
        return Partition(self.committed, self.end, 0)
