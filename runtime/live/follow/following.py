"""The change log of one generation as it is heard: each shard in order and without holes, whatever happened to the signals.

    signals, in any order ─▶ waiting ─▶ taken, shard by shard without a hole ─▶ cohorts
                                └─ a hole, or a number only known from the heads ─▶ `gaps`, read from the log

Changes of one row may stand in several shards, so what is taken may be out of a row's order. For as long as an older one can still
come, the newer ones of that row are kept: until heads that were read later than they were taken have all been reached.
"""

from collections.abc import Iterable, Mapping, Sequence

from runtime.live.follow.matching import Moved, Reader
from runtime.live.follow.positions import Positions
from runtime.ports import Change, Signal

WAITING_MOST = 20_000  # changes heard and not taken; more are read from the log when their turn comes
RECENT_MOST = 100_000  # changes taken and not settled

type Taken = tuple[Moved, Sequence[Moved]]  # a change, and those of its row that were taken before it and are not settled


class Following:
    """One generation of a group, from a consistent cut on."""

    def __init__(self, readers: Mapping[str, Reader], generation: int, heads: Mapping[int, int]) -> None:
        self.positions = Positions(generation, heads)
        self.generation = generation
        self._readers = readers
        self._waiting: dict[int, dict[int, Change | Signal]] = {}
        self._count = 0
        self._known: dict[int, int] = dict(heads)  # the highest number of each shard that is known to exist
        self._open: set[int] = set()  # shards of which more is known than was taken, or was a moment ago
        self._recent: dict[tuple[str, str], list[Moved]] = {}
        self._recent_count = 0

    def hear(self, changes: Iterable[Change | Signal]) -> None:
        """From the signals or from the log, in any order and as often as they like."""
        numbers, known = self.positions.numbers, self._known
        for change in changes:
            shard, number = change.shard, change.number
            if number > known.get(shard, 0):
                known[shard] = number
            if number <= numbers.get(shard, 0):
                continue
            self._open.add(shard)
            waiting = self._waiting.setdefault(shard, {})
            if number not in waiting and (self._count < WAITING_MOST or number == numbers.get(shard, 0) + 1):
                waiting[number] = change
                self._count += 1

    def learn(self, heads: Mapping[int, int]) -> None:
        """These numbers exist; who missed them finds them among the gaps."""
        for shard, number in heads.items():
            if number > self._known.get(shard, 0):
                self._known[shard] = number
                self._open.add(shard)

    def reached(self, heads: Mapping[int, int]) -> bool:
        """Whether everything up to these heads was taken."""
        return self.positions.reached(heads)

    @property
    def waits(self) -> bool:
        """Whether there is something to take."""
        numbers = self.positions.numbers
        return any(numbers.get(shard, 0) + 1 in waiting for shard, waiting in self._waiting.items())

    def gaps(self) -> list[tuple[int, int, int]]:
        """(shard, after, how many): what exists and was not heard, next in its shard."""
        found = []
        numbers = self.positions.numbers
        for shard in sorted(self._open):
            at, known = numbers.get(shard, 0), self._known[shard]
            waiting = self._waiting.get(shard, {})
            if known <= at:
                self._open.discard(shard)
            elif at + 1 not in waiting:
                found.append((shard, at, min(waiting, default=known + 1) - at - 1))
        return found

    def take(self, changes: int, size: int) -> list[Taken]:
        """The next ones, at most so many and of about so many bytes. From now on the positions include them."""
        taken: list[Taken] = []
        for shard in list(self._waiting):
            waiting = self._waiting[shard]
            number = self.positions.numbers.get(shard, 0) + 1
            while len(taken) < changes and size > 0 and number in waiting:
                change = waiting.pop(number)
                self._count -= 1
                self.positions.advance(shard, number)
                number += 1
                reader = self._readers.get(change.part)
                if reader is None:
                    continue
                moved = Moved(reader, change, self.generation)
                size -= moved.size
                taken.append((moved, self._remember(moved)))
            if not waiting:
                del self._waiting[shard]
        return taken

    def _remember(self, moved: Moved) -> Sequence[Moved]:
        self._recent_count += 1
        recent = self._recent.get((moved.part, moved.key))
        if recent is None:
            self._recent[moved.part, moved.key] = [moved]
            return ()
        earlier = tuple(recent)
        recent.append(moved)
        return earlier

    @property
    def overfull(self) -> bool:
        """Too much is unsettled: the heads could not be read for long."""
        return self._recent_count > RECENT_MOST

    def settle(self, heads: Mapping[int, int]) -> None:
        """These heads were reached: what is still to come is newer than all that lies before them."""
        for place, recent in list(self._recent.items()):
            left = [moved for moved in recent if moved.number > heads.get(moved.shard, 0)]
            self._recent_count -= len(recent) - len(left)
            if left:
                self._recent[place] = left
            else:
                del self._recent[place]
