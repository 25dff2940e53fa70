"""Bugs to put in on purpose: each breaks one promise of the catch-up, and the simulation must notice every one of them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from runtime.live.follow import catchup, cohorts
from runtime.live.follow.cohorts import Cohort, Gate
from runtime.live.follow.feed import Feed
from runtime.live.follow.following import Following
from runtime.live.follow.matching import Moved, told
from runtime.live.follow.positions import Place, Positions
from runtime.live.follow.seating import Seating
from runtime.steps import Steps, ask


def _no_gate(self: Gate, news: Any) -> None:
    """Replay, then live: what comes in between is nobody's."""


def _registers_late(self: Seating, cohort: Cohort, caught: Any) -> Steps[list[bytes]]:
    for gate in cohort.gates:
        gate.news.clear()
    return (yield from _PAYLOADS(self, cohort, caught))


def _jumps_holes(self: Following) -> list[tuple[int, int, int]]:
    """No log fill: what was not heard is taken for heard."""
    for shard, known in self._known.items():
        at = self.positions.numbers.get(shard, 0)
        if known > at and at + 1 not in self._waiting.get(shard, {}):
            self.positions.advance(shard, min(self._waiting.get(shard, {}), default=known + 1) - 1)
    return []


def _never_removes(passes: Any, moved: Moved, earlier: Sequence[Moved]) -> Any:
    found = told(passes, moved, earlier)
    return found if found is not None and found[1] else None


def _forgets_order(passes: Any, moved: Moved, earlier: Sequence[Moved]) -> Any:
    return told(passes, moved, ())


def _drops_late(passes: Any, moved: Moved, earlier: Sequence[Moved]) -> Any:
    return None if any(one.revision > moved.revision for one in earlier) else told(passes, moved, earlier)


def _swaps_silently(self: Feed) -> Steps[None]:
    with patch.object(Cohort, "unseat", lambda _: []):
        yield from _OPEN(self)


def _nothing() -> dict[str, Any]:
    return {}


def _asks_no_row(self: Any, *_: Any) -> Steps[dict[str, Any]]:
    return (yield from ask(_nothing))


def _no_log(self: Any, *_: Any) -> Steps[dict[str, Any]]:
    return (yield from ask(_nothing))


def _leads(self: Cohort, positions: Positions) -> None:
    ahead = Positions(positions.generation, {shard: number + 1 for shard, number in positions.numbers.items()})
    _FLUSH(self, ahead)


def _always(self: Any, numbers: Mapping[int, int]) -> bool:
    return True


def _settles_too_early(self: Following, *args: Any) -> list[Any]:
    taken = _TAKE(self, *args)
    self._recent.clear()
    self._recent_count = 0
    return taken


def _forgets_slow(self: Cohort, seat: Any, entries: Any) -> None:
    """A slow outlet misses what came while it was slow."""


def _of_this_generation(self: Any, plan: Any, place: Any) -> Steps[Any]:
    generation = yield from self._reading.generation(self._find(plan.part)[0])
    return (yield from _RESUME(self, plan, Place(generation.number, place.numbers)))


def _keeps_first(self: Gate, news: dict[str, Any]) -> None:
    for key, one in news.items():
        self.news.setdefault(key, one)


_FLUSH, _TAKE, _RESUME = Cohort.flush, Following.take, catchup.CatchingUp.resume
_OPEN, _PAYLOADS = Feed._open, Seating._payloads

PLANTS: dict[str, tuple[Any, str, Any]] = {
    "replay without a gate": (Gate, "keep", _no_gate),
    "heads read before registering": (Seating, "_payloads", _registers_late),
    "holes are not filled from the log": (Following, "gaps", _jumps_holes),
    "removed rows are not told": (cohorts, "told", _never_removes),
    "late changes are told as news": (cohorts, "told", _forgets_order),
    "a resume does not ask the row": (catchup.CatchingUp, "_ahead", _asks_no_row),
    "a picture without the log of its time": (catchup.CatchingUp, "_log", _no_log),
    "a cursor leads": (Cohort, "flush", _leads),
    "seated before the picture was heard": (Following, "reached", _always),
    "order is forgotten too early": (Following, "take", _settles_too_early),
    "a slow outlet misses changes": (Cohort, "_delay", _forgets_slow),
    "a cursor is good for any generation": (catchup.CatchingUp, "resume", _of_this_generation),
    "a gate keeps the first of each row": (Gate, "keep", _keeps_first),
    "a late change that found the row in view is dropped": (cohorts, "told", _drops_late),
    "a swap is not shown": (Feed, "_open", _swaps_silently),
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """With this bug in."""
    where, what, bug = PLANTS[name]
    with patch.object(where, what, bug):
        yield
