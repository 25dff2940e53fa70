"""The schema that an app gets: committed as SDL, described by docstrings, refused with the way out where GraphQL cannot have it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, final

import graphene
import msgspec
import pytest
from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLObjectType, build_schema
from msgspec import Struct

from apps import flights, shop
from runtime.domain import Aggregation, App, Command, Count, Decider, Event, Measures, Projection
from runtime.domain.api import anyone, expose, send
from runtime.errors import Misconfigured
from runtime.live.schema.building import build, print_schema
from runtime.live.schema.texts import camel, described, pascal
from tests.live import museum
from tests.live.answering import Answering

GOLDEN = Path(__file__).parents[1] / "golden"
APPS = {"shop": shop.app, "flights": flights.app}


@pytest.mark.parametrize("name", APPS)
def test_a_schema_is_what_is_committed(name: str) -> None:
    path, text = GOLDEN / f"{name}.graphql", print_schema(APPS[name])
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_text(text)
    command = "UPDATE_GOLDEN=1 uv run pytest tests/live/test_schema.py"
    assert path.exists() and path.read_text() == text, f"{path.name} is out of date; look at the difference, run {command} and commit it"


@pytest.mark.parametrize("app", [shop.app, flights.app, museum.app], ids=lambda app: app.name)
def test_a_printed_schema_can_be_read_by_other_tools(app: App) -> None:
    assert sorted(build_schema(print_schema(app)).type_map) == sorted(build(app).schema.type_map)


# names and texts
@pytest.mark.parametrize(
    ("name", "camels", "pascals"),
    [
        ("dep_delay", "depDelay", "DepDelay"),
        ("sku", "sku", "Sku"),
        ("a_bC", "aBC", "ABC"),
        ("p_99", "p99", "P99"),
        ("_hidden_x", "_hiddenX", "_hiddenX"),
        ("and_", "and_", "And_"),
        ("a__b", "a_B", "A_B"),
    ],
)
def test_python_names_become_graphql_names(name: str, camels: str, pascals: str) -> None:
    assert (camel(name), pascal(name)) == (camels, pascals)


def test_the_lines_of_a_docstring_that_name_fields_describe_them_and_the_rest_the_type() -> None:
    text, fields = described(museum.Show, museum.Show.__struct_fields__)
    assert text == "Put a thing on show.\n\nAnybody may look at it."
    assert fields == {"room": "where it stands", "worth": "in euro, as insured"}
    assert described(museum.Part, ("made_of",)) == ("A part of a thing, itself made of parts.", {"made_of": "what is inside it"})


def test_descriptions_come_from_row_part_command_and_fields() -> None:
    schema = build(museum.app).schema
    thing, show = schema.type_map["Thing"], schema.type_map["ShowInput"]
    assert isinstance(thing, GraphQLObjectType) and isinstance(show, GraphQLInputObjectType)
    assert thing.description == "A thing that can be seen.\n\nThe row of a thing."
    assert thing.fields["onShow"].description == "whether it can be seen"
    assert thing.fields["material"].description == 'One of "clay", "gold".'
    assert show.description == "Put a thing on show.\n\nAnybody may look at it."
    assert show.fields["worth"].description == "in euro, as insured"
    assert show.fields["material"].description == 'One of "clay", "gold". Default: "clay".'
    assert show.fields["visitors"].description == "Must be at least 0."
    assert schema.mutation_type is not None
    assert schema.mutation_type.fields["show"].description == "Put a thing on show.\n\nAnybody may look at it."
    day = schema.type_map["VisitsOfDay"]
    assert isinstance(day, GraphQLObjectType)
    assert day.description == "Who came.\n\nWhat a visit adds."
    assert day.fields["day"].description == "The start of the window: 1 day of `at`, zone Europe/Vienna."
    assert day.fields["visitors"].description == "how many"


# types
def test_every_column_has_the_type_that_fits_it() -> None:
    thing = build(museum.app).schema.type_map["Thing"]
    assert isinstance(thing, GraphQLObjectType)
    assert {name: str(field.type) for name, field in thing.fields.items()} == {
        "room": "String!",
        "number": "BigInt!",
        "owner": "String!",
        "era": "Era",
        "material": "String!",
        "worth": "Decimal",
        "weight": "Float",
        "onShow": "Boolean!",
        "made": "Date",
        "seen": "DateTime",
        "visitors": "BigInt",
        "tags": "[String!]!",
        "size": "Size",
        "parts": "[Part!]!",
        "notes": "JSON!",
    }


def test_filters_are_typed_by_column_and_json_is_only_there_or_not() -> None:
    schema = build(museum.app).schema
    where = schema.type_map["ThingFilter"]
    assert isinstance(where, GraphQLInputObjectType)
    assert {
        name: str(field.type) for name, field in where.fields.items() if name in ("room", "era", "onShow", "tags", "notes", "and", "not")
    } == {
        "room": "StringFilter",
        "era": "EraFilter",
        "onShow": "BooleanFilter",
        "tags": "PresenceFilter",
        "notes": "PresenceFilter",
        "and": "[ThingFilter!]",
        "not": "ThingFilter",
    }
    operators = {
        name: list(found.fields)
        for name in ("StringFilter", "BooleanFilter", "EraFilter", "DecimalFilter", "PresenceFilter")
        if isinstance(found := schema.type_map[name], GraphQLInputObjectType)
    }
    assert operators == {
        "StringFilter": ["eq", "ne", "in", "lt", "le", "gt", "ge", "startsWith", "contains", "isNull"],
        "BooleanFilter": ["eq", "ne", "in", "isNull"],
        "EraFilter": ["eq", "ne", "in", "isNull"],
        "DecimalFilter": ["eq", "ne", "in", "lt", "le", "gt", "ge", "isNull"],
        "PresenceFilter": ["isNull"],
    }
    order = schema.type_map["ThingOrder"]
    assert isinstance(order, GraphQLInputObjectType)
    assert "tags" not in order.fields and "era" in order.fields


def test_an_enum_whose_members_graphql_cannot_name_is_text() -> None:
    import enum

    class Odd(enum.StrEnum):
        true = "true"

    assert "Odd" not in build(_rows(odd=Odd)).schema.type_map
    era = build(museum.app).schema.type_map["Era"]
    assert isinstance(era, GraphQLEnumType) and list(era.values) == ["STONE_AGE", "ROME"]


# what GraphQL cannot have
@final
class Told(Event):
    """Happened."""

    thing: str


@final
class Tell(Command):
    """Makes it happen."""

    thing: str


def _decide(command: Tell, state: int) -> Iterator[Told]:
    yield Told(command.thing)


def _evolve(state: int, event: Told) -> int:
    return state


teller = Decider("thing", 0, _decide, _evolve)


def _projection(name: str = "thing_row", **columns: Any) -> Projection[Any, Any]:
    row = msgspec.defstruct("Row", [("thing", str), *columns.items()], frozen=True)

    def show(row: Any, event: Told) -> Any:
        return None

    return Projection(name, "thing", row, show)


def _rows(name: str = "thing_row", **columns: Any) -> App:
    part = _projection(name, **columns)
    return App("telling", parts=(teller, part), api=(expose(part, allow=anyone),))


def refused(text: str, app: App) -> None:
    with pytest.raises(Misconfigured, match=text):
        build(app)


def test_two_columns_of_one_graphql_name_are_refused() -> None:
    refused(
        r"part 'thing_row': fields 'dep_delay' and 'depDelay' are both `depDelay` in GraphQL: rename one",
        _rows(dep_delay=int, depDelay=int),
    )


@pytest.mark.parametrize("column", ["and", "or", "not"])
def test_a_column_that_is_called_like_a_word_of_the_filter_is_refused(column: str) -> None:
    refused(f"field '{column}' is called like the filter's own `{column}`: rename it in the row", _rows("thing_row", **{column: int}))


def test_a_name_that_graphql_does_not_have_is_refused() -> None:
    refused("part 'thing_row': GraphQL has no name like that of field 'größe'", _rows(größe=int))
    refused("part 'größen': GraphQL has no such name: rename it", _rows("größen"))


@pytest.mark.parametrize("name", ["query", "date_time", "big_int", "page_info", "string"])
def test_a_part_that_would_be_a_type_of_graphql_itself_is_refused(name: str) -> None:
    refused(f"part '{name}' and GraphQL itself would both be the GraphQL type", _rows(name))


@pytest.mark.parametrize("name", ["direction", "removed", "revision", "sent"])
def test_a_part_that_would_be_a_type_of_the_gateway_is_refused(name: str) -> None:
    part = _projection(name)
    refused(
        "would both be the GraphQL type", App("telling", parts=(teller, part), api=(expose(part, allow=anyone), send(Tell, allow=anyone)))
    )


def test_parts_that_would_have_one_name_are_refused() -> None:
    one, other = _projection("a_b"), _projection("a_b_rows")
    app = App("telling", parts=(teller, one, other), api=(expose(one, allow=anyone), expose(other, allow=anyone)))
    refused("part 'a_b_rows' and part 'a_b' would both be `Query.aBRows`: rename one of them", app)


def test_a_nested_struct_that_is_called_like_another_type_is_refused() -> None:
    nested = msgspec.defstruct("ThingRow", [("x", int)])
    refused("class .*ThingRow and part 'thing_row' would both be the GraphQL type 'ThingRow'", _rows(inner=nested))


def test_a_key_that_is_called_after_is_refused() -> None:
    @final
    class Moved(Event):
        after: str

    @final
    class Move(Command):
        after: str

    class Row(Struct, frozen=True):
        after: str

    def decide(command: Move, state: int) -> Iterator[Moved]:
        yield Moved(command.after)

    def evolve(state: int, event: Moved) -> int:
        return state

    def show(row: Row | None, event: Moved) -> Row:
        return Row(event.after)

    part = Projection("moves", "after", Row, show)
    app = App("moving", parts=(Decider("move", 0, decide, evolve, id="after"), part), api=(expose(part, allow=anyone),))
    refused("key field 'after' is a GraphQL argument of every read", app)


def test_an_app_that_shows_nothing_says_what_to_write() -> None:
    refused(r"app 'telling' shows nothing: say api=\(expose\(part, allow=…\)", App("telling", parts=(teller,)))


def test_an_app_that_only_takes_commands_can_be_asked_its_name() -> None:
    answering = Answering(App("telling", parts=(teller,), api=(send(Tell, allow=anyone),)))
    assert answering.data("{ app }") == {"app": "telling"}
    assert answering.data('mutation { tell(input: {thing: "a"}) { last } }') == {"tell": {"last": 1}}


# whole schemas, and fields of one's own
class Query(graphene.ObjectType):  # type: ignore[misc]
    """Fields of the app's own."""

    hello = graphene.String(name=graphene.String(default_value="you"), description="Greets.")

    async def resolve_hello(root: Any, info: Any, name: str) -> str:
        return f"hello {name}, {info.context.identity.subject or 'stranger'}"


