"""Rights cannot be talked around: not with other people's cursors, tokens and keys, not with forged ones, and refusals tell nothing."""

import asyncio
import base64
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from apps.shop import PlaceOrder
from runtime.domain.api import Identity, expose, owner, send, signed_in
from runtime.domain.app import App
from runtime.live.callers.identity import Session
from runtime.live.errors import Refused
from runtime.live.follow.positions import Positions, decode
from runtime.live.limits import Limits
from runtime.live.requests import Request
from tests.live import bed
from tests.live.answering import ANN, NOBODY, Answering
from tests.live.notebook import Write, board, diary, pages
from tests.live.protocol.client import Client, Ended

BOB = Identity("bob")
ROWS = """query ($after: String, $first: Int, $where: TicketFilter, $orderBy: [TicketOrder!]) {
  ticketRows(after: $after, first: $first, where: $where, orderBy: $orderBy) { edges { cursor node { order customer } } } }"""
ONE = "query ($order: String!, $after: String) { ticket(order: $order, after: $after) { order customer } }"


def place(order: str, customer: str) -> PlaceOrder:
    return PlaceOrder(order, customer, "tea", 1, 100, datetime(2026, 1, 31, tzinfo=UTC))


@pytest.fixture(scope="module")
def shop() -> Answering:
    """Ann and bob have twenty orders each."""
    answering = Answering(limits=Limits(wait_s=0.01))
    for number in range(20):
        for customer in ("ann", "bob"):
            answering.house.send(place(f"{customer}-{number:02}", customer))
    answering.fold()
    return answering


def test_a_row_of_somebody_else_is_told_like_one_that_is_not_there(shop: Answering) -> None:
    for after in (None, "order-ann-00@1", "order-nobody@1"):
        known, unknown = (shop.ask(ONE, order=order, after=after) for order in ("bob-00", "no-such-order"))
        assert known == unknown and known["data"] == {"ticket": None}
    with pytest.raises(Refused) as refused:
        asyncio.run(shop.engine.subscribe(shop.engine.prepare(Request('subscription { ticket(order: "bob-00") { cursor } }')), NOBODY))
    with pytest.raises(Refused) as refused_too:
        asyncio.run(shop.engine.subscribe(shop.engine.prepare(Request('subscription { ticket(order: "none") { cursor } }')), NOBODY))
    assert refused.value.errors == refused_too.value.errors


@pytest.mark.parametrize("order", [None, [{"customer": "ASC"}], [{"customer": "DESC"}, {"amount": "ASC"}], [{"order": "DESC"}]])
def test_a_cursor_of_somebody_else_widens_nothing(shop: Answering, order: Any) -> None:
    cursors = [edge["cursor"] for who in (ANN, BOB) for edge in shop.data(ROWS, who, first=20, orderBy=order)["ticketRows"]["edges"]]
    assert len(cursors) == 40
    for cursor in cursors:
        for where in (None, {"customer": {"eq": "bob"}}, {"not": {"customer": {"eq": "ann"}}}, {"or": [{"customer": {"ne": "x"}}]}):
            answer = shop.ask(ROWS, ANN, after=cursor, first=1_000, orderBy=order, where=where)
            rows = (answer["data"] or {"ticketRows": {"edges": []}})["ticketRows"]["edges"]
            assert {edge["node"]["customer"] for edge in rows} <= {"ann"}


def forged(dice: random.Random, cursor: str) -> str:
    """Something that looks like a cursor."""
    match dice.randrange(6):
        case 0:
            position = dice.randrange(len(cursor))
            return cursor[:position] + dice.choice("ABCxyz019-_=+/.") + cursor[position + 1 :]
        case 1:
            return cursor[: dice.randrange(len(cursor))]
        case 2:
            return cursor + dice.choice(("A", "==", "AAAA", "\u0000", " ", "é"))
        case 3:
            raw = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
            raw[dice.randrange(len(raw))] = dice.randrange(256)
            return base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")
        case 4:
            return base64.urlsafe_b64encode(dice.randbytes(dice.randrange(40))).decode().rstrip("=")
        case _:
            return dice.choice(("null", "[]", "{}", "0", "-1", "' OR 1=1 --", "W10", "bnVsbA", "e30", "A" * 20_000, "order-bob-00"))


def test_forged_cursors_are_refused_or_change_nothing_but_the_start(shop: Answering) -> None:
    dice = random.Random(7)
    plans = [edge["cursor"] for edge in shop.data(ROWS, BOB, first=20)["ticketRows"]["edges"]]
    for _ in range(600):
        cursor = forged(dice, dice.choice(plans))
        answer = shop.ask(ROWS, ANN, after=cursor, first=1_000)
        if "errors" in answer:
            [error] = answer["errors"]
            assert error["extensions"]["code"] == "BAD_INPUT", (cursor, error)
        else:
            assert {edge["node"]["customer"] for edge in answer["data"]["ticketRows"]["edges"]} <= {"ann"}


