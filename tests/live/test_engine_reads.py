"""Queries through the engine: one row, pages of rows, windows, one's own writes, and who may see what."""

import asyncio
import threading
from typing import Any

import pytest

from runtime.domain import Identity
from runtime.domain.api import owner
from runtime.domain.filters import Compare
from runtime.live.limits import Limits
from runtime.live.requests import Request
from tests.live import museum
from tests.live.answering import ANN, NOBODY, PLACE, Answering, order

PAGE = """query ($where: TicketFilter, $order: [TicketOrder!], $first: Int, $after: String) {
  ticketRows(where: $where, orderBy: $order, first: $first, after: $after) {
    nodes { order } edges { cursor node { order } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
SHOW = "mutation ($input: ShowInput!) { show(input: $input) { token } }"
THING = "query ($room: String!, $number: BigInt!) { thing(room: $room, number: $number) { number owner } }"


def with_orders(*amounts: int, customer: str = "ann") -> Answering:
    """A shop with an order o-0, o-1 … for each amount."""
    answering = Answering()
    for number, amount in enumerate(amounts):
        answering.data(PLACE, input=order(f"o-{number}", amount=amount, customer=customer))
    answering.fold()
    return answering


def orders(page: Any) -> list[str]:
    return [node["order"] for node in page["ticketRows"]["nodes"]]


# rows
def test_a_row_is_read_by_its_key_and_is_null_when_it_is_not_there() -> None:
    answering = with_orders(500)
    assert answering.data('{ ticket(order: "o-0") { order customer amount stage } }') == {
        "ticket": {"order": "o-0", "customer": "ann", "amount": 500, "stage": "placed"}
    }
    assert answering.data('{ ticket(order: "o-9") { order } }') == {"ticket": None}


def test_keys_of_several_fields_and_rows_of_every_kind_come_back_as_they_were_sent() -> None:
    answering = Answering(museum.app)
    sent = {
        "room": "r/1",
        "number": 2**53 + 1,
        "owner": "ann",
        "era": "STONE_AGE",
        "material": "gold",
        "worth": "1.50",
        "weight": 0.5,
        "onShow": False,
        "made": "0999-12-31",
        "seen": "2026-01-31T11:00:00Z",
        "visitors": 3,
        "tags": ["a", "ü"],
        "size": {"width": 3, "height": 4},
        "parts": [{"name": "lid", "madeOf": [{"name": "knob", "madeOf": [], "size": None}], "size": {"width": 1, "height": 1}}],
        "notes": {"x": [1, None, {"y": "z"}]},
    }
    answering.data(SHOW, input=sent)
    answering.data(SHOW, input={"room": "r/1", "number": 2, "owner": "ann"})
    answering.fold()
    asked = """query ($number: BigInt!) { thing(room: "r/1", number: $number) { room number owner era material worth weight onShow made seen
      visitors tags size { width height } parts { name madeOf { name madeOf { name } size { width } } size { width height } } notes } }"""
    assert answering.data(asked, number=str(2**53 + 1)) == {"thing": sent}
    least = answering.data(asked, number=2)["thing"]
    assert {name: least[name] for name in ("era", "material", "onShow", "tags", "size", "parts", "notes", "seen")} == {
        "era": None,
        "material": "clay",
        "onShow": True,
        "tags": [],
        "size": None,
        "parts": [],
        "notes": {},
        "seen": None,
    }


def test_a_window_is_found_by_any_instant_inside_it_and_ranges_are_half_open() -> None:
    answering = Answering(museum.app)
    visit = 'mutation ($at: DateTime!, $paid: Decimal) { visit(input: {room: "r1", at: $at, paid: $paid, stayed: 5}) { token } }'
    for at in ("2026-01-31T22:59:59Z", "2026-01-31T23:00:00Z", "2026-02-01T22:00:00Z", "2026-02-02T12:00:00Z"):
        answering.data(visit, at=at, paid="2.50")
    answering.fold()
    day = answering.data(
        '{ visitsOfDay(room: "r1", day: "2026-02-01T10:30:00+01:00") { day visitors paid longest stay stayTotal stayCount } }'
    )
    assert day["visitsOfDay"] == {
        "day": "2026-01-31T23:00:00Z",
        "visitors": 2,
        "paid": "5.00",
        "longest": 5,
        "stay": 5.0,
        "stayTotal": "10",
        "stayCount": 2,
    }
    rows = "query ($window: DateTimeRange) { visitsOfDayRows(window: $window, orderBy: [{day: ASC}]) { nodes { day } } }"

    def days(**window: str) -> list[str]:
        return [node["day"][8:10] for node in answering.data(rows, window=window)["visitsOfDayRows"]["nodes"]]

    assert days() == ["30", "31", "01"]
    assert days(**{"from": "2026-01-31T23:00:00Z", "to": "2026-02-01T23:00:00Z"}) == ["31"]
    assert days(to="2026-01-31T23:00:00Z") == ["30"]
    assert days(**{"from": "2026-02-01T23:00:00Z"}) == ["01"]


# pages
def test_pages_are_cut_at_any_row_and_sorted_by_several_fields() -> None:
    answering = with_orders(3, 1, 2, 1, 3)
    sort = [{"amount": "DESC"}, {"order": "ASC"}]
    whole = answering.data(PAGE, order=sort)
    assert orders(whole) == ["o-0", "o-4", "o-2", "o-1", "o-3"]
    assert whole["ticketRows"]["pageInfo"]["hasNextPage"] is False
    first = answering.data(PAGE, order=sort, first=2)["ticketRows"]
    assert [edge["node"]["order"] for edge in first["edges"]] == ["o-0", "o-4"]
    assert first["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": first["edges"][0]["cursor"],
        "endCursor": first["edges"][1]["cursor"],
    }
    for position, edge in enumerate(whole["ticketRows"]["edges"]):
        rest = answering.data(PAGE, order=sort, after=edge["cursor"])
        assert orders(rest) == orders(whole)[position + 1 :]
        assert rest["ticketRows"]["pageInfo"]["hasPreviousPage"] is True
    empty = answering.data(PAGE, where={"amount": {"gt": 9}})["ticketRows"]
    assert empty == {
        "nodes": [],
        "edges": [],
        "pageInfo": {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None},
    }


def test_pages_stay_stable_while_others_write_and_remove_between_them() -> None:
    answering = Answering(museum.app)
    page = "query ($after: String) { thingRows(orderBy: [{number: ASC}], first: 2, after: $after) { nodes { number } pageInfo { endCursor } } }"

    def show(*numbers: int) -> None:
        for number in numbers:
            answering.data(SHOW, input={"room": "r1", "number": number, "owner": "ann"})
        answering.fold()

    show(10, 20, 30, 40)
    first = answering.data(page)["thingRows"]
    assert [node["number"] for node in first["nodes"]] == [10, 20]
    show(5, 25)
    answering.data('mutation { hide(input: {room: "r1", number: 20}) { token } }', Identity("r1"))
    answering.fold()
    second = answering.data(page, after=first["pageInfo"]["endCursor"])["thingRows"]
    assert [node["number"] for node in second["nodes"]] == [25, 30]
    show(35)
    third = answering.data(page, after=second["pageInfo"]["endCursor"])["thingRows"]
    assert [node["number"] for node in third["nodes"]] == [35, 40]


def test_null_is_a_value_to_compare_with_and_operators_that_are_left_out_ask_nothing() -> None:
    answering = Answering(museum.app)
    for number, era in ((1, "ROME"), (2, None), (3, "STONE_AGE")):
        answering.data(SHOW, input={"room": "r1", "number": number, "owner": "ann", "era": era})
    answering.fold()

    def found(where: Any) -> list[int]:
        asked = "query ($where: ThingFilter) { thingRows(where: $where, orderBy: [{number: ASC}]) { nodes { number } } }"
        return [node["number"] for node in answering.data(asked, where=where)["thingRows"]["nodes"]]

    assert found({"era": {"eq": None}}) == [2]
    assert found({"era": {"ne": None}}) == [1, 3]
    assert found({"era": {"in": [None, "ROME"]}}) == [1, 2]
    assert found({"era": {"ne": "ROME"}}) == [2, 3]
    assert found({"era": {"isNull": False}, "number": {"gt": 1}}) == [3]
    absent: list[Any] = [
        None,
        {},
        {"era": None},
        {"era": {}},
        {"era": {"in": None, "isNull": None}},
        {"and": None, "or": None, "not": None},
        {"and": []},
    ]
    for nothing in absent:
        assert found(nothing) == [1, 2, 3], nothing
    assert found({"or": []}) == []
    assert found({"not": {}}) == []
    assert found({"or": [{"number": {"eq": 1}}, {"number": {"ge": 3}}], "not": {"era": {"eq": "ROME"}}}) == [3]
    assert found({"tags": {"isNull": True}}) == []


@pytest.mark.parametrize(
    ("first", "text"), [(1_001, "`first` is 1,001, the limit is 1,000: ask for fewer rows and go on with"), (6, "the limit is 5")]
)
def test_a_page_has_at_most_so_many_rows(first: int, text: str) -> None:
    answering = Answering(limits=Limits(page_rows=5 if first == 6 else 1_000))
    error = answering.error(PAGE, first=first)
    assert error["extensions"]["code"] == "LIMIT_EXCEEDED"
    assert text in error["message"]


def test_without_first_a_page_has_the_default_number_of_rows() -> None:
    answering = Answering(limits=Limits(page_default=2))
    for number in range(3):
        answering.data(PLACE, input=order(f"o-{number}"))
    answering.fold()
    assert len(orders(answering.data(PAGE))) == 2


# one's own writes
def test_a_read_after_a_token_waits_for_it_and_holds_no_thread() -> None:
    before = set(threading.enumerate())
    answering = Answering(limits=Limits(wait_s=20.0))
    token = answering.data(PLACE, input=order("o-1"))["placeOrder"]["token"]
    one = answering.engine.prepare(Request(f'{{ ticket(order: "o-1", after: "{token}") {{ stage }} }}'))
    many = answering.engine.prepare(Request(f'{{ ticketRows(after: "{token}") {{ nodes {{ stage }} }} }}'))

    async def ask() -> list[dict[str, Any]]:
        waiting = [asyncio.ensure_future(answering.engine.execute(asked, ANN)) for asked in (one, many) * 30]
        await asyncio.sleep(0.05)
        assert not any(task.done() for task in waiting)
        others = await answering.engine.execute(answering.engine.prepare(Request('{ ticket(order: "o-2") { stage } }')), ANN)
        assert others == {"data": {"ticket": None}}
        answering.fold()
        return list(await asyncio.gather(*waiting))

    answers = asyncio.run(ask())
    assert answers == [{"data": {"ticket": {"stage": "placed"}}}, {"data": {"ticketRows": {"nodes": [{"stage": "placed"}]}}}] * 30
    assert len(set(threading.enumerate()) - before) < 40  # the engine's own pools, not one for each of the sixty


def test_a_token_that_does_not_come_says_stale_with_the_paths_of_what_may_be_old() -> None:
    answering = Answering()
    token = answering.data(PLACE, input=order("o-1"))["placeOrder"]["token"]
    asked = f'{{ a: ticket(order: "o-1", after: "{token}") {{ stage }} ticketRows(after: "{token}") {{ nodes {{ stage }} }} b: ticket(order: "o-1") {{ stage }} }}'
    assert answering.ask(asked) == {
        "data": {"a": None, "ticketRows": {"nodes": []}, "b": None},
        "extensions": {"stale": [["a"], ["ticketRows"]]},
    }


def test_a_parked_stream_answers_at_once_and_says_so() -> None:
    from runtime.ports import Letter, Writes

    answering = Answering(limits=Limits(wait_s=60.0))
    token = answering.data(PLACE, input=order("o-1"))["placeOrder"]["token"]
    transaction = answering.house.rows.begin("rows", 1)
    transaction.lock([0])
    transaction.write(Writes(letters=[Letter("ticket", "order-o-1", 1, "ValueError: no", 5)]))
    transaction.commit()
    answer = answering.ask(f'{{ ticket(order: "o-1", after: "{token}") {{ stage }} }}')
    assert answer == {"data": {"ticket": None}, "extensions": {"stale": [["ticket"]], "parked": [["ticket"]]}}


# rights
def test_another_ones_row_is_null_and_not_among_the_rows_and_that_is_no_error() -> None:
    answering = with_orders(500, 600)
    bob = Identity("bob")
    assert answering.ask('{ ticket(order: "o-0") { order } ticketRows { nodes { order } } }', bob) == {
        "data": {"ticket": None, "ticketRows": {"nodes": []}}
    }
    assert orders(answering.data(PAGE, bob, where={"customer": {"eq": "ann"}})) == []
    assert orders(answering.data(PAGE, bob, where={"or": [{"customer": {"eq": "ann"}}, {}]})) == []


def test_rights_are_part_of_the_query_and_nothing_is_checked_after_reading() -> None:
    answering = with_orders(500)
    asked: list[Any] = []
    query = answering.house.rows.query

    def spying(generation: int, table: Any, question: Any) -> Any:
        asked.append(question)
        return query(generation, table, question)

    answering.house.rows.query = spying  # type: ignore[method-assign,assignment]
    answering.data('{ ticket(order: "o-0") { order } ticketRows { nodes { order } } }')
    assert [(question.key, question.where) for question in asked] == [
        ("o-0", Compare("customer", "eq", "ann")),
        ("", Compare("customer", "eq", "ann")),
    ]


def test_who_is_not_signed_in_is_asked_to_and_who_is_is_forbidden() -> None:
    answering = with_orders(500)
    for asked in ('{ ticket(order: "o-0") { order } }', "{ ticketRows { nodes { order } } }"):
        assert answering.error(asked, NOBODY)["extensions"]["code"] == "UNAUTHENTICATED"
    closed = Answering(museum.museum(things_to=lambda _: False))
    assert closed.error(THING, ANN, room="r", number=1)["extensions"]["code"] == "FORBIDDEN"
    assert closed.error(THING, ANN, room="r", number=1)["message"] == "you may not read `thing`"
    assert closed.error(THING, NOBODY, room="r", number=1)["message"] == "you may not read `thing` without signing in"


@pytest.mark.parametrize(
    "allow",
    [lambda _: None, lambda _: 1, lambda _: "yes", lambda _: Compare, lambda _: []],
    ids=["nothing", "a number", "text", "a class", "a list"],
)
def test_whatever_allow_answers_that_is_neither_true_nor_a_filter_is_a_no(allow: Any) -> None:
    assert Answering(museum.museum(things_to=allow)).error(THING, room="r", number=1)["extensions"]["code"] == "FORBIDDEN"


@pytest.mark.parametrize("allow", [owner("nobody"), lambda identity: identity.claims["missing"]], ids=["no such field", "raises"])
def test_a_rule_that_is_wrong_lets_nobody_through_and_is_a_fault_of_ours(allow: Any) -> None:
    error = Answering(museum.museum(things_to=allow)).error(THING, room="r", number=1)
    assert (error["message"], error["extensions"]["code"]) == ("internal error", "INTERNAL")


# tenants
def test_nothing_crosses_a_tenant() -> None:
    answering = Answering(museum.museum(tenant="org"))
    ann, eve = Identity("ann", {"org": "a"}), Identity("eve", {"org": "b"})
    token = answering.data(SHOW, ann, input={"room": "r", "number": 1, "owner": "ann"})["show"]["token"]
    answering.fold()
    assert token == "a/room-r@1"
    rows = "{ thingRows { nodes { owner } } }"
    assert answering.data(THING, ann, room="r", number=1) == {"thing": {"number": 1, "owner": "ann"}}
    assert answering.data(rows, ann) == {"thingRows": {"nodes": [{"owner": "ann"}]}}
    assert answering.data(THING, eve, room="r", number=1) == {"thing": None}
    assert answering.data(rows, eve) == {"thingRows": {"nodes": []}}
    assert answering.data(f'{{ thing(room: "r", number: 1, after: "{token}") {{ owner }} }}', ann) == {"thing": {"owner": "ann"}}
    refused = answering.error(f'{{ thingRows(after: "{token}") {{ nodes {{ owner }} }} }}', eve)
    assert (refused["extensions"]["code"], refused["extensions"]["field"]) == ("BAD_INPUT", "after")


@pytest.mark.parametrize("claims", [{}, {"org": ""}, {"org": 7}, {"org": "a/b"}, {"org": None}], ids=repr)
def test_who_has_no_usable_tenant_sees_nothing(claims: dict[str, Any]) -> None:
    answering = Answering(museum.museum(tenant="org"))
    for asked in ("{ thingRows { nodes { owner } } }", 'mutation { visit(input: {room: "r", at: "2026-01-31T12:00:00Z"}) { token } }'):
        assert answering.error(asked, Identity("ann", claims))["extensions"]["code"] == "FORBIDDEN"
        assert answering.error(asked, Identity("", claims))["extensions"]["code"] == "UNAUTHENTICATED"
