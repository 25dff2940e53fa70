"""Behaviours 17 to 35: queries, mutations and subscriptions, how they end, and that their ids are free then."""

import time

import pytest

from tests.live.protocol import fields
from tests.live.protocol.client import Client, Message
from tests.live.protocol.drivers import HEAD_OF_LINE, NO_GENERATORS, UNORDERED, Driver
from tests.patience import PATIENCE_S

FOLLOW = "subscription($c: String!) { total(counter: $c) { row { value } snapshot cursor } }"
SLOW = "query($seconds: Float!, $name: String) { slow(seconds: $seconds, name: $name) }"


def followed(client: Client, id: str, value: int) -> None:
    """Wait for a subscription to show a value; updates may come several at once, never backwards."""
    before = 0
    while before != value:
        message = client.hear()
        assert (message["type"], message["id"]) == ("next", id), message
        row = message["payload"]["data"]["total"]["row"]
        now = row["value"] if row else 0
        assert before <= now <= value, message
        before = now


def freed(driver: Driver, held: int = 0) -> None:
    """Wait until the gateway holds no operation any more."""
    until = time.monotonic() + PATIENCE_S
    while driver.held() > held:
        assert time.monotonic() < until, f"{driver.held()} operations are still held"
        time.sleep(0.02)


def test_17_a_query_or_mutation_has_one_result_and_is_complete(driver: Driver) -> None:
    with driver.connect() as client:
        client.greet()
        assert client.answer("1", "{hello}") == {"data": {"hello": "hello world"}}
        sent = client.answer("2", 'mutation { bump(input: {counter: "c17", by: 1}) { token last } }')
        assert sent["data"]["bump"]["token"].endswith("@1")


def test_18_operation_name_variables_and_extensions_may_be_null_or_left_out(driver: Driver) -> None:
    with driver.connect() as client:
        client.greet()
        nothing: dict[str, object] = {}
        nulls: dict[str, object] = {"operationName": None, "variables": None, "extensions": None}
        full: dict[str, object] = {"variables": {}, "extensions": {"a": 1}}
        for number, rest in enumerate((nothing, nulls, full)):
            client.say({"type": "subscribe", "id": str(number), "payload": {"query": "{hello}", **rest}})
            assert client.hear()["payload"] == {"data": {"hello": "hello world"}}
            assert client.hear()["type"] == "complete"


def refused(driver: Driver, payload: Message) -> None:
    """One error, nothing after it, the id free again, and the connection lives."""
    with driver.connect() as client:
        client.greet()
        for _ in range(2):
            client.say({"type": "subscribe", "id": "1", "payload": payload})
            message = client.hear()
            assert (message["type"], message["id"]) == ("error", "1")
            assert all(error["message"] and error["extensions"]["code"] for error in message["payload"]), message
            if UNORDERED in driver.differs:
                freed(driver)
        assert client.quiet() and client.alive()


NOT_VALID: list[Message] = [{"query": "{nothing}"}, {"query": "query($n: Int!) { hello }", "variables": {"n": "text"}}]
NO_GRAPHQL: list[Message] = [{"query": "{"}, {"query": ""}, {"query": '{hello(name: "\\ud800")'}]
WHICH_ONE: list[Message] = [
    {"query": "query a {hello} query b {hello}"},
    {"query": "query a {hello}", "operationName": "b"},
    {"query": "fragment f on Query {hello}"},
]


@pytest.mark.parametrize("payload", NOT_VALID, ids=str)
def test_19_what_does_not_fit_the_schema_is_one_error(driver: Driver, payload: Message) -> None:
    refused(driver, payload)


@pytest.mark.parametrize("payload", NO_GRAPHQL, ids=str)
def test_20_what_is_no_graphql_is_one_error(driver: Driver, payload: Message) -> None:
    refused(driver, payload)


@pytest.mark.parametrize("payload", WHICH_ONE, ids=str)
def test_21_what_names_no_one_operation_is_one_error(driver: Driver, payload: Message) -> None:
    refused(driver, payload)


def test_22_errors_of_resolvers_come_with_the_data_even_if_it_is_null(driver: Driver) -> None:
    with driver.connect() as client:
        client.greet()
        partly = client.answer("1", "{hello fails}")
        assert partly["data"] == {"hello": "hello world", "fails": None}
        wholly = client.answer("2", "{failsWhole}")
        assert wholly["data"] is None
        for answer in (partly, wholly):
            (error,) = answer["errors"]
            assert error["extensions"]["code"] == "INTERNAL" and error["extensions"]["trace"]
            assert "secret" not in str(answer)


def test_23_without_errors_and_extensions_their_keys_are_absent(driver: Driver) -> None:
    with driver.connect() as client:
        assert client.greet().answer("1", "{hello}").keys() == {"data"}


def test_24_a_subscription_has_results_until_it_is_complete(driver: Driver) -> None:
    with driver.connect() as client:
        client.greet().ask("1", FOLLOW, c="c24")
        first = client.hear()
        assert first["type"] == "next" and first["payload"]["data"]["total"]["snapshot"]
        for value in (1, 2, 3):
            driver.bump("c24")
            followed(client, "1", value) if value == 1 else followed_from(client, value)
        if NO_GENERATORS not in driver.differs:
            client.complete("1")
            client.ask("2", "subscription { count(to: 3) }")
            heard = [client.hear() for _ in range(4)]
            assert [message.get("payload", {}).get("data") for message in heard] == [{"count": 1}, {"count": 2}, {"count": 3}, None]
            assert heard[-1] == {"id": "2", "type": "complete"}


def followed_from(client: Client, value: int) -> None:
    """The next value of a subscription."""
    while client.hear()["payload"]["data"]["total"]["row"]["value"] != value:
        pass


