"""Documents: what is no GraphQL, or none of this schema, is refused before anything runs; what is, is parsed once."""

import asyncio
from typing import Any

import graphql
import pytest

from runtime.live.answers import documents
from runtime.live.errors import Refused
from runtime.live.limits import Limits
from runtime.live.requests import Request
from tests.live.answering import ANN, Answering


def refused(text: str, answering: Answering | None = None, **how: Any) -> list[dict[str, Any]]:
    """The errors that a request is refused with."""
    with pytest.raises(Refused) as found:
        (answering or Answering()).engine.prepare(Request(text, **how))
    return found.value.errors


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Syntax Error: Unexpected <EOF>."),
        ("{", "Syntax Error: Expected Name, found <EOF>."),
        ("{ nothing }", "Cannot query field 'nothing' on type 'Query'."),
        ("{ ticketRows { nodes { nothing } } }", "Cannot query field 'nothing' on type 'Ticket'."),
        ("{ ticketRows }", "must have a selection of subfields"),
        ("{ ticketRows(nothing: 1) { nodes { order } } }", "Unknown argument 'nothing'"),
        ("{ ticket { order } }", "argument 'order' of type 'String!' is required"),
        ("query ($x: Nothing) { ticketRows { nodes { order } } }", "Unknown type 'Nothing'"),
        ("fragment F on Ticket { order }", "Fragment 'F' is never used."),
        ("type Query { a: Int }", "is not executable"),
        ("mutation { ticket }", "Cannot query field 'ticket' on type 'Mutation'"),
        ("subscription { a: ticketRows { cursor } b: ticketRows { cursor } }", "must select only one top level field"),
        ("subscription { __typename }", "must not select an introspection top level field"),
    ],
)
def test_what_is_no_operation_of_this_schema_is_refused(text: str, message: str) -> None:
    errors = refused(text)
    assert message in errors[0]["message"]
    assert errors[0]["extensions"] == {"code": "BAD_REQUEST"}
    assert errors[0]["locations"]


@pytest.mark.parametrize("condition", ["@skip(if: $x)", "@include(if: $x)"])
def test_the_field_of_a_subscription_is_never_left_out(condition: str) -> None:
    (error,) = refused(f"subscription ($x: Boolean!) {{ ticketRows {condition} {{ cursor }} }}", variables={"x": True})
    assert error["extensions"] == {"code": "BAD_REQUEST"}
    answering = Answering()
    prepared = answering.engine.prepare(Request("subscription { ticketRows @skip(if: true) { cursor } }"))
    with pytest.raises(Refused):
        asyncio.run(answering.engine.subscribe(prepared, ANN))


def test_a_fault_of_ours_while_a_document_is_read_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    answering = Answering()

    def broken(*_: Any, **__: Any) -> None:
        raise ValueError("secret")

    monkeypatch.setattr(documents, "validate", broken)
    (error,) = refused("{ ticketRows { nodes { order } } }", answering)
    assert (error["message"], error["extensions"]["code"]) == ("internal error", "INTERNAL")


def test_a_filter_on_a_field_that_is_not_there_names_it() -> None:
    (error,) = refused('{ ticketRows(where: {colour: {eq: "red"}}) { nodes { order } } }')
    assert error["extensions"] == {"code": "BAD_INPUT", "field": "where.colour"}
    (error,) = refused("{ ticketRows(where: {amount: {startsWith: 3}}) { nodes { order } } }")
    assert error["extensions"] == {"code": "BAD_INPUT", "field": "where.amount.startsWith"}


def test_a_wrong_default_of_a_variable_names_the_variable() -> None:
    (error,) = refused('query ($first: Int = "x") { ticketRows(first: $first) { nodes { order } } }')
    assert error["extensions"] == {"code": "BAD_INPUT", "field": "first"}


@pytest.mark.parametrize(
    ("variables", "field"), [({"first": "x"}, "first"), ({"first": 1.5}, "first"), ({"first": None}, ""), ({}, ""), ({"other": 1}, "")]
)
def test_variables_are_coerced_before_anything_runs(variables: dict[str, Any], field: str) -> None:
    text = "query ($first: Int) { ticketRows(first: $first) { nodes { order } } }"
    if field:
        assert refused(text, variables=variables)[0]["extensions"] == {"code": "BAD_INPUT", "field": field}
    else:
        Answering().engine.prepare(Request(text, variables=variables))


def test_a_variable_that_makes_a_required_argument_null_is_bad_input() -> None:
    error = Answering().error('query ($x: String = "a") { ticket(order: $x) { order } }', x=None)
    assert error["extensions"] == {"code": "BAD_INPUT", "field": "order"}


@pytest.mark.parametrize(("name", "code"), [("A", ""), ("B", ""), ("C", "BAD_REQUEST"), (None, "BAD_REQUEST"), ("", "BAD_REQUEST")])
def test_the_operation_is_picked_by_name_or_by_being_the_only_one(name: str | None, code: str) -> None:
    text = 'query A { ticketRows { nodes { order } } } mutation B { restock(input: {sku: "a", quantity: 1}) { last } }'
    if code:
        assert refused(text, operation_name=name)[0]["extensions"] == {"code": code}
    else:
        assert Answering().engine.prepare(Request(text, operation_name=name)).kind == {"A": "query", "B": "mutation"}[name or ""]


@pytest.mark.parametrize("after", ["abc", "WyJhIiwiYiJd", "====", "ä", "a" * 5_000])
def test_a_cursor_that_no_page_gave_is_bad_input(after: str) -> None:
    error = Answering().error("query ($after: String) { ticketRows(after: $after) { nodes { order } } }", after=after)
    assert error["extensions"] == {"code": "BAD_INPUT", "field": "after"}