SCHEMA = graphene.Schema(query=Query)


@pytest.mark.parametrize("schema", [SCHEMA, SCHEMA.graphql_schema, f"{__name__}:SCHEMA"], ids=["graphene", "graphql-core", "named"])
def test_an_app_may_be_a_schema_without_any_parts(schema: Any) -> None:
    answering = Answering(App("plain", parts=(), schema=schema))
    assert answering.data('{ hello(name: "Ann") }') == {"hello": "hello Ann, ann"}


def test_a_whole_schema_that_is_none_is_refused() -> None:
    for schema, text in (
        ("tests.live.no_such:schema", "there is no module 'tests.live.no_such'"),
        (f"{__name__}:Query", "that is no graphene.Schema or GraphQLSchema"),
        (f"{__name__}:nothing", "that is no graphene.Schema or GraphQLSchema"),
        (3, "that is no graphene.Schema or GraphQLSchema"),
    ):
        refused(text, App("plain", parts=(), schema=schema))


def test_fields_of_ones_own_stand_beside_the_generated_ones() -> None:
    built = build(App("own", parts=(teller, part := _projection()), api=(expose(part, allow=anyone),), fields="tests.live.own_fields"))
    assert built.schema.query_type and set(built.schema.query_type.fields) == {"loud", "thingRow", "thingRowRows"}
    assert built.schema.mutation_type and list(built.schema.mutation_type.fields) == ["shout"]
    assert built.generators == ("ticks", "broken")
    assert built.generated == {"thingRow", "thingRowRows"}
    assert Answering(museum.museum(fields="tests.live.own_fields")).plan("subscription { thingRows { cursor } }").part == "thing"