def test_25_after_a_clients_complete_nothing_more_comes_of_it(driver: Driver) -> None:
    with driver.connect() as client:
        client.greet().ask("1", FOLLOW, c="c25")
        client.hear()
        client.complete("1")
        assert client.alive()
        freed(driver)
        driver.bump("c25")
        assert client.quiet(0.5)


def test_26_a_clients_complete_stops_a_query_that_has_not_answered_yet(driver: Driver) -> None:
    with driver.connect() as client:
        client.greet().ask("1", SLOW, seconds=1.0, name="c26")
        time.sleep(0.2)
        client.complete("1")
        if HEAD_OF_LINE in driver.differs:  # the complete is read after the answer
            assert [client.hear()["type"] for _ in range(2)] == ["next", "complete"]
            return
        assert client.quiet(1.5) and client.alive()
        if UNORDERED not in driver.differs:
            assert "c26" in fields.CANCELLED


def test_27_a_complete_of_an_unknown_or_finished_operation_is_ignored(driver: Driver) -> None:
    with driver.connect() as client:
        client.complete("never")
        client.greet().complete("never")
        client.answer("1", "{hello}")
        client.complete("1")
        assert client.alive()
        assert client.answer("1", "{hello}")["data"]


@pytest.mark.parametrize(("first", "again"), [(SLOW, SLOW), (SLOW, FOLLOW), (FOLLOW, SLOW), (FOLLOW, FOLLOW)])
def test_28_an_id_that_is_in_use_cannot_be_used_for_anything(driver: Driver, first: str, again: str) -> None:
    with driver.connect() as client:
        client.greet().ask("one", first, c="c28", seconds=1.0)
        if first == FOLLOW:
            client.hear()
        client.ask("one", again, c="c28", seconds=1.0)
        if HEAD_OF_LINE in driver.differs and first == SLOW:  # the first is over before the second is read
            assert client.hear()["type"] == "next"
            return
        assert client.ending() == (4409, "Subscriber for one already exists")
    freed(driver)


def test_28_an_id_is_in_use_while_its_operation_is_prepared(driver: Driver) -> None:
    with driver.connect() as client:
        client.greet()
        client.ask("one", FOLLOW, c="c28")
        client.ask("one", FOLLOW, c="c28")
        assert client.ending() == (4409, "Subscriber for one already exists")
    freed(driver)


def test_29_an_id_is_free_after_the_servers_and_after_the_clients_complete(driver: Driver) -> None:
    with driver.connect() as client:
        client.greet()
        for _ in range(3):
            client.answer("1", "{hello}")
            client.ask("1", FOLLOW, c="c29")
            assert client.hear()["payload"]["data"]["total"]["snapshot"]
            client.complete("1")
            if UNORDERED in driver.differs:
                assert client.alive()
                freed(driver)


def test_30_a_complete_right_behind_its_subscribe_leaves_nothing_running(driver: Driver) -> None:
    with driver.connect() as client:
        client.greet()
        for number in range(50):
            client.ask(str(number), FOLLOW, c="c30")
            client.complete(str(number))
        assert client.alive()
        freed(driver)
        driver.bump("c30")
        while not client.quiet(0.5):
            pass
        driver.bump("c30")
        assert client.quiet(0.5)


def test_31_a_stream_that_fails_is_one_error_and_the_connection_lives(driver: Driver) -> None:
    with driver.connect() as client:
        client.greet()
        if NO_GENERATORS in driver.differs:
            client.ask("1", 'subscription { total(counter: "c31", after: "!") { snapshot } }')
        else:
            client.ask("1", "subscription { breaks }")
            assert client.hear()["payload"] == {"data": {"breaks": 1}}
        message = client.hear()
        assert (message["type"], message["id"]) == ("error", "1") and "secret" not in str(message)
        assert client.quiet() and client.alive()


def test_32_a_subscription_that_is_refused_is_one_error(driver: Driver) -> None:
    with driver.connect() as client:
        client.greet({"token": driver.sign("banned")})
        client.ask("1", FOLLOW, c="c32")
        message = client.hear()
        assert (message["type"], message["id"], message["payload"][0]["extensions"]["code"]) == ("error", "1", "FORBIDDEN")
        if NO_GENERATORS not in driver.differs:
            client.ask("2", "subscription { refuses }")
            message = client.hear()
            assert (message["type"], message["id"]) == ("error", "2") and "secret" not in str(message)
        assert client.quiet() and client.alive()


def test_33_operations_of_one_connection_do_not_wait_for_each_other(driver: Driver) -> None:
    with driver.connect() as client:
        client.greet().ask("slow", SLOW, seconds=1.0)
        client.ask("quick", "{hello}")
        heard = [client.hear() for _ in range(4)]
        order = ["slow", "slow", "quick", "quick"] if HEAD_OF_LINE in driver.differs else ["quick", "quick", "slow", "slow"]
        assert [message["id"] for message in heard] == order


def test_34_a_client_that_is_gone_leaves_nothing_behind(driver: Driver) -> None:
    freed(driver)
    for _ in range(10):
        client = driver.connect().greet()
        for number in range(5):
            client.ask(f"live {number}", FOLLOW, c="c34")
            client.ask(f"slow {number}", SLOW, seconds=0.3)
        client.vanish()
    freed(driver)


def test_35_nothing_is_said_after_the_close(driver: Driver) -> None:
    client = driver.connect().greet()
    for number in range(5):
        client.ask(str(number), FOLLOW, c="c35")
    client.say("nonsense")
    assert client.ending() == (4400, "Invalid message received")
    freed(driver)
    driver.bump("c35")
    if not driver.differs:
        assert client.ending() == (4400, "Invalid message received")
    client.close()
