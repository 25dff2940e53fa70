"""The inputs of one exposed part: filters typed by column, the order of a page, and ranges of windows."""

from enum import StrEnum
from typing import Any

import graphene

from runtime.domain.tables import Kind
from runtime.live.schema.scalars import SCALARS
from runtime.live.schema.types import Types
from runtime.live.schema.views import View

PLAIN = ("eq", "ne", "in", "isNull")
SORTED = ("eq", "ne", "in", "lt", "le", "gt", "ge", "isNull")
OPERATORS: dict[Kind, tuple[str, ...]] = {
    Kind.TEXT: (*SORTED[:-1], "startsWith", "contains", "isNull"),
    Kind.BOOL: PLAIN,
    Kind.JSON: ("isNull",),
}
OPERATOR_TEXTS = {
    "eq": "Equal; null is equal to null.",
    "ne": "The opposite of eq: a missing value is not equal to any.",
    "in": "One of these; null may be one of them.",
    "lt": "Less than (text by code point); a missing value is neither less nor greater than anything.",
    "startsWith": "Text that begins so, upper and lower case told apart.",
    "contains": "Text that holds this, upper and lower case told apart.",
    "isNull": "Whether there is no value.",
}


class Inputs:
    """Makes input types, each once."""

    def __init__(self, types: Types) -> None:
        self._types = types

    def range(self, kind: Kind) -> Any:
        def make() -> Any:
            scalar = SCALARS[kind]
            return self._types.input(
                f"{scalar.__name__}Range",
                {
                    "from": ("from", graphene.InputField(scalar, name="from", description="The first that is in it.")),
                    "to": ("to", graphene.InputField(scalar, name="to", description="The first that is not in it any more.")),
                },
                "A half-open range: `from` is inside, `to` is not; either may be left out.",
                "the range of windows",
            )

        return self._types.once(("range", kind), make)

    def filter(self, view: View, owner: str) -> Any:
        def make() -> Any:
            made: list[Any] = []
            several = graphene.List(graphene.NonNull(lambda: made[0]))
            items = {
                shown.name: (
                    shown.name,
                    graphene.InputField(self._comparison(shown.annotation, shown.kind), name=shown.name, description=shown.text),
                )
                for shown in view.columns
            }
            items |= {
                "and": ("and", graphene.InputField(several, name="and", description="All of them.")),
                "or": ("or", graphene.InputField(several, name="or", description="Any of them; of none: no row.")),
                "not": ("not", graphene.InputField(lambda: made[0], name="not", description="The opposite.")),
            }
            made.append(self._types.input(f"{view.type}Filter", items, f"Which rows of `{view.one}`; all that is given must hold.", owner))
            return made[0]

        return self._types.once(("filter", view.part), make)

    def _comparison(self, annotation: Any, kind: Kind) -> Any:
        """What may be asked of a column: one input type for each kind of value."""
        value = None if kind is Kind.JSON else self._types.output(annotation, kind)
        operators = OPERATORS.get(kind, SORTED) if value in (None, SCALARS[kind]) else PLAIN
        name = "PresenceFilter" if value is None else f"{value.__name__}Filter"
        text = "Whether there is a value." if value is None else f"Comparisons with {value.__name__}; all that are given must hold."

        def make() -> Any:
            items = {}
            for op in operators:
                taken = graphene.Boolean if op == "isNull" else graphene.List(value) if op == "in" else value
                items[op] = (op, graphene.InputField(taken, name=op, description=OPERATOR_TEXTS.get(op)))
            return self._types.input(name, items, text, f"filters of {name.removesuffix('Filter')}")

        return self._types.once(("comparison", name), make)

    def order(self, view: View, owner: str) -> Any:
        def make() -> Any:
            items = {
                shown.name: (shown.name, graphene.InputField(self._direction(), name=shown.name))
                for shown in view.columns
                if shown.kind is not Kind.JSON
            }
            return self._types.input(f"{view.type}Order", items, "One field to sort by, and its direction.", owner)

        return self._types.once(("order", view.part), make)

    def _direction(self) -> Any:
        def make() -> Any:
            self._types.claim("Direction", "the direction of a sort")
            Direction = StrEnum("Direction", {"ASC": "asc", "DESC": "desc"})
            return graphene.Enum.from_enum(Direction, description="None comes first ascending, last descending.")

        return self._types.once("direction", make)
