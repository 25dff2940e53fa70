"""Subscriptions through the engine: plans that hold rights, tenant and filter, cohorts, and generators of the app's own."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from runtime.domain import Identity
from runtime.domain.api import owner
from runtime.domain.filters import EVERYTHING, And, Compare, Or
from runtime.live.errors import Refused
from runtime.live.limits import Limits
from runtime.live.plans import Plan
from runtime.live.requests import Request
from tests.live import museum, own_fields
from tests.live.answering import ANN, NOBODY, Answering

ROWS = """subscription ($where: TicketFilter, $after: String) {
  ticketRows(where: $where, after: $after) { cursor changed { key row { order } } removed { key } } }"""
ONE = "subscription ($order: String!, $after: String) { ticket(order: $order, after: $after) { cursor row { order } } }"


def refusal_of(answering: Answering, text: str, who: Identity = ANN, **variables: Any) -> dict[str, Any]:
    """The extensions of its one refusal."""
    with pytest.raises(Refused) as refused:
        answering.plan(text, who, **variables)
    (error,) = refused.value.errors
    extensions: dict[str, Any] = error["extensions"]
    return extensions


# plans
def test_a_plan_holds_filter_window_and_rights_and_names_the_row_it_follows() -> None:
    shop = Answering()
    plan = shop.plan(ROWS, where={"amount": {"ge": 5}})
    assert (plan.part, plan.group, plan.tenant, plan.key, plan.after) == ("ticket", "rows", "", "", "")
    assert plan.where == And((Compare("amount", "ge", 5), Compare("customer", "eq", "ann")))
    one = shop.plan(ONE, order="o-1", after="order-o-1@3")
    assert (one.key, one.after, one.where) == ("o-1", "order-o-1@3", Compare("customer", "eq", "ann"))
    closed = Answering(museum.museum(tenant="org", things_to=owner()))
    ann = Identity("ann", {"org": "a"})
    thing = closed.plan('subscription { thing(room: "r", number: 7) { cursor } }', ann)
    assert (thing.tenant, thing.key, thing.where) == ("a", 'a/["r",7]', Compare("owner", "eq", "ann"))
    days = closed.plan('subscription { visitsOfDayRows(window: {to: "2026-02-01T00:00:00+01:00"}) { cursor } }', ann)
    assert isinstance(days.where, Compare) and (days.where.field, days.where.op) == ("day", "lt")
    assert closed.plan("subscription { visitsOfDayRows { cursor } }", ann).where == EVERYTHING


def test_a_plan_is_refused_like_a_query() -> None:
    shop = Answering()
    assert refusal_of(shop, ROWS, NOBODY) == {"code": "UNAUTHENTICATED"}
    assert refusal_of(shop, ONE, NOBODY, order="o") == {"code": "UNAUTHENTICATED"}
    assert refusal_of(Answering(museum.museum(things_to=lambda _: False)), "subscription { thingRows { cursor } }") == {"code": "FORBIDDEN"}
    assert refusal_of(Answering(museum.museum(tenant="org")), "subscription { thingRows { cursor } }") == {"code": "FORBIDDEN"}
    assert refusal_of(shop, ROWS, where={"nope": {"eq": 1}}) == {"code": "BAD_INPUT", "field": "where.nope"}
    assert refusal_of(shop, ROWS, after="order-o@x") == {"code": "BAD_INPUT", "field": "after"}
    other = refusal_of(
        Answering(museum.museum(tenant="org")), 'subscription { thingRows(after: "b/room-r@1") { cursor } }', Identity("a", {"org": "a"})
    )
    assert other == {"code": "BAD_INPUT", "field": "after"}
    with pytest.raises(Refused, match="a query is no subscription"):
        shop.plan("{ ticketRows { nodes { order } } }")
    assert shop.ask(ROWS)["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


def test_a_filter_is_bounded_before_any_store_is_asked() -> None:
    shop = Answering(limits=Limits(variables_bytes=10**6, variables_depth=100))
    many = {"amount": {"in": list(range(901))}}
    assert refusal_of(shop, ROWS, where=many) == {"code": "LIMIT_EXCEEDED"}
    assert shop.error("query ($w: TicketFilter) { ticketRows(where: $w) { nodes { order } } }", w=many)["extensions"] == {
        "code": "LIMIT_EXCEEDED"
    }
    deep: dict[str, Any] = {"amount": {"eq": 1}}
    for _ in range(30):
        deep = {"not": deep}
    assert refusal_of(shop, ROWS, where=deep) == {"code": "LIMIT_EXCEEDED"}
    assert shop.data("query ($w: TicketFilter) { ticketRows(where: $w) { nodes { order } } }", w={"amount": {"in": list(range(900))}})


# cohorts
def test_a_cohort_is_who_gets_the_same_bytes() -> None:
    shop = Answering()
    ann = shop.plan(ROWS, where={"amount": {"ge": 5}}).cohort
    assert shop.plan(ROWS, where={"amount": {"ge": 5}}, after="somewhere").cohort == ann, "who resumes elsewhere"
    assert shop.plan(ROWS, where={"amount": {"ge": 5}}, after="order-o@1").cohort == ann, "who waits for a token"
    assert shop.plan(ROWS, where={"amount": {"ge": 6}}).cohort != ann
    assert shop.plan(ROWS, Identity("bob"), where={"amount": {"ge": 5}}).cohort != ann
    assert shop.plan(ROWS + " ", where={"amount": {"ge": 5}}).cohort != ann
    assert shop.plan(ONE, order="a").cohort != shop.plan(ONE, order="b").cohort
    house = Answering(museum.museum(tenant="org"))
    rows = "subscription { thingRows { cursor } }"
    assert house.plan(rows, Identity("ann", {"org": "a"})).cohort == house.plan(rows, Identity("bob", {"org": "a"})).cohort
    assert house.plan(rows, Identity("ann", {"org": "a"})).cohort != house.plan(rows, Identity("ann", {"org": "b"})).cohort


def test_what_a_client_says_in_other_words_is_the_same_cohort() -> None:
    shop = Answering()
    assert shop.plan(ROWS, where={"amount": {"ge": "5"}}).cohort == shop.plan(ROWS, where={"amount": {"ge": 5}, "stage": {}}).cohort
    assert shop.plan(ROWS, junk="\ud800", where=None).cohort == shop.plan(ROWS, where=None).cohort


def test_a_variable_that_decides_what_is_selected_tells_cohorts_apart() -> None:
    shop = Answering()
    twice = "subscription ($x: String!) { ticket(order: $x, after: $x) { cursor } }"
    assert shop.plan(twice, x="a").cohort != shop.plan(twice, x="b").cohort
    shown = 'subscription ($x: Boolean!, $after: String) { ticket(order: "a", after: $after) { cursor snapshot @include(if: $x) } }'
    assert shop.plan(shown, x=True).cohort != shop.plan(shown, x=False).cohort
    assert shop.plan(shown, x=True, after="1").cohort == shop.plan(shown, x=True, after="2").cohort


def test_the_operation_that_is_picked_is_part_of_the_cohort() -> None:
    shop = Answering()
    both = "subscription A { ticketRows { cursor } } subscription B { ticketRows { snapshot } }"

    def cohort(name: str) -> str:
        found = asyncio.run(shop.engine.subscribe(shop.engine.prepare(Request(both, name)), ANN))
        assert isinstance(found, Plan)
        return found.cohort

    assert cohort("A") != cohort("B")


def test_filters_of_one_meaning_but_other_words_are_plans_alike() -> None:
    shop = Answering()
    one = shop.plan('subscription { ticketRows(where: {or: [{stage: {eq: "sold"}}, {amount: {lt: 3}}]}) { cursor } }')
    assert one.where == And((Or((Compare("stage", "eq", "sold"), Compare("amount", "lt", 3))), Compare("customer", "eq", "ann")))
    assert shop.plan('subscription { ticketRows(where: {customer: {eq: "ann"}}) { cursor } }').where == Compare("customer", "eq", "ann")


# generators of the app's own
def responses(answering: Answering, text: str, most: int = 100) -> list[Any]:
    """What an own subscription answers; a refusal as the last one."""

    async def collect() -> list[Any]:
        source = await answering.engine.subscribe(answering.engine.prepare(Request(text)), ANN)
        assert isinstance(source, AsyncGenerator)
        found: list[Any] = []
        try:
            async for response in source:
                found.append(response)
                if len(found) == most:
                    break
        except Refused as refused:
            found.append(refused.errors)
        await source.aclose()
        return found

    return asyncio.run(collect())


def test_a_subscription_of_ones_own_is_a_generator_of_responses() -> None:
    own = Answering(museum.museum(fields="tests.live.own_fields"))
    assert own.engine.generators == ("ticks", "broken")
    assert responses(own, "subscription { ticks(to: 3) }") == [{"data": {"ticks": number}} for number in range(3)]


def test_who_stops_listening_closes_the_generator() -> None:
    own = Answering(museum.museum(fields="tests.live.own_fields"))
    own_fields.Subscription.closed.clear()
    assert len(responses(own, "subscription { ticks(to: 1000) }", most=2)) == 2
    assert own_fields.Subscription.closed == ["ticks"]


def test_a_generator_that_raises_ends_as_a_refusal_masked() -> None:
    first, errors = responses(Answering(museum.museum(fields="tests.live.own_fields")), "subscription { broken }")
    assert first == {"data": {"broken": 1}}
    assert [(error["message"], error["extensions"]["code"]) for error in errors] == [("internal error", "INTERNAL")]