def resealed(dice: random.Random, cursor: str) -> str:
    """A cursor of one's own subscription with other numbers, and a checksum that fits: nothing in it is a secret."""
    place = decode(cursor)
    numbers = {
        shard: dice.choice((0, 1, number + dice.randrange(-3, 3), 2**40, 2**62))
        for shard, number in (place.numbers | {dice.randrange(256): 1}).items()
    }
    positions = Positions(
        dice.choice((place.generation, place.generation, 0, 99)), {shard: max(0, number) for shard, number in numbers.items()}
    )
    return cursor[:8] + positions.text()


def test_forged_cursors_of_subscriptions_show_nothing_more_and_harm_nobody() -> None:
    dice = random.Random(8)
    app = App("diaries", parts=(pages, diary), api=(expose(diary, allow=owner("author")),))
    text = "subscription ($after: String) { diaryRows(after: $after) { changed { key row { author } } removed { key } cursor } }"
    with bed.running(app) as running, Client(running.socket_url) as ann, Client(running.socket_url) as bob:
        heard: list[dict[str, Any]] = []

        def listen() -> None:
            with suppress(Ended):
                while True:
                    heard.append(bob.hear(60)["payload"]["data"]["diaryRows"])

        bob.greet({"token": running.tokens.sign("bob")}).ask("live", text)
        reader = threading.Thread(target=listen)
        reader.start()
        for number in range(5):
            running.send(Write(f"ann-{number}", "ann", "x"))
        running.settle()
        ann.greet({"token": running.tokens.sign("ann")}).ask("own", text)
        own = ann.hear()["payload"]["data"]["diaryRows"]["cursor"]
        ann.complete("own")
        outcomes = []
        for number in range(120):
            theirs = heard[-1]["cursor"]
            cursor = theirs if number == 0 else resealed(dice, own) if number % 2 else forged(dice, dice.choice((own, theirs)))
            ann.ask(f"s{number}", text, after=cursor)
            running.send(Write(f"bob-{number}", "bob", "x"))
            told = ann.hear()
            outcomes.append(told["type"])
            assert "bob" not in str(told["payload"]) and "INTERNAL" not in str(told["payload"]), told
            if told["type"] == "next":
                ann.complete(f"s{number}")
        assert outcomes.count("error") > 20
        until = time.monotonic() + 60
        while len({row["key"] for update in heard for row in update["changed"]}) < 120:  # bob misses nothing of his own
            assert time.monotonic() < until
            time.sleep(0.05)
        assert {row["row"]["author"] for update in heard for row in update["changed"]} == {"bob"}
        assert ann.alive()
        bob.close()
        reader.join()


def test_a_forged_cursor_of_rows_that_all_may_see_misleads_its_sender_only() -> None:
    """All of them share one cohort, so that a place that never was must not become anybody else's."""
    dice = random.Random(9)
    app = App("boards", parts=(pages, board), api=(expose(board, allow=signed_in),))
    text = "subscription ($after: String) { boardRows(after: $after) { changed { key } cursor } }"
    with bed.running(app) as running, Client(running.socket_url) as ann, Client(running.socket_url) as bob:
        token = running.tokens.sign("bob")
        ann.greet({"token": running.tokens.sign("ann")})
        bob.greet({"token": token}).ask("live", text)
        told = bob.hear()["payload"]["data"]["boardRows"]
        assert told["changed"] == []
        seen: set[str] = set()
        written: set[str] = set()
        for number in range(60):
            running.send(Write(f"n-{number}", "bob", "x"))
            written.add(f"n-{number}")
            ann.ask(f"s{number}", text, after=resealed(dice, told["cursor"]))
            if number % 5 == 4:
                with Client(running.socket_url) as again:  # comes back with an honest cursor, into the same cohort
                    again.greet({"token": token}).ask("live", text, after=told["cursor"])
                    missed: set[str] = set()
                    until = time.monotonic() + 30
                    while not written <= seen | missed:
                        assert time.monotonic() < until
                        missed |= {row["key"] for row in again.hear()["payload"]["data"]["boardRows"]["changed"]}
            while not written <= seen:
                told = bob.hear()["payload"]["data"]["boardRows"]
                seen |= {row["key"] for row in told["changed"]}


# `allow` that answers something odd


@pytest.mark.parametrize("answer", [1, "yes", [True], object(), None, 0, "", (), {"customer": "ann"}, lambda: True])
def test_only_true_or_a_filter_is_a_yes(answer: Any) -> None:
    def odd(_: Identity) -> Any:
        return answer

    app = App("odd", parts=(pages, board), api=(expose(board, allow=odd), send(Write, allow=odd)))
    answering = Answering(app)
    error = answering.error("{ boardRows { nodes { note } } }")
    assert error["extensions"]["code"] == "FORBIDDEN"
    error = answering.error('mutation { write(input: {note: "1", author: "ann", text: "x"}) { token } }')
    assert error["extensions"]["code"] == "FORBIDDEN"
    assert not answering.house.streams()


