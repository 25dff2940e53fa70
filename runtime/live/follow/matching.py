"""What a row change means to a subscription: the row is now in view, is out of view, or neither.

A change carries the row after it, and of the row before it the fields that differ. Both are JSON; here they become columns with their
types again, once per change however many subscriptions look at them. Rows are then tested by a filter that was compiled to closures.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypedDict, assert_never

import msgspec

from runtime.domain.filters import COMPARISONS, And, Compare, Filter, In, IsNull, Not, Or
from runtime.domain.tables import Kind, Table, Value
from runtime.live.plans import Entry, Plan
from runtime.ports import Change, Signal

type Columns = dict[str, Any]
type Passes = Callable[[Mapping[str, Any]], bool]

TYPES: dict[Kind, Any] = {
    Kind.TEXT: str | None,
    Kind.INT: int | None,
    Kind.FLOAT: float | None,
    Kind.BOOL: bool | None,
    Kind.INSTANT: datetime | None,
    Kind.DATE: date | None,
    Kind.DECIMAL: Decimal | None,
    Kind.JSON: Any,
}
SET_FROM = 5  # values of an `In` from which on a set is quicker than a tuple


class Reader:
    """Rows of one part as columns with their types: instants in UTC, decimals exact, JSON columns decoded."""

    __slots__ = ("_decode", "_json", "_names", "table")

    def __init__(self, table: Table) -> None:
        self.table = table
        fields = {column.name: TYPES[column.kind] for column in table.columns}
        make: Any = TypedDict  # mypy knows it with fields that are written out only
        shape: Any = make("Columns", fields, total=False)
        self._decode: Callable[[bytes], Columns] = msgspec.json.Decoder(shape).decode
        self._names = tuple(column.name for column in table.columns)
        self._json = [column.name for column in table.columns if column.kind is Kind.JSON]

    def row(self, data: bytes) -> Columns | None:
        """A JSON object of a change or signal; None for b"", which is no row. `before` has only the fields that changed."""
        return self._decode(data) if data else None

    def columns(self, values: Sequence[Value]) -> Columns:
        """A row as a store reads it."""
        row: Columns = dict(zip(self._names, values, strict=True))
        for name in self._json:
            if row[name] is not None:
                row[name] = msgspec.json.decode(row[name])
        return row


class Moved:
    """One row change of the log, decoded when somebody asks."""

    __slots__ = ("_after", "_before", "_change", "_reader", "generation", "key", "number", "part", "revision", "shard", "tenant")

    def __init__(self, reader: Reader, change: Change | Signal, generation: int) -> None:
        self._reader, self._change, self.generation = reader, change, generation
        self.part, self.key, self.tenant = change.part, change.key, change.tenant
        self.shard, self.number, self.revision = change.shard, change.number, change.revision
        self._after: Columns | None = None
        self._before: Columns | None = None

    @property
    def after(self) -> Columns | None:
        """The row as the change left it; None when it deleted it."""
        if self._after is None:
            self._after = self._reader.row(self._change.after)
        return self._after

    @property
    def before(self) -> Columns | None:
        """The row as the change found it; None when it was not there."""
        if self._before is None and self._change.before:
            fields = self._reader.row(self._change.before)
            self._before = fields if not self._change.after else {**(self.after or {}), **(fields or {})}
        return self._before

    @property
    def size(self) -> int:
        """About how many bytes it takes to tell it."""
        return len(self._change.after) + 64

    def entry(self, shown: bool) -> Entry:
        """What is told of it: the row, or that it is not in view."""
        return Entry(self.key, self.generation, self.revision, self.after if shown else None)


def seen(passes: Passes, row: Mapping[str, Any] | None) -> bool:
    """Whether a row that may be absent is in view."""
    return row is not None and passes(row)


def entry_of(plan: Plan, passes: Passes, moved: Moved) -> Entry | None:
    """What one change in order means to a plan whose filter was compiled to `passes`; None when it is not its business."""
    if moved.part != plan.part or moved.tenant != plan.tenant or (plan.key and moved.key != plan.key):
        return None
    if seen(passes, moved.after):
        return moved.entry(True)
    return moved.entry(False) if seen(passes, moved.before) else None


def told(passes: Passes, moved: Moved, earlier: Sequence[Moved]) -> tuple[Moved, bool] | None:
    """What a change means to subscribers who heard the `earlier` ones of its row, in any order: which state to tell, and whether it is in view.

    Changes of one row may stand in several shards and come out of order. The newest state always wins. One that comes late can still be
    the first news that the row had been in view, and then the newest state, out of view, has to be told; unless one between the two had
    it in view as well, and so was told already. (Who was shown an older state is told by the late change that found the row in it.)
    """
    newest = max(earlier, key=_revision, default=None)
    if newest is None or newest.revision < moved.revision:
        if seen(passes, moved.after):
            return moved, True
        return (moved, False) if seen(passes, moved.before) else None
    if seen(passes, newest.after) or any(one.revision > moved.revision and _concerns(passes, one) for one in earlier):
        return None  # they were told of the newest state already
    return (newest, False) if _concerns(passes, moved) else None


def _revision(moved: Moved) -> int:
    return moved.revision


def _concerns(passes: Passes, moved: Moved) -> bool:
    return seen(passes, moved.before) or seen(passes, moved.after)


def compiled(where: Filter) -> Passes:
    """The filter as closures: what `runtime.domain.filters.matches` says, without walking the tree for every row."""
    match where:
        case Compare(field, op, value):
            return _comparing(field, op, value)
        case In(field, values):
            return _listed(field, values)
        case IsNull(field):
            return lambda row: row[field] is None
        case And(terms):
            return _all([compiled(term) for term in terms])
        case Or(terms):
            return _any([compiled(term) for term in terms])
        case Not(term):
            inner = compiled(term)
            return lambda row: not inner(row)
        case _:
            assert_never(where)


def _comparing(field: str, op: str, value: Any) -> Passes:
    if op == "eq":
        return lambda row: bool(row[field] == value)
    if op == "ne":
        return lambda row: bool(row[field] != value)
    compare = COMPARISONS[op]
    return lambda row: compare(row[field], value)


def _listed(field: str, values: tuple[Any, ...]) -> Passes:
    among: frozenset[Any] | tuple[Any, ...] = frozenset(values) if len(values) >= SET_FROM else values
    return lambda row: row[field] in among


def _all(terms: list[Passes]) -> Passes:
    match terms:
        case []:
            return lambda row: True
        case [one]:
            return one
        case [one, other]:
            return lambda row: one(row) and other(row)
        case _:
            return lambda row: all(term(row) for term in terms)


def _any(terms: list[Passes]) -> Passes:
    match terms:
        case []:
            return lambda row: False
        case [one]:
            return one
        case [one, other]:
            return lambda row: one(row) or other(row)
        case _:
            return lambda row: any(term(row) for term in terms)