def test_a_cursor_of_another_query_is_bad_input() -> None:
    answering = Answering()
    for number in range(2):
        answering.send_order(f"o-{number}")
    answering.fold()
    page = "query ($where: TicketFilter, $order: [TicketOrder!], $after: String) { ticketRows(where: $where, orderBy: $order, after: $after, first: 1) { nodes { order } pageInfo { endCursor } } }"
    cursor = answering.data(page)["ticketRows"]["pageInfo"]["endCursor"]
    assert answering.data(page, after=cursor)["ticketRows"]["nodes"] == [{"order": "o-1"}]
    for other in ({"where": {"amount": {"ge": 1}}}, {"order": [{"amount": "ASC"}]}):
        error = answering.error(page, after=cursor, **other)
        assert error["extensions"] == {"code": "BAD_INPUT", "field": "after"}
        assert "it belongs to another query; start without one" in error["message"]
    from runtime.domain import Identity

    assert "another query" in answering.error(page, Identity("bob"), after=cursor)["message"]


@pytest.mark.parametrize("token", ["@1", "order-o@", "order-o@x", "order-o@-1", "a@b@c", "order-o@1@"])
def test_a_garbled_token_is_bad_input_everywhere(token: str) -> None:
    for text in (
        "query ($after: String) { ticketRows(after: $after) { nodes { order } } }",
        'query ($after: String) { ticket(order: "o", after: $after) { order } }',
    ):
        error = Answering().error(text, after=token)
        assert error["extensions"] == {"code": "BAD_INPUT", "field": "after"}
        assert "send back what the command answered" in error["message"]


def test_one_row_has_no_pages_to_go_on_with() -> None:
    error = Answering().error('{ ticket(order: "o", after: "WyJhIl0") { order } }')
    assert error["extensions"] == {"code": "BAD_INPUT", "field": "after"}


@pytest.mark.parametrize("order", ["{amount: ASC, order: DESC}", "{}", "{amount: null}"])
def test_one_object_of_order_names_one_field(order: str) -> None:
    error = Answering().error(f"{{ ticketRows(orderBy: [{{stage: ASC}}, {order}]) {{ nodes {{ order }} }} }}")
    assert error["extensions"] == {"code": "BAD_INPUT", "field": "orderBy[1]"}


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_text_that_no_store_can_hold_is_bad_input(text: str) -> None:
    answering = Answering()
    error = answering.error("query ($x: String) { ticketRows(where: {not: {stage: {contains: $x}}}) { nodes { order } } }", x=text)
    assert error["extensions"] == {"code": "BAD_INPUT", "field": "where.not.stage.contains"}
    assert answering.error("query ($x: String!) { ticket(order: $x) { order } }", x=text)["extensions"]["field"] == "order"
    assert answering.error("query ($x: String!) { ticketRows(after: $x) { nodes { order } } }", x=text)["extensions"]["field"] == "after"


# kept
def test_a_document_is_parsed_and_validated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    answering = Answering(limits=Limits(documents_cached=2))
    parsed: list[str] = []

    def counting(text: str, **how: Any) -> Any:
        parsed.append(text)
        return graphql.parse(text, **how)

    monkeypatch.setattr(documents, "parse", counting)
    texts = [f"query Q{number} {{ ticketRows {{ nodes {{ order }} }} }}" for number in range(3)]
    for text in (texts[0], texts[0], texts[1], texts[0], texts[2], texts[0], texts[1]):
        answering.engine.prepare(Request(text))
    assert parsed == [texts[0], texts[1], texts[2], texts[1]], "the one that was not asked for longest went"


def test_what_is_refused_is_not_kept() -> None:
    answering = Answering()
    for _ in range(2):
        refused("{ nothing }", answering)
    assert not answering.engine._documents._known


def test_in_production_nothing_of_the_schema_is_told() -> None:
    careful = Answering(production=True)
    open_ = Answering()
    assert "Did you mean" in refused("{ tickets { order } }", open_)[0]["message"]
    assert "Did you mean" not in refused("{ tickets { order } }", careful)[0]["message"]
    wrong: dict[str, Any] = {"variables": {"w": {"amout": {"eq": 1}}}}
    asked = "query ($w: TicketFilter) { ticketRows(where: $w) { nodes { order } } }"
    assert "Did you mean" in refused(asked, open_, **wrong)[0]["message"]
    assert "Did you mean" not in refused(asked, careful, **wrong)[0]["message"]
    assert refused("{ __schema { types { name } } }", careful)[0]["extensions"]["code"] == "FORBIDDEN"
    assert open_.data("{ __schema { queryType { name } } }") == {"__schema": {"queryType": {"name": "Query"}}}


def test_guards_come_before_parsing_and_before_validation() -> None:
    assert refused("{ " + "a " * 2_000 + "}")[0]["extensions"]["code"] == "LIMIT_EXCEEDED"
    cycle = "{ ticketRows { nodes { ...F } } } fragment F on Ticket { ...G } fragment G on Ticket { ...F }"
    assert "break the circle" in refused(cycle)[0]["message"]
    costly = "{ ticketRows(first: 1000) { " + " ".join(f"a{n}: nodes {{ order amount stage customer }}" for n in range(20)) + " } }"
    assert refused(costly, Answering(limits=Limits(complexity=100)))[0]["extensions"]["code"] == "LIMIT_EXCEEDED"
