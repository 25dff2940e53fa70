"""The fields of commands and rows for a form and a table: their GraphQL names and types, and what may stand in them."""

from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_required_input_field,
)
from msgspec import NODEFAULT, Struct

from hosts.pages.examples import sample
from runtime.domain.folds import AggregationFold, Fold
from runtime.domain.measures import Count, Max, Mean, Min, Sum
from runtime.domain.messages import classes_in
from runtime.domain.tables import Kind, kind_of
from runtime.live.schema.scalars import SCALARS
from runtime.live.schema.texts import camel, described
from runtime.live.schema.views import View, bare, explained, may_be_none

DEPTH = 3  # of a selection in structs that hold structs

MEASURES = {Sum: "sum", Min: "min", Max: "max"}


class Described:
    """A GraphQL type, seen without its lists and its nullability."""

    def __init__(self, type_: Any) -> None:
        self.type = get_named_type(type_)
        self.name: str = self.type.name
        self.list = isinstance(type_.of_type if isinstance(type_, GraphQLNonNull) else type_, GraphQLList)

    @property
    def shown(self) -> str:
        """Its name, all enums being the one kind `Enum`."""
        return "Enum" if isinstance(self.type, GraphQLEnumType) else self.name

    @property
    def choices(self) -> list[Any] | None:
        """The names of an enum."""
        return list(self.type.values) if isinstance(self.type, GraphQLEnumType) else None


def command_fields(command: type[Struct], input_: Described | None, id: str, mine: dict[str, str]) -> list[dict[str, Any]]:
    """A command's fields in order. `mine` is what a visitor writes where a command names whose it is."""
    hints = get_type_hints(command, include_extras=True)
    texts = described(command, command.__struct_fields__)[1]
    taken = {}
    if input_ is not None:
        assert isinstance(input_.type, GraphQLInputObjectType)
        taken = {field.out_name: (name, field) for name, field in input_.type.fields.items()}
    found = []
    for field in msgspec.structs.fields(command):
        annotation, default = hints[field.name], _default(field)
        name, shown = taken.get(field.encode_name, (camel(field.encode_name), None))
        type_ = Described(shown.type) if shown is not None else None
        found.append(
            {
                "name": field.name,
                "graphql": name,
                "type": type_.shown if type_ is not None else _scalar(annotation),
                "required": is_required_input_field(shown) if shown is not None else field.required and not may_be_none(annotation),
                "default": None if default is NODEFAULT else default,
                "choices": (type_.choices if type_ is not None else None) or _literals(annotation),
                "list": type_.list if type_ is not None else kind_of(annotation) is Kind.JSON and get_origin(bare(annotation)) is not None,
                "doc": explained(annotation, texts.get(field.name, "")) or "",
                "id": field.name == id,
                "sample": sample(name, shown.type, mine) if shown is not None else None,
            }
        )
    return found


def _default(field: Any) -> Any:
    """As JSON; NODEFAULT where there is none."""
    if field.default is not NODEFAULT:
        return msgspec.to_builtins(field.default, enc_hook=repr)
    return NODEFAULT if field.default_factory is NODEFAULT else msgspec.to_builtins(field.default_factory(), enc_hook=repr)


def _scalar(annotation: Any) -> str:
    name: str = SCALARS[kind_of(annotation)]._meta.name
    return name


def _literals(annotation: Any) -> list[Any] | None:
    plain = bare(annotation)
    return list(get_args(plain)) if get_origin(plain) is Literal else None


def column_fields(fold: Fold, view: View | None, schema: GraphQLSchema | None, measures: dict[str, str]) -> list[dict[str, Any]]:
    """A part's columns in order, with how an aggregation combines them and what a filter may ask."""
    if view is None or schema is None:
        return [
            _column(column.name, camel(column.name), SCALARS[column.kind]._meta.name, measures.get(column.name))
            for column in fold.table.columns
        ]
    row, asked = schema.type_map[view.type], schema.query_type
    assert isinstance(row, GraphQLObjectType) and asked is not None
    where = get_named_type(asked.fields[view.many].args["where"].type)
    assert isinstance(where, GraphQLInputObjectType)
    found = []
    for shown in view.columns:
        type_ = Described(row.fields[shown.name].type)
        operators = get_named_type(where.fields[shown.name].type) if shown.name in where.fields else None
        found.append(
            _column(shown.column, shown.name, type_.shown, measures.get(shown.column))
            | {
                "nullable": not isinstance(row.fields[shown.name].type, GraphQLNonNull),
                "choices": type_.choices or (None if shown.annotation is None else _literals(shown.annotation)),
                "list": type_.list,
                "doc": shown.text or "",
                "select": selection(type_.type),
                "operators": list(operators.fields) if isinstance(operators, GraphQLInputObjectType) else [],
            }
        )
    return found


def _column(name: str, graphql: str, type_: str, measure: str | None) -> dict[str, Any]:
    told = {"name": name, "graphql": graphql, "type": type_, "nullable": True, "measure": measure}
    return told | {"choices": None, "list": False, "doc": "", "select": "", "operators": []}


def selection(type_: Any, depth: int = DEPTH) -> str:
    """What to select of an object, "" of a leaf; objects inside objects up to a depth."""
    if not isinstance(type_, GraphQLObjectType):
        return ""
    parts = []
    for name, field in type_.fields.items():
        inner = get_named_type(field.type)
        if not isinstance(inner, GraphQLObjectType):
            parts.append(name)
        elif depth > 1 and (inside := selection(inner, depth - 1)):
            parts.append(f"{name} {inside}")
    return f"{{ {' '.join(parts)} }}" if parts else ""


def measures_of(fold: Fold) -> dict[str, str]:
    """How each column of an aggregation combines; nothing for other parts."""
    if not isinstance(fold, AggregationFold):
        return {}
    measures = next(found for found in classes_in(get_type_hints(fold.part.measure)["return"]) if found is not NoneType)
    hints = get_type_hints(measures, include_extras=True)
    found: dict[str, str] = {}
    for name in fold.measured.fields:
        if hints[name] is Mean:
            found |= {name: "mean", f"{name}_total": "sum", f"{name}_count": "count"}
        else:
            found[name] = "count" if hints[name] == Count else MEASURES[get_origin(hints[name])]
    return found