def test_fields_of_ones_own_never_hide_a_generated_one() -> None:
    part = _projection("loud")
    app = App("own", parts=(teller, part), api=(expose(part, allow=anyone),), fields="tests.live.own_fields")
    refused(r"tests.live.own_fields.Query.loud and part 'loud' would both be `Query.loud`: rename", app)


def test_a_module_without_fields_is_refused() -> None:
    refused("that module has no graphene class Query, Mutation or Subscription", App("own", parts=(), fields="tests.live.museum"))
    refused("there is no module 'tests.live.nowhere'", App("own", parts=(), fields="tests.live.nowhere"))


def test_the_domain_never_loads_graphene() -> None:
    import subprocess
    import sys

    program = "import sys, apps.shop, runtime.live.callers.rights; assert 'graphene' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


class Counted(Measures):
    """Nothing said."""

    seen: Count


def test_an_aggregation_over_one_window_alone_is_found_by_it() -> None:
    def measure(event: Told) -> Counted:
        return Counted(1)

    part = Aggregation("tellings", "thing", measure)
    query = build(App("telling", parts=(teller, part), api=(expose(part, allow=anyone),))).schema.query_type
    assert query is not None and {name: str(argument.type) for name, argument in query.fields["tellings"].args.items()} == {
        "thing": "String!",
        "after": "String",
    }
    assert "window" not in query.fields["tellingsRows"].args
