"""Parts compiled for whoever applies events: which types a part handles, which row an event belongs to, how rows fold.

One fold class per kind of part with the same few methods, so that projector, rebuild, simulation, `check` and the distributed
engine all run the same code.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

import msgspec

from runtime.domain.measures import compile_measures
from runtime.domain.messages import Command, Event, check_fields, classes_in, messages_of, tag_of
from runtime.domain.parts import After, Aggregation, End, Projection, Saga
from runtime.domain.rows import RowCodec
from runtime.domain.tables import Column, Kind, Table, Value, columns_of
from runtime.domain.windows import Window
from runtime.errors import Misconfigured

type Values = tuple[Value, ...]


def key_text(values: Sequence[Any]) -> str:
    """A row's key as text: the value itself, or a JSON array of several."""
    if len(values) == 1 and isinstance(values[0], str):
        return values[0]
    return msgspec.json.encode([_plain(value) for value in values]).decode()


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime | date) else value


class ProjectionFold:
    """A projection's rows."""

    __slots__ = ("_evolve", "_keys", "codec", "handles", "many", "part", "table", "types")

    def __init__(self, part: Projection[Any, Any]) -> None:
        self.part = part
        self._evolve = part.evolve
        self._keys = (part.key,) if isinstance(part.key, str) else part.key
        self.types = messages_of(part.evolve, 1, Event)
        self.handles = frozenset(tag_of(event) for event in self.types)
        for event in self.types:
            check_fields(event, self._keys, f"projection {part.name!r}")
        check_fields(part.row, self._keys, f"projection {part.name!r}: the row")
        self.codec = RowCodec(part.row)
        self.many = part.many
        self.table = Table(part.name, self.codec.columns, part.many)

    @property
    def key_fields(self) -> tuple[str, ...]:
        """The event fields that find the row."""
        return self._keys

    def key(self, event: Any) -> str:
        """The key of the row that this event belongs to."""
        if len(self._keys) == 1:
            value = getattr(event, self._keys[0])
            return value if isinstance(value, str) else key_text((value,))
        return key_text([getattr(event, name) for name in self._keys])

    def open(self, values: Values | None) -> Any:
        """A stored row, ready to fold."""
        return None if values is None else self.codec.struct(values)

    def fold(self, row: Any, event: Event) -> Any:
        """One event further."""
        return self._evolve(row, event)

    def close(self, row: Any) -> Values | None:
        """The row to store."""
        return None if row is None else self.codec.values(row)


class AggregationFold:
    """An aggregation's rows: contributions are combined for a whole batch, then added to the stored row once."""

    __slots__ = ("_keys", "handles", "key_fields", "many", "measure", "measured", "part", "table", "types")

    def __init__(self, part: Aggregation[Any]) -> None:
        self.part = part
        self.measure: Callable[[Any], Any] = part.measure
        self._keys = part.key if isinstance(part.key, tuple) else (part.key,)
        self.key_fields = tuple(key.on if isinstance(key, Window) else key for key in self._keys)
        self.types = messages_of(part.measure, 0, Event)
        self.handles = frozenset(tag_of(event) for event in self.types)
        for event in self.types:
            check_fields(event, self.key_fields, f"aggregation {part.name!r}")
        self.measured = compile_measures(_returned(part))
        self.many = True
        self.table = Table(part.name, self._key_columns() + self.measured.columns, True)

    def _key_columns(self) -> tuple[Column, ...]:
        kinds = {column.name: column.kind for column in columns_of(self.types[0])}
        columns = []
        for key, field in zip(self._keys, self.key_fields, strict=True):
            if isinstance(key, Window):
                if kinds[field] not in (Kind.INSTANT, Kind.DATE):
                    raise Misconfigured(f"aggregation {self.part.name!r}: Window(on={field!r}) needs a datetime or date field")
                columns.append(Column(key.name, kinds[field]))
            else:
                columns.append(Column(field, kinds[field]))
        return tuple(columns)

    def key_values(self, event: Any) -> tuple[Any, ...]:
        """The key columns of the row that this event belongs to."""
        return tuple([key.start(getattr(event, key.on)) if isinstance(key, Window) else getattr(event, key) for key in self._keys])

    def key(self, event: Any) -> str:
        """Their text."""
        return key_text(self.key_values(event))

    def contribution(self, event: Event) -> list[Any] | None:
        """What the event adds, flat; None for nothing."""
        measures = self.measure(event)
        return None if measures is None else self.measured.flat(measures)

    def combined(self, values: Values | None, keys: tuple[Any, ...], delta: Sequence[Any]) -> Values:
        """The stored row with a batch's delta added."""
        width = len(keys)
        total = list(self.measured.identity) if values is None else list(values[width:])
        self.measured.combine(total, delta)
        return (*keys, *self.measured.shown(total))


class SagaFold:
    """A saga's state and what it sends."""

    __slots__ = ("_decoder", "_evolve", "_initial", "_keys", "_react", "handles", "many", "part", "table", "types")

    def __init__(self, part: Saga[Any, Any]) -> None:
        self.part = part
        self._evolve, self._react, self._initial = part.evolve, part.react, part.state
        self._keys = (part.key,) if isinstance(part.key, str) else part.key
        self.types = messages_of(part.evolve, 1, Event)
        if set(messages_of(part.react, 1, Event)) != set(self.types):
            raise Misconfigured(f"saga {part.name!r}: evolve and react take different events")
        self.handles = frozenset(tag_of(event) for event in self.types)
        for event in self.types:
            check_fields(event, self._keys, f"saga {part.name!r}")
        self._decoder = msgspec.json.Decoder(type(part.state))
        self.many = part.many
        self.table = Table(part.name, (Column("state", Kind.JSON),), part.many)

    @property
    def key_fields(self) -> tuple[str, ...]:
        """The event fields that find the saga's row."""
        return self._keys

    def key(self, event: Any) -> str:
        """The key of the saga that this event belongs to."""
        return key_text([getattr(event, name) for name in self._keys])

    def open(self, values: Values | None) -> Any:
        """The stored state, or the initial one."""
        if values is None:
            return self._initial
        assert isinstance(values[0], str)
        return self._decoder.decode(values[0])

    def fold(self, state: Any, event: Event) -> tuple[Any, list[Command | After | End]]:
        """One event further: the new state and what it sends."""
        state = self._evolve(state, event)
        return state, list(self._react(state, event))

    def close(self, state: Any) -> Values | None:
        """The state to store; None is over."""
        return None if state is None else (msgspec.json.encode(state).decode(),)


type Fold = ProjectionFold | AggregationFold | SagaFold


def _returned(part: Aggregation[Any]) -> type[Any]:
    from typing import get_type_hints

    from runtime.domain.measures import Measures

    found = [c for c in classes_in(get_type_hints(part.measure).get("return")) if issubclass(c, Measures)]
    if len(found) != 1:
        raise Misconfigured(f"aggregation {part.name!r}: annotate what measure returns with one Measures class")
    return found[0]


def folds_of(parts: Sequence[Any]) -> Iterator[Fold]:
    """The folds of the parts that have rows, in order."""
    for part in parts:
        match part:
            case Projection():
                yield ProjectionFold(part)
            case Aggregation():
                yield AggregationFold(part)
            case Saga():
                yield SagaFold(part)
            case _:  # a decider has no rows
                continue
