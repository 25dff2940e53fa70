"""Mutations through the engine: commands as input objects, what they are answered, and every way in which they are refused."""

import asyncio
import logging
from typing import Any

import pytest

from runtime.domain import App, Command, Identity
from runtime.domain.api import owner
from runtime.errors import Conflict, Fenced, LimitExceeded, Malformed, Misconfigured, Stopped, Unavailable
from runtime.flow.reading import Reading
from runtime.live.answers.engine import Engine
from runtime.live.errors import Forbidden, Refused, Unauthenticated
from runtime.live.requests import CALLER_TOKEN, Request
from runtime.ports import Answer
from tests.live import museum
from tests.live.answering import ANN, CLERK, NOBODY, PLACE, Answering, order

SHOW = "mutation ($input: ShowInput!) { show(input: $input) { token } }"


def test_a_command_is_carried_out_and_answered_with_a_token_to_read_after() -> None:
    answering = Answering()
    assert answering.data(PLACE, input=order("o-1")) == {
        "placeOrder": {"token": "order-o-1@1", "stream": "order-o-1", "first": 0, "last": 1, "replayed": False}
    }


def test_the_same_key_takes_effect_once_and_other_bytes_under_it_are_refused() -> None:
    answering = Answering()
    first = answering.data(PLACE, input=order("o-1"), key="k")["placeOrder"]
    again = answering.data(PLACE, input=order("o-1"), key="k")["placeOrder"]
    assert (first["replayed"], again["replayed"], again["token"]) == (False, True, first["token"])
    error = answering.error(PLACE, input=order("o-1", amount=1), key="k")
    assert error["extensions"] == {"code": "KEY_REUSED"}
    assert "send a fresh key" in error["message"]


def test_the_business_rule_speaks_for_itself() -> None:
    answering = Answering()
    answering.data(PLACE, input=order("o-1"))
    error = answering.error(PLACE, input=order("o-1", amount=1))
    assert error["extensions"] == {"code": "REJECTED"}
    assert error["message"] == "order 'o-1' is already placed: choose another id"
    assert error["path"] == ["placeOrder"]


def test_mutations_of_one_document_run_one_after_the_other_and_fail_alone() -> None:
    answering = Answering()
    response = answering.ask(
        """mutation ($one: PlaceOrderInput!) { a: placeOrder(input: $one) { last } b: placeOrder(input: $one, key: "b") { last } }""",
        input=None,
        one=order("o-1"),
    )
    assert response["data"] is None  # both are `Sent!`: GraphQL has no partial answer here
    assert [error["path"] for error in response["errors"]] == [["b"]]
    assert answering.house.streams()["order-o-1"][0].type == "OrderPlaced"


# rights
def test_who_may_send_is_told_by_allow() -> None:
    answering = Answering()
    restock = 'mutation { restock(input: {sku: "tea", quantity: 3}) { last } }'
    assert answering.error(PLACE, NOBODY, input=order("o-1"))["extensions"]["code"] == "UNAUTHENTICATED"
    assert answering.error(restock, NOBODY)["extensions"]["code"] == "UNAUTHENTICATED"
    assert answering.error(restock, ANN)["extensions"]["code"] == "FORBIDDEN"
    assert answering.data(restock, CLERK) == {"restock": {"last": 1}}
    assert list(answering.house.streams()) == ["stock-tea"]


def test_rights_come_before_the_input_is_looked_at() -> None:
    assert Answering().error(PLACE, NOBODY, input=order("o-1", quantity=-1))["extensions"]["code"] == "UNAUTHENTICATED"


def test_a_filter_as_a_rule_is_about_the_fields_of_the_command() -> None:
    answering = Answering(museum.museum(show_to=owner()))
    assert answering.data(SHOW, input={"room": "r", "number": 1, "owner": "ann"})
    error = answering.error(SHOW, input={"room": "r", "number": 2, "owner": "bob"})
    assert error["extensions"]["code"] == "FORBIDDEN"
    assert error["message"] == "you may not send Show with these values"
    assert answering.error(SHOW, NOBODY, input={"room": "r", "number": 2, "owner": ""})["extensions"]["code"] == "UNAUTHENTICATED"
    wrong = Answering(museum.museum(show_to=owner("nobody")))
    assert wrong.error(SHOW, input={"room": "r", "number": 1, "owner": "ann"})["extensions"]["code"] == "INTERNAL"


def test_a_command_that_api_does_not_name_has_no_field() -> None:
    with pytest.raises(Refused, match="Cannot query field 'refund' on type 'Mutation'"):
        Answering().ask('mutation { refund(input: {order: "o-1"}) { last } }')


def test_the_tenant_of_the_claim_is_the_commands() -> None:
    answering = Answering(museum.museum(tenant="org"))
    answering.data(SHOW, Identity("ann", {"org": "a"}), input={"room": "r", "number": 1, "owner": "ann"})
    assert list(answering.house.streams()) == ["a/room-r"]


