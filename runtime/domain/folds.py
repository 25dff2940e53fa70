"""Parts compiled for whoever applies events: which types a part handles, which row an event belongs to, how rows fold.

One fold class per kind of part with the same few methods, so that projector, rebuild, simulation, `check` and the distributed
engine all run the same code.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from operator import attrgetter
from types import NoneType
from typing import Any, get_args, get_type_hints

import msgspec

from runtime.domain.measures import Measures, compile_measures
from runtime.domain.messages import Command, Event, check_fields, classes_in, hints_of, messages_of, tag_of
from runtime.domain.parts import After, Aggregation, End, Projection, Saga
from runtime.domain.rows import RowCodec, plain, utc
from runtime.domain.tables import Column, Kind, Table, Value, kind_of
from runtime.domain.windows import CALENDAR, Window
from runtime.errors import Misconfigured

type Values = tuple[Value, ...]


def key_text(values: Sequence[Any]) -> str:
    """A row's key as text: a single text is itself, anything else a JSON array (a text that begins with `[` as well).

    So two different keys of a part never have the same text, and equal ones have one: instants are written in UTC.
    """
    if len(values) == 1 and isinstance(values[0], str) and values[0][:1] != "[":
        return str(values[0])
    return msgspec.json.encode([_plain(value) for value in values]).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return utc(value).isoformat()
    return value.isoformat() if isinstance(value, date) else value


KEYS = (Kind.TEXT, Kind.INT, Kind.BOOL, Kind.DATE, Kind.INSTANT)


def _key_kinds(events: Sequence[type[Event]], fields: tuple[str, ...], where: str) -> dict[str, tuple[Kind, Any]]:
    """Kind and annotation of each key field, the same in every event; `Misconfigured` for one that is no key."""
    if not fields:
        raise Misconfigured(f"{where}: key names no field")
    kinds: dict[str, tuple[Kind, Any]] = {}
    for event in events:
        check_fields(event, fields, where)
        hints = get_type_hints(event)
        for field in fields:
            kind = kind_of(hints[field])
            if kind not in KEYS:
                raise Misconfigured(
                    f"{where}: {event.__name__}.{field} cannot be a key: a key is text, int, bool, date or datetime (1.0 and 1.00 are equal)"
                )
            if kinds.setdefault(field, (kind, hints[field]))[0] is not kind:
                raise Misconfigured(f"{where}: {field!r} is {kinds[field][0].value} in one event and {kind.value} in {event.__name__}")
    return kinds


class ProjectionFold:
    """A projection's rows."""

    __slots__ = ("_evolve", "_keys", "codec", "handles", "many", "part", "table", "types")

    def __init__(self, part: Projection[Any, Any]) -> None:
        self.part = part
        self._evolve = part.evolve
        self._keys = (part.key,) if isinstance(part.key, str) else part.key
        self.types = messages_of(part.evolve, 1, Event)
        self.handles = frozenset(tag_of(event) for event in self.types)
        where = f"projection {part.name!r}"
        kinds = _key_kinds(self.types, self._keys, where)
        check_fields(part.row, self._keys, f"{where}: the row")
        self.codec = RowCodec(part.row)
        for column in self.codec.columns:
            if column.name in kinds and kinds[column.name][0] is not column.kind:
                raise Misconfigured(f"{where}: key {column.name!r} is {column.kind.value} in the row and another kind in the events")
        self.many = part.many
        self.table = Table(part.name, self.codec.columns, part.many)

    @property
    def key_fields(self) -> tuple[str, ...]:
        """The event fields that find the row."""
        return self._keys

    @property
    def stamped(self) -> tuple[Any, ...]:
        """What the rows depend on, for the schema hash."""
        return self.table, self.part.key, self.part.row, self._evolve, *self.types

    def key(self, event: Any) -> str:
        """The key of the row that this event belongs to."""
        if len(self._keys) == 1:
            value = getattr(event, self._keys[0])
            return value if type(value) is str and value[:1] != "[" else key_text((value,))
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

    __slots__ = ("_readers", "handles", "key_fields", "many", "measure", "measured", "part", "table", "types")

    def __init__(self, part: Aggregation[Any]) -> None:
        self.part = part
        self.measure: Callable[[Any], Any] = part.measure
        keys = part.key if isinstance(part.key, tuple) else (part.key,)
        self.key_fields = tuple(key.on if isinstance(key, Window) else key for key in keys)
        self.types = messages_of(part.measure, 0, Event)
        self.handles = frozenset(tag_of(event) for event in self.types)
        self.measured = compile_measures(_returned(part))
        self.many = True
        where = f"aggregation {part.name!r}"
        if sum(isinstance(key, Window) for key in keys) > 1:
            raise Misconfigured(f"{where}: at most one Window; for several sizes make several aggregations")
        kinds = _key_kinds(self.types, self.key_fields, where)
        compiled = [_reader(key, *kinds[field], where) for key, field in zip(keys, self.key_fields, strict=True)]
        self._readers = [reader for reader, _ in compiled]
        self.table = Table(part.name, tuple(column for _, column in compiled) + self.measured.columns, True)
        names = [column.name for column in self.table.columns]
        for name in names:
            if names.count(name) > 1:
                raise Misconfigured(f"{where}: two columns are called {name!r}; rename the measure, or say Window(name=…)")

    @property
    def stamped(self) -> tuple[Any, ...]:
        """What the rows depend on, for the schema hash."""
        return self.table, self.part.key, self.measure, _returned(self.part), *self.types

    def key_values(self, event: Any) -> tuple[Any, ...]:
        """The key columns of the row that this event belongs to."""
        return tuple([reader(event) for reader in self._readers])

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

    __slots__ = ("_decoder", "_evolve", "_initial", "_keys", "_react", "handles", "many", "part", "sends", "table", "timers", "types")

    def __init__(self, part: Saga[Any, Any]) -> None:
        self.part = part
        self._evolve, self._react, self._initial = part.evolve, part.react, part.state
        self._keys = (part.key,) if isinstance(part.key, str) else part.key
        self.types = messages_of(part.evolve, 1, Event)
        if set(messages_of(part.react, 1, Event)) != set(self.types):
            raise Misconfigured(f"saga {part.name!r}: evolve and react take different events")
        self.handles = frozenset(tag_of(event) for event in self.types)
        where = f"saga {part.name!r}"
        _key_kinds(self.types, self._keys, where)
        self._decoder = state_decoder(part.evolve, part.state, where)
        yielded = [found for item in get_args(hints_of(part.react).get("return")) for found in classes_in(item)]
        if not yielded:
            raise Misconfigured(f"{where}: annotate what react yields: Iterator[SomeCommand | After | End]")
        self.sends = tuple(found for found in yielded if issubclass(found, Command) and found is not Command)
        self.timers = After in yielded
        self.many = part.many
        self.table = Table(part.name, (Column("state", Kind.JSON),), part.many)

    @property
    def key_fields(self) -> tuple[str, ...]:
        """The event fields that find the saga's row."""
        return self._keys

    @property
    def stamped(self) -> tuple[Any, ...]:
        """What the state depends on, for the schema hash; not `react`: a saga never reruns its output in a rebuild."""
        return self.table, self.part.key, type(self._initial), self._initial, self._evolve, *self.types

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


