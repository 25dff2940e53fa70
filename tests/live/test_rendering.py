"""What an update renders to: the very bytes that graphql-core's execution gives, for any selection and any update, only faster."""

import asyncio
import json
import time
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from graphql import GraphQLList, GraphQLNonNull, GraphQLObjectType, GraphQLOutputType
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.domain import Identity
from runtime.live.answers.engine import Engine, Prepared
from runtime.live.answers.rendering import compiled
from runtime.live.plans import Entry, Update
from runtime.live.requests import Request
from runtime.ports import Row
from tests.live import museum
from tests.live.answering import Answering
from tests.rounds import rounds

ANSWERING = Answering(museum.app)
TENANTS = Answering(museum.museum(tenant="org"))
SCHEMA = ANSWERING.engine.schema

TEXTS = st.text(st.characters(codec="utf-8"), max_size=5)
SIZES = st.builds(
    lambda width, height: {"width": width} | ({} if height is None else {"height": height}),
    st.integers(0, 9),
    st.none() | st.integers(-(2**63), 2**63 - 1),
)
PARTS: st.SearchStrategy[Any] = st.recursive(
    st.builds(lambda name: {"name": name}, TEXTS),
    lambda inner: st.builds(
        lambda name, made, size: {"name": name, "madeOf": made, "size": size}, TEXTS, st.lists(inner, max_size=2), st.none() | SIZES
    ),
    max_leaves=4,
)
THINGS = st.fixed_dictionaries(
    {
        "room": TEXTS,
        "number": st.integers(-(2**63), 2**63 - 1),
        "owner": TEXTS,
        "era": st.sampled_from(["stone age", "rome", None]),
        "material": st.sampled_from(["clay", "gold"]),
        "worth": st.none() | st.decimals(allow_nan=False, allow_infinity=False) | st.just("1.50"),
        "weight": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "on_show": st.booleans(),
        "made": st.none() | st.dates() | st.just("2026-01-31"),
        "seen": st.none() | st.datetimes(timezones=st.just(UTC)) | st.just("2026-01-31T12:00:00Z"),
        "visitors": st.none() | st.integers(0, 9),
        "tags": st.lists(TEXTS, max_size=3),
        "size": st.none() | SIZES,
        "parts": st.lists(PARTS, max_size=2),
        "notes": st.dictionaries(TEXTS, st.none() | st.integers(-5, 5) | st.lists(TEXTS, max_size=2), max_size=2),
    }
)
ENTRIES = st.builds(Entry, TEXTS, st.integers(1, 5), st.integers(1, 2**40), st.none() | THINGS)
FLAGS = {"snapshot": st.booleans(), "reset": st.booleans(), "complete": st.booleans(), "stale": st.booleans(), "parked": st.booleans()}
UPDATES = st.builds(Update, st.lists(ENTRIES, max_size=3).map(tuple), TEXTS, **FLAGS)


def bare(type_: GraphQLOutputType) -> Any:
    """Without lists and exclamation marks."""
    while isinstance(type_, GraphQLNonNull | GraphQLList):
        type_ = type_.of_type
    return type_


@st.composite
def selections(draw: st.DrawFn, type_: GraphQLObjectType, depth: int = 4) -> str:
    """A selection of a type: fields, aliases, fragments, conditions, and the same field more than once."""
    found = []
    for number in range(draw(st.integers(1, 5))):
        name = draw(st.sampled_from([*type_.fields, "__typename"]))
        inner = bare(type_.fields[name].type) if name in type_.fields else None
        if isinstance(inner, GraphQLObjectType):
            if not depth:
                continue
            name += draw(selections(inner, depth - 1))
        alias = f"{draw(st.sampled_from('ab'))}{type_.name}{number}{depth}: " if draw(st.booleans()) else ""
        condition = draw(st.sampled_from(["", "", "", " @skip(if: $yes)", " @include(if: $no)", " @include(if: $yes)"]))
        if condition and "{" in name:
            name, _, rest = name.partition("{")
            name = f"{name} {condition} {{{rest}"
        elif condition:
            name += condition
        wrapped = draw(st.sampled_from(["{}", "{}", "... {{ {} }}", f"... on {type_.name} {{{{ {{}} }}}}"]))
        found.append(wrapped.format(alias + name))
    return " { __typename " + " ".join(found) + " }"


