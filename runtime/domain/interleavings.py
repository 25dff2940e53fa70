"""The orders in which events of several streams can reach a projector: each stream's own order holds, nothing else does.

All of them where they are few; a drawn sample, the same in every run, where they are many.
"""

from collections.abc import Iterator, Sequence

ORDERS = 200


class Ties:
    """What must come before what: the events of one stream in their order, and each pair (earlier, later)."""

    def __init__(self, streams: Sequence[str], pairs: Sequence[tuple[int, int]] = ()) -> None:
        self.count = len(streams)
        self.before: list[set[int]] = [set() for _ in streams]
        last: dict[str, int] = {}
        for position, stream in enumerate(streams):
            if stream in last:
                self.before[position].add(last[stream])
            last[stream] = position
        for earlier, later in pairs:
            self.before[later].add(earlier)

    def free(self, taken: Sequence[int]) -> list[int]:
        """What may come next."""
        done = set(taken)
        return [position for position in range(self.count) if position not in done and self.before[position] <= done]


def orders(ties: Ties, most: int = ORDERS) -> Iterator[tuple[int, ...]]:
    """The given order first; then all others, or `most` drawn ones where there are more than that."""
    every = _all(ties, ())
    found = [order for _, order in zip(range(most + 1), every, strict=False)]
    yield from found if len(found) <= most else _drawn(ties, most)


def _all(ties: Ties, taken: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    if len(taken) == ties.count:
        yield taken
    for position in ties.free(taken):
        yield from _all(ties, (*taken, position))


def _drawn(ties: Ties, most: int) -> Iterator[tuple[int, ...]]:
    from random import Random

    chance = Random(most)
    yield tuple(range(ties.count))
    for _ in range(most - 1):
        taken: list[int] = []
        while len(taken) < ties.count:
            taken.append(chance.choice(ties.free(taken)))
        yield tuple(taken)