def _reader(key: str | Window, kind: Kind, annotation: Any, where: str) -> tuple[Callable[[Any], Any], Column]:
    """How a key column is read from an event, and the column."""
    if isinstance(key, Window):
        start, field = key.start, key.on
        if kind not in (Kind.INSTANT, Kind.DATE):
            raise Misconfigured(f"{where}: Window(on={field!r}) needs a datetime or date field")
        if NoneType in classes_in(annotation):
            raise Misconfigured(f"{where}: Window(on={field!r}) needs a field that is never None")
        if kind is Kind.DATE and key.parsed[1] not in CALENDAR:
            raise Misconfigured(f"{where}: {field!r} is a date: a window of {key.size!r} needs a datetime")
        return lambda event: start(getattr(event, field)), Column(key.name, kind)
    conversion = plain(kind, annotation)
    if conversion is None:
        return attrgetter(key), Column(key, kind)
    return lambda event: None if (value := getattr(event, key)) is None else conversion(value), Column(key, kind)


type Fold = ProjectionFold | AggregationFold | SagaFold


def state_decoder(evolve: Callable[..., Any], initial: Any, where: str) -> msgspec.json.Decoder[Any]:
    """Decodes what evolve returns, by its annotation: a state may be a union of tagged structs."""
    annotation = hints_of(evolve).get("return", type(initial))
    try:
        return msgspec.json.Decoder(annotation)
    except TypeError as error:
        raise Misconfigured(f"{where}: a state of type {annotation} cannot be stored: {error}") from error


def _returned(part: Aggregation[Any]) -> type[Any]:
    found = [returned for returned in classes_in(hints_of(part.measure).get("return")) if issubclass(returned, Measures)]
    if len(found) != 1 or found[0] is Measures:
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
