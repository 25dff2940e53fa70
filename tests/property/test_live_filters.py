"""Any GraphQL filter over any rows: the query's answer, through the engine and every store, is what a subscription's plan lets pass.

The expected answer is worked out from the plan that the same input compiles to, with `matches`, which is what subscriptions use.
"""

import asyncio
import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.domain import App, Identity, Projection
from runtime.domain.api import expose
from runtime.domain.filters import Compare, In, Or, matches
from runtime.domain.tables import Kind
from runtime.flow.reading import Reading
from runtime.live.answers.engine import Engine
from runtime.live.limits import Limits
from runtime.live.plans import Plan
from runtime.live.requests import Request
from runtime.ports import Phase, ReadStore, RowWrite, Writes
from tests.conformance.read_stores import PROVIDERS, opener
from tests.live.museum import Hidden, Shown, Thing, rooms, show_thing, things, visits
from tests.property.test_filters import VALUES
from tests.rounds import rounds


def seen_by(identity: Identity) -> Any:
    """One's own rows and those of nobody; the boss sees all."""
    return identity.subject == "boss" or Or((Compare("owner", "eq", identity.subject), In("material", ("gold",))))


def show(thing: Thing | None, event: Shown | Hidden) -> Thing | None:
    """As in the museum."""
    return show_thing(thing, event)


APP = App("museum", parts=(rooms, things, visits), api=(expose(things, allow=seen_by),), tenant="org")
TABLE = APP.folds["thing"].table
NAMES = [column.name for column in TABLE.columns]
assert isinstance(things, Projection)

OWNERS = st.sampled_from(["ann", "bob", ""])
ERAS = st.sampled_from(["stone age", "rome"])
MATERIALS = st.sampled_from(["clay", "gold"])
FLOATS = VALUES[Kind.FLOAT].filter(lambda value: value - value == 0)  # JSON has no infinity
INTS = VALUES[Kind.INT]
CELLS: dict[str, st.SearchStrategy[Any]] = {
    "room": VALUES[Kind.TEXT],
    "number": INTS,
    "owner": OWNERS,
    "era": st.none() | ERAS,
    "material": MATERIALS,
    "worth": st.none() | VALUES[Kind.DECIMAL],
    "weight": st.none() | FLOATS,
    "on_show": st.booleans(),
    "made": st.none() | VALUES[Kind.DATE],
    "seen": st.none() | VALUES[Kind.INSTANT],
    "visitors": st.none() | INTS,
    "tags": st.none() | st.just('["a"]'),
    "size": st.none() | st.just('{"width":1}'),
    "parts": st.just("[]"),
    "notes": st.just("{}"),
}
ROWS = st.lists(st.tuples(*(CELLS[name] for name in NAMES)), max_size=8)

GRAPHQL = {"on_show": "onShow"}
SORTED = ["eq", "ne", "lt", "le", "gt", "ge"]
OPERATORS = {
    "room": [*SORTED, "startsWith", "contains"],
    "owner": [*SORTED, "startsWith", "contains"],
    "material": [*SORTED, "startsWith", "contains"],
    "era": ["eq", "ne"],
    "on_show": ["eq", "ne"],
} | dict.fromkeys(("number", "worth", "weight", "made", "seen", "visitors"), SORTED)


def written(value: Any) -> Any:
    """A value as a client writes it in JSON."""
    match value:
        case datetime():
            return value.isoformat()
        case date():
            return value.isoformat()
        case Decimal():
            return str(value)
        case "stone age" | "rome":
            return {"stone age": "STONE_AGE", "rome": "ROME"}[value]
        case _:
            return value


@st.composite
def comparisons(draw: st.DrawFn) -> dict[str, Any]:
    """One or two fields, each with one or two operators."""
    found: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True)):
        ops: dict[str, Any] = {}
        if name not in OPERATORS or draw(st.integers(0, 4)) == 0:
            ops["isNull"] = draw(st.booleans() | st.none())
        if name in OPERATORS:
            for op in draw(st.lists(st.sampled_from([*OPERATORS[name], "in"]), max_size=2, unique=True)):
                value = st.none() | CELLS[name]
                ops[op] = [written(one) for one in draw(st.lists(value, max_size=3))] if op == "in" else written(draw(value))
        found[GRAPHQL.get(name, name)] = ops
    return found


def combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, max_size=3)
    return (
        several.map(lambda terms: {"and": terms})
        | several.map(lambda terms: {"or": terms})
        | inner.map(lambda term: {"not": term})
        | st.tuples(inner, inner).map(lambda pair: pair[0] | {"not": pair[1]})
    )


FILTERS = st.none() | st.recursive(comparisons(), combined, max_leaves=5)

QUERY = "query ($where: ThingFilter, $after: String) { thingRows(where: $where, first: 3, after: $after) { edges { cursor node { number } } pageInfo { hasNextPage endCursor } } }"
FOLLOW = "subscription ($where: ThingFilter) { thingRows(where: $where) { cursor } }"