def test_an_allow_that_fails_is_a_no_and_is_masked() -> None:
    def failing(identity: Identity) -> bool:
        return bool(identity.claims["secret-claim"])

    answering = Answering(App("failing", parts=(pages, board), api=(expose(board, allow=failing), send(Write, allow=signed_in))))
    error = answering.error("{ boardRows { nodes { note } } }")
    assert (error["message"], error["extensions"]["code"]) == ("internal error", "INTERNAL")


def test_what_is_not_in_the_api_is_not_in_the_schema() -> None:
    app = App("closed", parts=(pages, board), api=(expose(board, allow=signed_in),))
    fields = Answering(app).engine.schema
    assert fields.mutation_type is None
    assert set(fields.query_type.fields) == {"board", "boardRows"}  # type: ignore[union-attr]


# keys


def test_anothers_key_on_another_stream_is_another_key() -> None:
    answering = Answering()
    text = "mutation ($i: PlaceOrderInput!, $k: String) { placeOrder(input: $i, key: $k) { token replayed } }"
    for who in (ANN, BOB):
        mine = {"order": who.subject, "customer": who.subject, "sku": "tea", "quantity": 1, "amount": 1, "at": "2026-01-31T12:00:00Z"}
        assert answering.data(text, who, i=mine, k="same")["placeOrder"]["replayed"] is False


@pytest.mark.parametrize("key", ["x" * 100_000, "\x00", "\ud800", "é" * 1_000])
def test_an_odd_key_is_taken_or_refused_but_never_a_fault_of_ours(key: str) -> None:
    text = "mutation ($i: PlaceOrderInput!, $k: String) { placeOrder(input: $i, key: $k) { token } }"
    mine = {"order": "o", "customer": "ann", "sku": "tea", "quantity": 1, "amount": 1, "at": "2026-01-31T12:00:00Z"}
    answering = Answering()
    try:
        answer = answering.ask(text, i=mine, k=key)
    except Refused as refused:
        answer = {"errors": refused.errors}
    assert "errors" not in answer or answer["errors"][0]["extensions"]["code"] in ("BAD_INPUT", "LIMIT_EXCEEDED"), answer


# identity between connections and requests


def test_an_identity_does_not_stay_behind_for_the_next_request_or_operation() -> None:
    import httpx

    with bed.running() as running:
        running.send(place("o-1", "ann"))
        running.settle()
        text = '{ ticket(order: "o-1") { order } }'
        with httpx.Client() as kept:  # one connection for all
            for _ in range(5):
                headers = {"authorization": f"Bearer {running.tokens.sign('ann')}"}
                assert kept.post(running.url, json={"query": text}, headers=headers).json()["data"]["ticket"] == {"order": "o-1"}
                assert kept.post(running.url, json={"query": text}).json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
                headers = {"authorization": f"Bearer {running.tokens.sign('bob')}"}
                assert kept.post(running.url, json={"query": text}, headers=headers).json()["data"]["ticket"] is None


def test_a_token_in_an_operation_or_a_second_greeting_changes_nothing() -> None:
    with bed.running() as running:
        running.send(place("o-1", "ann"))
        running.settle()
        token = running.tokens.sign("ann")
        with Client(running.socket_url) as nobody:
            nobody.greet()
            request = {"query": '{ ticket(order: "o-1") { order } }', "extensions": {"authorization": f"Bearer {token}", "token": token}}
            nobody.say({"type": "subscribe", "id": "1", "payload": request | {"token": token}, "token": token})
            told: Callable[[Any], Any] = lambda message: message["payload"]["errors"][0]["extensions"]["code"]  # noqa: E731
            assert told(nobody.hear()) == "UNAUTHENTICATED"
            nobody.say({"type": "connection_init", "payload": {"token": token}})
            assert nobody.ending()[0] == 4429


def test_a_session_is_not_shared_by_who_asks_at_the_same_time() -> None:
    async def both(answering: Answering) -> list[Any]:
        prepared = answering.engine.prepare(Request("{ ticketRows(first: 1000) { nodes { customer } } }"))
        whos = [ANN, BOB] * 40
        answers = await asyncio.gather(*(answering.engine.execute(prepared, who) for who in whos))
        return [
            (who.subject, {row["customer"] for row in answer["data"]["ticketRows"]["nodes"]})
            for who, answer in zip(whos, answers, strict=True)
        ]

    answering = Answering()
    for number in range(3):
        answering.house.send(place(f"a{number}", "ann"))
        answering.house.send(place(f"b{number}", "bob"))
    answering.fold()
    assert all(customers == {subject} for subject, customers in asyncio.run(both(answering)))


def test_sessions_hold_no_token() -> None:
    assert "token" not in {name for name in Session.__struct_fields__ if name != "token_id"}
