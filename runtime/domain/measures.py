"""What an aggregation adds up: a commutative monoid per field, so that deltas combine in any order and any grouping.

`Count` and `Sum` start at 0, `Min`, `Max` start with None, `Mean` keeps its total and its count so that it stays exact.
Sums are `int` or `Decimal`, never `float`: float addition depends on the order.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, dataclass_transform, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from runtime.domain.messages import classes_in
from runtime.domain.tables import Column, Kind, kind_of
from runtime.errors import Misconfigured


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Measures(Struct, frozen=True, gc=False):
    """What one event contributes: a struct whose fields are `Count`, `Sum[…]`, `Min[…]`, `Max[…]` or `Mean`."""


Count = Annotated[int, Meta(extra={"combine": "sum"})]
"""How many: contribute 1 or 0."""
type Sum[N: (int, Decimal)] = Annotated[N, Meta(extra={"combine": "sum"})]
"""A total of int or Decimal."""
type Min[V: (int, float, str, datetime, date, Decimal)] = Annotated[V | None, Meta(extra={"combine": "min"})]
"""The least; None contributes nothing."""
type Max[V: (int, float, str, datetime, date, Decimal)] = Annotated[V | None, Meta(extra={"combine": "max"})]
"""The greatest; None contributes nothing."""


class Mean(Struct, frozen=True, gc=False):
    """An average: contribute `Mean(value)`, or `Mean()` for nothing. Shown as `field`, with `field_total` and `field_count` beside it."""

    value: int | Decimal | None = None


type Combine = Callable[[Any, Any], Any]


def add(a: Any, b: Any) -> Any:
    """Sum, count."""
    return a + b


def least(a: Any, b: Any) -> Any:
    """Min; None is no value."""
    return b if a is None else a if b is None or a <= b else b


def greatest(a: Any, b: Any) -> Any:
    """Max; None is no value."""
    return b if a is None else a if b is None or a >= b else b


def mean(total: int | Decimal, count: int) -> float | None:
    """The shown value of a mean; None of nothing."""
    return float(total / count) if count else None


class Measured(Struct, frozen=True):
    """A measures class compiled: its columns, and per stored column how two values combine (None: computed, a mean's shown value)."""

    fields: tuple[str, ...]
    means: frozenset[int]  # positions of mean fields in the measures struct
    columns: tuple[Column, ...]
    combines: tuple[Combine | None, ...]
    identity: tuple[Any, ...]

    def flat(self, measures: Measures) -> list[Any]:
        """The stored columns of one contribution."""
        values = [getattr(measures, name) for name in self.fields]
        if not self.means:
            return values
        flat: list[Any] = []
        for position, value in enumerate(values):
            if position in self.means:
                flat += (None, value.value or 0, 0 if value.value is None else 1)
            else:
                flat.append(value)
        return flat

    def combine(self, into: list[Any], other: Sequence[Any]) -> None:
        """Add `other` to `into`, in place."""
        for position, operation in enumerate(self.combines):
            if operation is not None:
                into[position] = operation(into[position], other[position])

    def shown(self, values: list[Any]) -> list[Any]:
        """With the means worked out, in place."""
        for position, operation in enumerate(self.combines):
            if operation is None:
                values[position] = mean(values[position + 1], values[position + 2])
        return values


def compile_measures(measures: type[Measures]) -> Measured:
    """What a measures class means; `Misconfigured` names a field that says no monoid."""
    hints = get_type_hints(measures, include_extras=True)
    columns: list[Column] = []
    combines: list[Combine | None] = []
    identity: list[Any] = []
    means = set()
    for position, name in enumerate(measures.__struct_fields__):
        if hints[name] is Mean:
            means.add(position)
            columns += (Column(name, Kind.FLOAT), Column(f"{name}_total", Kind.DECIMAL), Column(f"{name}_count", Kind.INT))
            combines += (None, add, add)
            identity += (None, Decimal(0), 0)
            continue
        how, value = _monoid(hints[name], f"{measures.__name__}.{name}")
        columns.append(Column(name, kind_of(value)))
        combines.append({"sum": add, "min": least, "max": greatest}[how])
        identity.append(value() if how == "sum" and value in (int, Decimal) else None)
    return Measured(measures.__struct_fields__, frozenset(means), tuple(columns), tuple(combines), tuple(identity))


def _monoid(annotation: Any, where: str) -> tuple[str, type]:
    """How a field combines, and the type it holds."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    for alias, how in ((Sum, "sum"), (Min, "min"), (Max, "max")):
        if origin is alias and len(arguments) == 1:
            (value,) = classes_in(arguments[0]) or (object,)
            return how, value
    if annotation == Count:
        return "sum", int
    raise Misconfigured(f"{where}: declare it as Count, Sum[int], Sum[Decimal], Min[…], Max[…] or Mean")
