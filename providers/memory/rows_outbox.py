"""What sagas still want sent: commands and durable timers in the order they become ready, and green's held ones beside them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from runtime.ports import Output

AT_ONCE = datetime(1, 1, 1, tzinfo=UTC)

type Cause = tuple[str, int, int]  # stream, version, n


class Waiting(Struct):
    """An output, the instant from which it may be sent, and how early it was put."""

    output: Output
    ready: datetime
    turn: int


class Outbox:
    """Outputs by saga and generation (0 = real, else held); one is unique by its cause within those."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, int], dict[Cause, Waiting]] = {}
        self._turn = 0

    def put(self, outputs: Iterable[Output]) -> None:
        """Store those that are not there."""
        for output in outputs:
            waiting = self._waiting.setdefault((output.saga, output.generation), {})
            self._turn += 1
            waiting.setdefault(_cause(output), Waiting(output, output.due or AT_ONCE, self._turn))

    def drop_timers(self, saga: str, key: str, generation: int) -> None:
        """The saga ended: what waits for an instant goes."""
        waiting = self._waiting.get((saga, generation), {})
        for cause in [cause for cause, one in waiting.items() if one.output.key == key and one.output.due is not None]:
            del waiting[cause]

    def drop(self, sagas: Iterable[str], generation: int) -> None:
        """What a dropped generation held goes."""
        for saga in sagas:
            self._waiting.pop((saga, generation), None)

    def release(self, sagas: Iterable[str], generation: int, watermarks: Mapping[str, int]) -> None:
        """Held outputs beyond these watermarks become real, the rest go."""
        for saga in sagas:
            real = self._waiting.setdefault((saga, 0), {})
            for cause, one in self._waiting.pop((saga, generation), {}).items():
                stream, version, _ = cause
                if version > watermarks.get(stream, 0):
                    real.setdefault(cause, Waiting(replace(one.output, generation=0), one.ready, one.turn))

    def due(self, saga: str, now: datetime, limit: int) -> list[Output]:
        """Real, not stuck, ready by `now`; in the order they became ready."""
        ready = [one for one in self._real(saga) if not one.output.stuck and one.ready <= now]
        ready.sort(key=lambda one: (one.ready, one.turn))
        return [one.output for one in ready[:limit]]

    def all(self, saga: str, limit: int) -> list[Output]:
        """Everything of a saga, held ones too, as it was put."""
        found = [one for (of, _), waiting in self._waiting.items() if of == saga for one in waiting.values()]
        found.sort(key=lambda one: one.turn)
        return [one.output for one in found[:limit]]

    def sent(self, outputs: Iterable[Output]) -> None:
        """They go."""
        for output in outputs:
            self._waiting.get((output.saga, 0), {}).pop(_cause(output), None)

    def failed(self, output: Output, error: str, retry_at: datetime | None) -> None:
        """One more try, and when the next is due."""
        for one in self._found([output]):
            one.output = replace(one.output, tries=one.output.tries + 1, error=error, stuck=retry_at is None)
            one.ready = max(retry_at or AT_ONCE, output.due or AT_ONCE)

    def unstick(self, outputs: Sequence[Output]) -> None:
        """From zero tries, as when they were put."""
        for one in self._found(outputs):
            if one.output.stuck:
                one.output = replace(one.output, tries=0, error="", stuck=False)
                one.ready = one.output.due or AT_ONCE

    def next_due(self) -> datetime | None:
        """The earliest due of the real timers that are not stuck."""
        return min(
            (
                one.output.due
                for (_, generation), waiting in self._waiting.items()
                if generation == 0
                for one in waiting.values()
                if one.output.due is not None and not one.output.stuck
            ),
            default=None,
        )

    def _real(self, saga: str) -> Iterable[Waiting]:
        return self._waiting.get((saga, 0), {}).values()

    def _found(self, outputs: Iterable[Output]) -> list[Waiting]:
        found = (self._waiting.get((output.saga, 0), {}).get(_cause(output)) for output in outputs)
        return [one for one in found if one is not None]


def _cause(output: Output) -> Cause:
    return output.stream, output.version, output.n