# inputs
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"visitors": -1}, "input.visitors"),
        ({"material": "tin"}, "input.material"),
        ({"era": None, "tags": ["a", "b\0"]}, "input.tags[1]"),
        ({"owner": "a\0"}, "input.owner"),
        ({"worth": "1" + "0" * 40}, "input.worth"),
        ({"parts": [{"name": "a\0"}]}, "input.parts[0].name"),
        ({"notes": {"x": 2**64}}, "input.notes.x"),
        ({"notes": [1]}, "input.notes"),
        ({"onShow": None}, "input.onShow"),
        ({"room": ""}, "input.room"),
    ],
    ids=str,
)
def test_a_value_that_does_not_fit_its_field_is_refused_by_name(change: dict[str, Any], field: str) -> None:
    error = Answering(museum.app).error(SHOW, input={"room": "r", "number": 1, "owner": "ann"} | change)
    assert error["extensions"] == {"code": "BAD_INPUT", "field": field}, error


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"number": "x"}, "input.number"),
        ({"number": 1.5}, "input.number"),
        ({"number": 2**63}, "input.number"),
        ({"number": True}, "input.number"),
        ({"owner": None}, "input.owner"),
        ({"owner": 7}, "input.owner"),
        ({"era": "IRON"}, "input.era"),
        ({"seen": "2026-01-31T12:00:00"}, "input.seen"),
        ({"seen": "yesterday"}, "input.seen"),
        ({"made": "31.1.2026"}, "input.made"),
        ({"worth": "NaN"}, "input.worth"),
        ({"worth": 1.5}, "input.worth"),
        ({"size": {"width": "x"}}, "input.size.width"),
        ({"parts": [{"madeOf": []}]}, "input.parts[0].name"),
        ({"parts": [{"name": "x", "madeOf": [{"name": 3}]}]}, "input.parts[0].madeOf[0].name"),
        ({"colour": "red"}, "input.colour"),
        ({"on_show": True}, "input.on_show"),
    ],
    ids=str,
)
def test_a_variable_of_the_wrong_type_is_refused_by_the_place_inside_it(change: dict[str, Any], field: str) -> None:
    answering = Answering(museum.app)
    with pytest.raises(Refused) as refused:
        answering.ask(SHOW, input={"room": "r", "number": 1, "owner": "ann"} | change)
    assert [(error["extensions"]["code"], error["extensions"]["field"]) for error in refused.value.errors] == [("BAD_INPUT", field)]


def test_a_required_field_that_is_missing_is_named() -> None:
    with pytest.raises(Refused) as refused:
        Answering(museum.app).ask(SHOW, input={"room": "r", "owner": "ann"})
    assert [error["extensions"] for error in refused.value.errors] == [{"code": "BAD_INPUT", "field": "input.number"}]


@pytest.mark.parametrize(
    ("literal", "field"),
    [
        ('{room: "r", number: "x", owner: "a"}', "input.number"),
        ('{room: "r", number: 1, owner: 7}', "input.owner"),
        ('{room: "r", number: 1, owner: "a", size: {width: 1.5}}', "input.size.width"),
        ('{room: "r", number: 1, owner: "a", seen: "2026-01-31"}', "input.seen"),
        ('{room: "r", number: 1, owner: "a", colour: "red"}', "input.colour"),
        ('{room: "r", number: 1, owner: "a", era: "ROME"}', "input.era"),
    ],
)
def test_a_value_in_the_document_is_refused_by_its_place(literal: str, field: str) -> None:
    with pytest.raises(Refused) as refused:
        Answering(museum.app).ask(f"mutation {{ show(input: {literal}) {{ token }} }}")
    assert refused.value.errors[0]["extensions"] == {"code": "BAD_INPUT", "field": field}
    assert refused.value.errors[0]["locations"]


@pytest.mark.parametrize("key", ["a\0", "\ud800"])
def test_a_key_that_no_store_can_hold_is_refused_by_name(key: str) -> None:
    assert Answering().error(PLACE, input=order("o-1"), key=key)["extensions"] == {"code": "BAD_INPUT", "field": "key"}


def test_a_key_that_is_too_long_names_the_limit() -> None:
    error = Answering().error(PLACE, input=order("o-1"), key="k" * 201)
    assert error["extensions"] == {"code": "LIMIT_EXCEEDED"}
    assert "the limit is 200" in error["message"]


def test_inputs_travel_through_variables_inside_them() -> None:
    answering = Answering(museum.app)
    document = 'mutation ($n: BigInt!, $era: Era) { show(input: {room: "r", number: $n, owner: "ann", era: $era}) { token } }'
    assert answering.data(document, n=7, era="ROME") == {"show": {"token": "room-r@1"}}
    assert b'"era":"rome"' in answering.house.streams()["room-r"][0].data