def subscription(name: str) -> st.SearchStrategy[str]:
    root = SCHEMA.subscription_type
    assert root is not None
    arguments = '(room: "r", number: 1)' if name == "thing" else ""
    return selections(bare(root.fields[name].type)).map(
        lambda selected: (
            f"subscription ($yes: Boolean!, $no: Boolean!) {{ "
            f"{name}{arguments} {selected} ... @skip(if: false) {{ {name}{arguments} {{ cursor c: cursor @skip(if: $yes) @include(if: $no) }} }} }}"
        )
    )


def prepared_of(engine: Engine, text: str) -> Prepared | None:
    """The operation, if its aliases do not contradict each other."""
    from runtime.live.errors import Refused

    text = text.replace("($yes: Boolean!, $no: Boolean!)", "($yes: Boolean = true, $no: Boolean = false)")
    try:
        return engine.prepare(Request(text))
    except Refused as refused:
        assert all("conflict" in str(error["message"]) or "the " in str(error["message"]) for error in refused.errors), refused.errors
        return None


@pytest.mark.rounds
@settings(max_examples=rounds(500))
@given(text=st.sampled_from(["thing", "thingRows"]).flatmap(subscription), update=UPDATES)
def test_a_compiled_renderer_gives_what_graphql_core_gives(text: str, update: Update) -> None:
    prepared = prepared_of(ANSWERING.engine, text)
    if prepared is None:
        return
    assert compiled(SCHEMA, prepared)(update) == ANSWERING.engine._walked(prepared, update)


ALL = """subscription { thingRows { snapshot reset complete cursor stale parked changed { key revision { generation n } row { room number owner
  era material worth weight onShow made seen visitors tags size { width height } parts { name madeOf { name } } notes } }
  removed { key revision { n } } } }"""
THING: dict[str, Any] = {
    "room": "r",
    "number": 2**60,
    "owner": "ann",
    "era": "stone age",
    "material": "clay",
    "worth": Decimal("1.50"),
    "weight": 0.1,
    "on_show": True,
    "made": date(999, 1, 2),
    "seen": datetime(2026, 1, 31, 12, 0, 0, 5, tzinfo=UTC),
    "visitors": None,
    "tags": ["a"],
    "size": {"width": 1},
    "parts": [{"name": "lid", "madeOf": []}],
    "notes": {"x": [1]},
}


def test_an_update_shows_changed_rows_and_removed_ones() -> None:
    update = Update((Entry("a", 1, 7, THING), Entry("b", 2, 8, None)), "here", True, True, False, True, True)
    assert json.loads(ANSWERING.engine.render(ANSWERING.engine.prepare(Request(ALL)), update)) == {
        "data": {
            "thingRows": {
                "snapshot": True,
                "reset": True,
                "complete": False,
                "cursor": "here",
                "stale": True,
                "parked": True,
                "changed": [
                    {
                        "key": "a",
                        "revision": {"generation": 1, "n": 7},
                        "row": {
                            "room": "r",
                            "number": 2**60,
                            "owner": "ann",
                            "era": "STONE_AGE",
                            "material": "clay",
                            "worth": "1.50",
                            "weight": 0.1,
                            "onShow": True,
                            "made": "0999-01-02",
                            "seen": "2026-01-31T12:00:00.000005Z",
                            "visitors": None,
                            "tags": ["a"],
                            "size": {"width": 1, "height": 1},
                            "parts": [{"name": "lid", "madeOf": []}],
                            "notes": {"x": [1]},
                        },
                    }
                ],
                "removed": [{"key": "b", "revision": {"n": 8}}],
            }
        }
    }