class Served:
    """A store with a tenant of its own for every example, and an engine on it."""

    def __init__(self, store: ReadStore) -> None:
        self.store = store
        self._tenants = itertools.count(1)
        self.number = store.create(APP.groups["rows"], Phase.LIVE, 1).number
        self.engine = Engine(APP, Reading(APP, store), None, limits=Limits(variables_depth=30, variables_bytes=10**6))
        self.loop = asyncio.new_event_loop()

    def write(self, rows: list[tuple[Any, ...]]) -> str:
        tenant = f"t{next(self._tenants)}"
        tx = self.store.begin("rows", self.number)
        tx.lock([0])
        tx.write(Writes(rows=[RowWrite("thing", f"{tenant}/{n}", tenant, row, 1) for n, row in enumerate(rows)]))
        tx.commit()
        return tenant

    def plan(self, where: Any, who: Identity) -> Plan:
        plan = self.loop.run_until_complete(self.engine.subscribe(self.engine.prepare(Request(FOLLOW, variables={"where": where})), who))
        assert isinstance(plan, Plan)
        return plan

    def answer(self, where: Any, who: Identity) -> list[int]:
        """The numbers of all rows, page by page."""
        found: list[int] = []
        after = None
        while True:
            prepared = self.engine.prepare(Request(QUERY, variables={"where": where, "after": after}))
            response = self.loop.run_until_complete(self.engine.execute(prepared, who))
            assert "errors" not in response, response
            page = response["data"]["thingRows"]
            found += [edge["node"]["number"] for edge in page["edges"]]
            if not page["pageInfo"]["hasNextPage"]:
                return found
            after = page["pageInfo"]["endCursor"]


@pytest.fixture(scope="module", params=PROVIDERS)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("live_filters")
    store = opener(request.param, folder, lambda: str(request.getfixturevalue("shared_url")))()
    made = Served(store)
    yield made
    made.engine.close()
    made.loop.close()
    store.close()


@pytest.mark.rounds
@settings(max_examples=rounds(500), deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(rows=ROWS, where=FILTERS, who=st.sampled_from(["ann", "bob", "boss"]))
def test_a_query_answers_exactly_the_rows_that_a_subscription_of_the_same_filter_and_caller_follows(
    served: Served, rows: list[tuple[Any, ...]], where: Any, who: str
) -> None:
    tenant = served.write(rows)
    identity = Identity(who, {"org": tenant})
    plan = served.plan(where, identity)
    assert plan.tenant == tenant
    expected = [row[NAMES.index("number")] for row in rows if matches(plan.where, dict(zip(NAMES, row, strict=True)))]
    assert served.answer(where, identity) == expected


@pytest.mark.rounds
@settings(max_examples=rounds(500), deadline=None)
@given(where=FILTERS, row=st.tuples(*(CELLS[name] for name in NAMES)))
def test_a_filter_input_means_what_its_words_say(where: Any, row: tuple[Any, ...]) -> None:
    """The plan's filter against a reading of the input that was written for this test alone."""
    plan = memory().plan(where, Identity("boss", {"org": "t"}))
    assert matches(plan.where, dict(zip(NAMES, row, strict=True))) == means(where, dict(zip(NAMES, row, strict=True)))


_MEMORY: list[Served] = []


def memory() -> Served:
    """One engine over memory for the whole run."""
    from providers.memory.rows import MemoryReadStore

    if not _MEMORY:
        _MEMORY.append(Served(MemoryReadStore()))
    return _MEMORY[0]


READ: dict[str, Any] = {
    "worth": Decimal,
    "made": date.fromisoformat,
    "seen": datetime.fromisoformat,
    "era": {"STONE_AGE": "stone age", "ROME": "rome"}.__getitem__,
}


def means(where: Any, row: dict[str, Any]) -> bool:
    """Whether a row passes an input object."""
    for name, value in (where or {}).items():
        if name == "and":
            passed = all(means(term, row) for term in value)
        elif name == "or":
            passed = any(means(term, row) for term in value)
        elif name == "not":
            passed = not means(value, row)
        else:
            column = {graphql: python for python, graphql in GRAPHQL.items()}.get(name, name)
            passed = all(holds(column, row[column], op, given) for op, given in value.items())
        if not passed:
            return False
    return True


def holds(column: str, cell: Any, op: str, given: Any) -> bool:
    """One comparison."""
    if op == "isNull":
        return bool(given is None or (cell is None) == given)

    def read(value: Any) -> Any:
        return value if value is None else READ.get(column, lambda one: one)(value)

    if op == "in":
        return cell in [read(one) for one in given]
    other = read(given)
    if op in ("eq", "ne"):
        return bool(cell == other) == (op == "eq")
    if cell is None or other is None:
        return False
    if op in ("startsWith", "contains"):
        return str(cell).startswith(other) if op == "startsWith" else other in str(cell)
    return {"lt": cell < other, "le": cell <= other, "gt": cell > other, "ge": cell >= other}[op] is True


def test_instants_are_compared_in_utc_whatever_offset_a_client_writes() -> None:
    plan = memory().plan({"seen": {"eq": "2026-01-31T13:00:00+01:00"}}, Identity("boss", {"org": "t"}))
    assert plan.where == Compare("seen", "eq", datetime(2026, 1, 31, 12, tzinfo=UTC))
