"""What arrives in each second: whole events, whose sums over any time are exact, dealt out to partitions by their shares."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from costs.scaling.workload import Burst, Workload

Arriving = Callable[[int], int]


def arriving(workload: Workload) -> Arriving:
    """Events of the second that begins at t."""
    if workload.measured:
        return _measured(workload)
    hours, start, bursts = workload.arrivals.events_per_hour, workload.arrivals.start_hour, workload.arrivals.bursts

    def of(second: int) -> int:
        hour, within = divmod(second, 3600)
        steady = _share(hours[(start + hour) % len(hours)], within, 3600) if hours else 0
        return steady + sum(_burst(burst, second) for burst in bursts)

    return of


def _share(events: int, second: int, seconds: int) -> int:
    """Of `events` spread over `seconds`, those of one second; all of them add up to `events`."""
    return events * (second + 1) // seconds - events * second // seconds


def _burst(burst: Burst, second: int) -> int:
    since = second - burst.at_s
    if since < 0:
        return 0
    since = since % burst.every_s if burst.every_s else since
    return _share(burst.events, since, burst.over_s) if since < burst.over_s else 0


def _measured(workload: Workload) -> Arriving:
    """A measured count of arrivals, in a straight line between two samples."""
    dealt: dict[int, int] = {}
    points = [(0, 0), *((int(sample.at_s), sample.arrived or 0) for sample in workload.measured)]
    for (begin, had), (end, has) in pairwise(points):
        for second in range(begin, max(end, begin + 1)):
            dealt[second] = dealt.get(second, 0) + _share(has - had, second - begin, max(end - begin, 1))
    return lambda second: dealt.get(second, 0)


class Dealer:
    """Deals events out to partitions: whole ones, never more or fewer than came, and by their shares in the long run."""

    def __init__(self, shares: Sequence[float]) -> None:
        self._shares = shares
        self._owed = [0.0] * len(shares)

    def deal(self, events: int) -> list[int]:
        """How many go to each partition."""
        owed = [before + events * share for before, share in zip(self._owed, self._shares, strict=True)]
        dealt, left = [0] * len(owed), events
        for number, each in enumerate(owed):
            dealt[number] = min(max(int(each), 0), left)
            left -= dealt[number]
        by_need = sorted(range(len(owed)), key=lambda number: (dealt[number] - owed[number], number))
        for turn in range(left):  # fewer than there are partitions, but for shares that do not quite add up to 1
            dealt[by_need[turn % len(by_need)]] += 1
        self._owed = [each - given for each, given in zip(owed, dealt, strict=True)]
        return dealt
