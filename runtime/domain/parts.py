"""The parts of an application, each a named fold: deciders, projections, aggregations and sagas.

Plain functions and frozen descriptions of them: no registry, no base class with a life cycle. `App` puts them together.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from runtime.domain.measures import Measures
from runtime.domain.messages import Command, Event
from runtime.domain.windows import Window


class Decider[C: Command, S, E: Event](Struct, frozen=True):
    """One category of streams: `decide(command, state) -> events` and `evolve(state, event) -> state`.

    A command's stream is `name-id`, the id taken from its field `id` (default: the field named like the category). A refusal that
    the business cares about is an event; `Rejected` is for the caller's mistakes. `snapshot_every` N events keeps a snapshot
    (0: never; worth it past about a thousand events a stream).
    """

    name: str
    initial: S
    decide: Callable[[C, S], Iterable[E]]
    evolve: Callable[[S, E], S]
    id: str = ""
    snapshot_every: int = 0

    @property
    def id_field(self) -> str:
        """The message field that holds the stream's id."""
        return self.id or self.name


class Projection[R: Struct, E: Event](Struct, frozen=True):
    """One row per key: `evolve(row or None, event) -> row`, or None to delete it.

    `key` names the event fields (one or several) that find the row; the row has the same fields. Order holds inside a stream
    only: where several streams feed one row, say `many=True`, and let `check` shuffle the interleavings.
    """

    name: str
    key: str | tuple[str, ...]
    row: type[R]
    evolve: Callable[[R | None, E], R | None]
    many: bool = False
    group: str = "rows"


class Aggregation[E: Event](Struct, frozen=True):
    """`measure(event) -> Measures` (or None), combined per key; keys are event fields and at most one `Window`."""

    name: str
    key: str | Window | tuple[str | Window, ...]
    measure: Callable[[E], Measures | None]
    group: str = "rows"


class After(Struct, frozen=True):
    """A durable timer: send `command` at an instant, or so long after the saga clock's now. It goes when the saga ends."""

    when: datetime | timedelta
    command: Command


class End(Struct, frozen=True):
    """The saga is over for this key: its row goes, and so do its pending timers. What it already sent stays sent."""


class Saga[S: Struct, E: Event](Struct, frozen=True):
    """A projection with output: `evolve(state, event) -> state`, then `react(state, event)` yields commands, `After` or `End`.

    State, commands and timers are stored in one transaction and dispatched until they took effect. Compensation is ordinary
    commands. A saga that cannot finish shows as stuck. `max_tries` bounds the tries of one command. `compensates` names the commands
    that take something back; nothing depends on it, it tells people what a saga is doing.
    """

    name: str
    key: str | tuple[str, ...]
    state: S
    evolve: Callable[[S, E], S]
    react: Callable[[S, E], Iterable[Command | After | End]]
    many: bool = True
    max_tries: int = 12
    compensates: tuple[type[Command], ...] = ()


type Part = Decider[Any, Any, Any] | Projection[Any, Any] | Aggregation[Any] | Saga[Any, Any]
