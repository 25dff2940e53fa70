"""The operations that the GraphiQL page offers to begin with, made from the app's schema: watch, change, ask.

Whatever the app is, a newcomer has something that runs: rows live, a command filled in as far as its types tell, a page of rows.
"""

from collections.abc import Iterator
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
)

from hosts.pages.graphiql import Example
from runtime.domain import App
from runtime.domain.api import Exposed, Identity
from runtime.domain.filters import Compare
from runtime.live.schema.building import build

FIELDS, COMMANDS = 8, 3  # of a row; tabs with a command
SAMPLES: dict[str, Any] = {
    "Int": 1,
    "BigInt": 1,
    "Float": 1.0,
    "Decimal": "1.00",
    "Boolean": True,
    "DateTime": "2026-01-01T12:00:00Z",
    "Date": "2026-01-01",
    "JSON": {},
}
WATCH_TEXT = "# Leave it running: changes appear on the right.\n# Make some in a second window of this page.\n"


def examples(app: App, visitor: str = "ann") -> list[Example]:
    """Operations with variables; the first one is shown. `visitor` is who the page's token stands for."""
    schema = build(app).schema
    mine = dict.fromkeys(owner_fields(app, visitor), visitor)
    return [*live(schema.subscription_type), *commands(schema.mutation_type, mine), *pages(schema.query_type)]


def owner_fields(app: App, visitor: str) -> Iterator[str]:
    """The fields in which a row names whose it is: a visitor who writes something else there never sees what they wrote."""
    for shown in app.api:
        if isinstance(shown, Exposed):
            allowed = shown.allow(Identity(visitor))
            if isinstance(allowed, Compare) and allowed.value == visitor:
                yield allowed.field


def live(root: GraphQLObjectType | None) -> Iterator[Example]:
    """The first rows that can be followed."""
    for name, field in _runnable(root):
        changed = _inside(field, "changed")
        row = _inside(changed, "row") if changed is not None else None
        if row is not None:
            filter_ = field.args["where"].type if "where" in field.args else None
            asked, said = (f"  $where: {filter_}\n", "where: $where, ") if filter_ is not None else ("", "")
            yield Example(
                f"{WATCH_TEXT}subscription Live{_title(name)}(\n{asked}  $after: String\n) {{\n  {name}({said}after: $after) {{\n    snapshot\n"
                f"    changed {{\n      key\n      row {{\n{_lines(row, 8)}      }}\n    }}\n    removed {{ key }}\n    cursor\n  }}\n}}",
                {"where": {}} if filter_ is not None else None,
            )
            return


def pages(root: GraphQLObjectType | None) -> Iterator[Example]:
    """The first rows that can be asked for."""
    for name, field in _runnable(root):
        nodes = _inside(field, "nodes")
        if nodes is not None:
            yield Example(
                f"query {_title(name)} {{\n  {name}(first: 20) {{\n    nodes {{\n{_lines(nodes, 6)}    }}\n    pageInfo {{ hasNextPage endCursor }}\n  }}\n}}"
            )
            return


def commands(root: GraphQLObjectType | None, mine: dict[str, str]) -> Iterator[Example]:
    """The first commands, filled in."""
    for name, field in list(root.fields.items() if root is not None else ())[:COMMANDS]:
        argument = field.args.get("input")
        if argument is None or _inside(field, "token") is None:
            continue
        yield Example(
            f"mutation {_title(name)}($input: {argument.type}) {{\n  {name}(input: $input) {{\n    token\n    replayed\n  }}\n}}",
            {"input": sample("input", argument.type, mine)},
        )


def sample(name: str, type_: GraphQLInputType, mine: dict[str, str]) -> Any:
    """A value that the type takes; a command's own rules may still refuse it."""
    plain = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
    if isinstance(plain, GraphQLList):
        return []
    if isinstance(plain, GraphQLInputObjectType):
        return {key: sample(key, field.type, mine) for key, field in plain.fields.items() if is_required_input_field(field)}
    if isinstance(plain, GraphQLEnumType):
        return next(iter(plain.values))
    return mine.get(name) or SAMPLES.get(str(plain), f"{name}-1")


def _runnable(root: GraphQLObjectType | None) -> Iterator[tuple[str, GraphQLField]]:
    for name, field in root.fields.items() if root is not None else ():
        if not any(is_required_argument(argument) for argument in field.args.values()):
            yield name, field


def _inside(field: GraphQLField, name: str) -> GraphQLField | None:
    type_ = get_named_type(field.type)
    return type_.fields.get(name) if isinstance(type_, GraphQLObjectType) else None


def _lines(field: GraphQLField, indent: int) -> str:
    type_ = get_named_type(field.type)
    assert isinstance(type_, GraphQLObjectType)
    names = [name for name, inner in type_.fields.items() if is_leaf_type(get_named_type(inner.type))]
    return "".join(f"{' ' * indent}{name}\n" for name in names[:FIELDS])


def _title(name: str) -> str:
    return name[0].upper() + name[1:]