# what goes wrong behind it
class Broken(Answering):
    """A shop whose commands meet an error."""

    def __init__(self, error: Exception, app: App | None = None) -> None:
        super().__init__()
        self.raised = error

    def send(self, command: Command, key: str, tenant: str, trace: str) -> Answer:
        """Never sends."""
        raise self.raised


@pytest.mark.parametrize(
    ("error", "extensions"),
    [
        (Conflict("order-o", 1, 2), {"code": "CONFLICT"}),
        (LimitExceeded("the event", 5, 4, "split it"), {"code": "LIMIT_EXCEEDED"}),
        (Stopped("rebuild it"), {"code": "STOPPED"}),
        (Fenced("gone"), {"code": "STOPPED"}),
        (Malformed("no"), {"code": "BAD_INPUT"}),
        (Unauthenticated("who"), {"code": "UNAUTHENTICATED"}),
        (Forbidden("no"), {"code": "FORBIDDEN"}),
    ],
    ids=lambda given: type(given).__name__ if isinstance(given, Exception) else "",
)
def test_every_error_of_ours_has_its_code_and_its_text(error: Exception, extensions: dict[str, Any]) -> None:
    told = Broken(error).error(PLACE, input=order("o-1"))
    assert told["extensions"] == extensions
    assert told["message"] == str(error)


@pytest.mark.parametrize("in_doubt", [False, True])
def test_a_store_that_is_away_is_not_described_to_clients(in_doubt: bool, caplog: pytest.LogCaptureFixture) -> None:
    told = Broken(Unavailable("postgres at db-7.internal did not answer", in_doubt=in_doubt)).error(PLACE, input=order("o-1"))
    assert "db-7" not in told["message"] and "db-7" in caplog.text
    assert told["extensions"] == {"code": "UNAVAILABLE", "trace": told["extensions"]["trace"]} | ({"inDoubt": True} if in_doubt else {})
    assert told["extensions"]["trace"] in caplog.text


@pytest.mark.parametrize("error", [ValueError("password=1234"), Misconfigured("postgresql://user:secret@host")])
def test_a_fault_of_ours_is_masked_and_found_in_the_logs_by_its_trace(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with caplog.at_level(logging.ERROR, "trimaran.gateway"):
        response = Broken(error).ask(PLACE, trace=trace, input=order("o-1"))
    (told,) = response["errors"]
    assert told["message"] == "internal error"
    assert told["extensions"] == {"code": "INTERNAL", "trace": "0af7651916cd43dd8448eb211c80319c"}
    assert "0af7651916cd43dd8448eb211c80319c" in caplog.text


def test_a_masked_error_has_a_trace_even_where_the_operation_has_none() -> None:
    assert len(Broken(ValueError("x")).error(PLACE, input=order("o-1"))["extensions"]["trace"]) == 32


def test_the_trace_travels_with_the_command_and_so_does_the_callers_token() -> None:
    seen: list[str] = []

    class Spying(Answering):
        def send(self, command: Command, key: str, tenant: str, trace: str) -> Answer:
            seen.append(CALLER_TOKEN.get())
            return super().send(command, key, tenant, trace)

    answering = Spying()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    CALLER_TOKEN.set("a.b.c")
    assert "errors" not in answering.ask(PLACE, trace=trace, input=order("o-1"))
    CALLER_TOKEN.set("")
    assert (answering.traces, seen) == ([trace], ["a.b.c"])
    assert answering.house.streams()["order-o-1"][0].trace == trace


def test_a_gateway_without_commands_says_so() -> None:
    answering = Answering()
    engine = Engine(answering.app, Reading(answering.app, answering.house.rows), None)
    response = asyncio.run(engine.execute(engine.prepare(Request(PLACE, variables={"input": order("o-1")})), ANN))
    assert response["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
    engine.close()


# fields of one's own
def test_a_field_of_ones_own_reads_with_the_callers_rights() -> None:
    answering = Answering(museum.museum(things_to=owner(), fields="tests.live.own_fields"))
    answering.data(SHOW, input={"room": "r", "number": 1, "owner": "ann"})
    answering.fold()
    assert answering.data('{ loud(room: "r") }') == {"loud": "ANN"}
    assert answering.data('{ loud(room: "r") }', Identity("bob")) == {"loud": "NOBODY"}
    assert answering.error('{ loud(room: "r") }', NOBODY)["extensions"]["code"] == "UNAUTHENTICATED"


def test_a_field_of_ones_own_is_told_masked_or_in_its_own_words() -> None:
    answering = Answering(museum.museum(fields="tests.live.own_fields"))

    def shout(how: str) -> tuple[str, str]:
        error = answering.error(f'mutation {{ shout(how: "{how}") {{ done }} }}')
        return error["message"], error["extensions"]["code"]

    assert shout("reject") == ("not so loud", "REJECTED")
    assert shout("code") == ("my own words", "MINE")
    assert shout("break") == ("internal error", "INTERNAL")
