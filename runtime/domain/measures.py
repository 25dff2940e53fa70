"""What an aggregation adds up: a commutative monoid per field, so that deltas combine in any order and any grouping.

`Count` and `Sum` start at 0, `Min`, `Max` start with None, `Mean` keeps its total and its count so that it stays exact.
Sums are `int` or `Decimal`, never `float`: float addition depends on the order.
"""

import operator
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, FloatOperation, Inexact, InvalidOperation, Overflow
from typing import Annotated, Any, dataclass_transform, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from runtime.domain.messages import classes_in
from runtime.domain.rows import utc
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

# Python's own Decimal addition rounds at 28 digits, so it would depend on the order; this one is exact, or an error.
EXACT = Context(prec=1_000, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[Inexact, InvalidOperation, Overflow, FloatOperation])
DIVIDED = Context(prec=50, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[InvalidOperation, FloatOperation])


add: Combine = operator.add
"""Count, sum of int."""


def add_exactly(a: Any, b: Any) -> Any:
    """Sum of Decimal (and a mean's total, which takes int as well)."""
    return EXACT.add(a, b)


def least(a: Any, b: Any) -> Any:
    """Min; None is no value."""
    return b if a is None else a if b is None or a <= b else b


def greatest(a: Any, b: Any) -> Any:
    """Max; None is no value."""
    return b if a is None else a if b is None or a >= b else b


def least_decimal(a: Any, b: Any) -> Any:
    """Min of Decimal; of equal ones the one with more digits, so that 1.0 and 1.00 do not depend on the order."""
    return b if a is None else a if b is None or a.compare_total(b) <= 0 else b


def greatest_decimal(a: Any, b: Any) -> Any:
    """Max of Decimal; of equal ones the one with fewer digits."""
    return b if a is None else a if b is None or a.compare_total(b) >= 0 else b


COMBINES: dict[tuple[str, bool], Combine] = {
    ("sum", False): add,
    ("sum", True): add_exactly,
    ("min", False): least,
    ("min", True): least_decimal,
    ("max", False): greatest,
    ("max", True): greatest_decimal,
}


def mean(total: Decimal, count: int) -> float | None:
    """The shown value of a mean; None of nothing."""
    return float(DIVIDED.divide(total, count)) if count else None


type Effect = tuple[int, Combine, Any]
"""A stored column's position, how it combines, and with what."""


class Measured(Struct, frozen=True):
    """A measures class compiled: its columns, and per stored column how two values combine (None: computed, a mean's shown value)."""

    fields: tuple[str, ...]
    means: frozenset[int]  # positions of mean fields in the measures struct
    columns: tuple[Column, ...]
    combines: tuple[Combine | None, ...]
    identity: tuple[Any, ...]
    instants: tuple[int, ...] = ()  # positions of instants in the measures struct

    def flat(self, measures: Measures) -> list[Any]:
        """The stored columns of one contribution."""
        values = list(msgspec.structs.astuple(measures))
        for position in self.instants:
            if values[position] is not None:
                values[position] = utc(values[position])
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

    def effect(self, contribution: Sequence[Any]) -> list[Effect]:
        """What of a contribution changes anything: most events count one thing and leave the others as they are."""
        return [
            (position, operation, value)
            for position, (operation, value) in enumerate(zip(self.combines, contribution, strict=True))
            if operation is not None and value is not None and (value or operation is not add)
        ]

    def shown(self, values: list[Any]) -> list[Any]:
        """With the means worked out, in place."""
        for position, operation in enumerate(self.combines):
            if operation is None:
                values[position] = mean(values[position + 1], values[position + 2])
        return values


SUMS: dict[type, Any] = {int: 0, Decimal: Decimal(0)}
ORDERED = (int, float, str, datetime, date, Decimal)


def compile_measures(measures: type[Measures]) -> Measured:
    """What a measures class means; `Misconfigured` names a field that says no monoid."""
    hints = get_type_hints(measures, include_extras=True)
    columns: list[Column] = []
    combines: list[Combine | None] = []
    identity: list[Any] = []
    means, instants = set(), []
    for position, name in enumerate(measures.__struct_fields__):
        if hints[name] is Mean:
            means.add(position)
            columns += (Column(name, Kind.FLOAT), Column(f"{name}_total", Kind.DECIMAL), Column(f"{name}_count", Kind.INT))
            combines += (None, add_exactly, add)
            identity += (None, Decimal(0), 0)
            continue
        how, value = _monoid(hints[name], f"{measures.__name__}.{name}")
        if value is datetime:
            instants.append(position)
        columns.append(Column(name, kind_of(value)))
        combines.append(COMBINES[how, value is Decimal])
        identity.append(SUMS[value] if how == "sum" else None)
    names = [column.name for column in columns]
    if len(set(names)) < len(names):
        raise Misconfigured(f"{measures.__name__}: a mean `x` has the columns x, x_total and x_count; rename the field that is called so")
    return Measured(measures.__struct_fields__, frozenset(means), tuple(columns), tuple(combines), tuple(identity), tuple(instants))


def _monoid(annotation: Any, where: str) -> tuple[str, type]:
    """How a field combines, and the type it holds."""
    if annotation == Count:
        return "sum", int
    origin, arguments = get_origin(annotation), get_args(annotation)
    for alias, how in ((Sum, "sum"), (Min, "min"), (Max, "max")):
        classes = classes_in(arguments[0]) if origin is alias else ()
        if len(classes) == 1 and classes[0] in (SUMS if how == "sum" else ORDERED):
            return how, classes[0]
    raise Misconfigured(f"{where}: declare it as Count, Sum[int], Sum[Decimal], Min[…], Max[…] or Mean")