def test_the_state_of_one_row_is_null_when_it_is_not_there() -> None:
    prepared = ANSWERING.engine.prepare(Request('subscription { thing(room: "r", number: 1) { row { owner } revision { n } cursor } }'))

    def shown(*entries: Entry) -> Any:
        return json.loads(ANSWERING.engine.render(prepared, Update(entries, "c")))["data"]["thing"]

    assert shown() == {"row": None, "revision": None, "cursor": "c"}
    assert shown(Entry("k", 1, 3, None)) == {"row": None, "revision": {"n": 3}, "cursor": "c"}
    assert shown(Entry("k", 1, 3, THING)) == {"row": {"owner": "ann"}, "revision": {"n": 3}, "cursor": "c"}


def test_a_key_is_shown_without_its_tenant() -> None:
    prepared = TENANTS.engine.prepare(Request("subscription { thingRows { changed { key } removed { key } } }"))
    update = Update((Entry('a/["r/1",2]', 1, 1, THING), Entry('a/["r/1",3]', 1, 1, None)), "c")
    found = json.loads(TENANTS.engine.render(prepared, update))["data"]["thingRows"]
    assert found == {"changed": [{"key": '["r/1",2]'}], "removed": [{"key": '["r/1",3]'}]}


def test_aliases_name_and_conditions_and_defaults_of_variables_are_heard() -> None:
    text = "subscription S($x: Boolean = false) { rows: thingRows { at: cursor snapshot @include(if: $x) ...F } } fragment F on ThingUpdate { complete }"
    engine = ANSWERING.engine
    assert json.loads(engine.render(engine.prepare(Request(text)), Update((), "c"))) == {"data": {"rows": {"at": "c", "complete": True}}}
    shown = engine.render(engine.prepare(Request(text, variables={"x": True})), Update((), "c"))
    assert json.loads(shown) == {"data": {"rows": {"at": "c", "snapshot": False, "complete": True}}}


def test_a_row_that_does_not_fit_is_an_error_of_ours_and_never_raises() -> None:
    engine = ANSWERING.engine
    prepared = engine.prepare(Request("subscription { thingRows { changed { row { owner } } } }"))
    response = json.loads(engine.render(prepared, Update((Entry("k", 1, 1, {}),), "c")))
    assert response["data"] is None
    assert [(error["message"], error["extensions"]["code"]) for error in response["errors"]] == [("internal error", "INTERNAL")]


def test_rendering_costs_a_fraction_of_walking_the_document() -> None:
    engine = ANSWERING.engine
    prepared = engine.prepare(Request(ALL))
    update = Update((Entry("a", 1, 7, THING),), "here")
    engine.render(prepared, update)

    def fastest(times: int, call: Any) -> float:
        best = 1e9
        for _ in range(5):
            began = time.perf_counter()
            for _ in range(times):
                call(prepared, update)
            best = min(best, (time.perf_counter() - began) / times)
        return best

    assert fastest(200, engine.render) < fastest(20, engine._walked) / 4


def test_a_plan_of_the_app_and_its_updates_fit_the_documents_of_a_query() -> None:
    """A row is shown alike by a query and by a subscription."""
    answering = Answering(museum.app)
    show = "mutation ($input: ShowInput!) { show(input: $input) { token } }"
    sent = {
        "room": "r",
        "number": 1,
        "owner": "ann",
        "seen": "2026-01-31T12:00:00.5+01:00",
        "worth": "2.00",
        "era": "ROME",
        "made": "2026-01-31",
    }
    answering.data(show, input=sent)
    answering.fold()
    fields = "room number owner era material worth weight onShow made seen visitors tags size { width } parts { name } notes"
    queried = answering.data(f'{{ thing(room: "r", number: 1) {{ {fields} }} }}')["thing"]
    stored = answering.house.rows.query(1, answering.app.folds["thing"].table, _everything()).rows[0][1]
    from runtime.live.answers.context import as_row

    entry = Entry("k", 1, 1, as_row(answering.app.folds["thing"].table, stored.values or ()))
    prepared = answering.engine.prepare(Request(f"subscription {{ thingRows {{ changed {{ row {{ {fields} }} }} }} }}"))
    followed = msgspec.json.decode(answering.engine.render(prepared, Update((entry,), "c")))
    assert followed["data"]["thingRows"]["changed"][0]["row"] == queried
    assert queried["seen"] == "2026-01-31T11:00:00.500000Z"


def _everything() -> Any:
    from runtime.domain.filters import Query

    return Query()


@pytest.mark.parametrize("who", [Identity(), Identity("ann")], ids=["anonymous", "ann"])
def test_rendering_needs_no_identity(who: Identity) -> None:
    plan = ANSWERING.plan(ALL, who)
    assert plan.part == "thing"


QUERIES = st.sampled_from(
    [
        "{ thingRows { nodes { number era seen made worth size { width } parts { name madeOf { name } } notes } } }",
        "{ thingRows(first: 2) { edges { cursor node { room t: __typename } } pageInfo { hasNextPage endCursor hasPreviousPage startCursor } } }",
        "query ($x: Boolean = true) { a: thingRows { ...F } b: thingRows { ...F } } fragment F on ThingConnection { nodes { room @skip(if: $x) owner } }",
        '{ thing(room: "r", number: 1) { ... on Thing { owner room } owner } __typename }',
        "query ($x: Boolean!) { thingRows { nodes { room @include(if: $x) owner } } }",
    ]
)


@pytest.mark.rounds
@settings(max_examples=rounds(100))
@given(text=QUERIES, rows=st.lists(THINGS, max_size=3), wanted=st.booleans())
def test_a_page_is_shaped_as_graphql_core_shapes_it(text: str, rows: list[dict[str, Any]], wanted: bool) -> None:
    from graphql import ExecutionContext, ExecutionResult, execute

    from runtime.live.answers.context import Context
    from runtime.live.answers.executing import Execution
    from runtime.live.schema.fields import Connection
    from runtime.ports import Page

    class Answered(Context):
        """Has the rows already."""

        async def page(self, view: Any, query: Any) -> Any:
            """These."""
            return rows, Page([("k", Row(None, 1)) for _ in rows], "more", lambda position: f"c{position}")

    prepared = ANSWERING.engine.prepare(Request(text, variables={"x": wanted}))
    answers = []
    for how in (Execution, ExecutionContext):
        context = Answered(ANSWERING.engine._site, Identity("ann"), "", prepared.memo)

        async def run(how: Any = how, context: Any = context) -> ExecutionResult:
            found = execute(SCHEMA, prepared.document, None, context, prepared.request.variables, execution_context_class=how)
            return found if isinstance(found, ExecutionResult) else await found

        result = asyncio.run(run())
        assert result.errors is None
        answers.append(msgspec.json.encode(result.data))
    assert answers[0] == answers[1]
    assert Connection(rows, Page([], ""), False).rows == rows


def test_a_page_is_shaped_by_compiled_functions_and_kept_for_the_next_request() -> None:
    asked = Request("{ thingRows { nodes { owner } pageInfo { hasNextPage } } }")
    answering = Answering(museum.app)
    asyncio.run(answering.engine.execute(answering.engine.prepare(asked), Identity("ann")))
    memo = answering.engine.prepare(asked).memo
    assert [callable(shape) for shape in memo.values()] == [True]


def test_what_variables_decide_is_not_kept_for_others() -> None:
    answering = Answering(museum.app)
    text = "query ($x: Boolean!) { thingRows { nodes { owner room @include(if: $x) } } }"
    answering.data('mutation { show(input: {room: "r", number: 1, owner: "ann"}) { token } }')
    answering.fold()
    for wanted in (True, False, True):
        assert answering.data(text, x=wanted)["thingRows"]["nodes"] == [{"owner": "ann"} | ({"room": "r"} if wanted else {})]
