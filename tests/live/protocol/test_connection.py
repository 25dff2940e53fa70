"""Behaviours 1 to 16: the handshake, who it is, and that somebody is there."""

import threading
import time

import pytest
from websockets.exceptions import InvalidStatus

from runtime.domain.api import Identity
from runtime.live.callers.identity import Session
from runtime.live.errors import Unauthenticated
from runtime.live.limits import Limits
from tests.live.protocol.client import SUBPROTOCOL
from tests.live.protocol.drivers import HEAD_OF_LINE, REFUSED_AT_HANDSHAKE, Driver, Opened

SLOW = "query($seconds: Float!) { slow(seconds: $seconds) }"


def test_01_the_protocol_is_chosen_from_a_list_of_offered_ones(driver: Driver) -> None:
    for offered in ([SUBPROTOCOL], ["graphql-ws", SUBPROTOCOL], [SUBPROTOCOL, "something"]):
        with driver.connect(offered) as client:
            assert client.subprotocol == SUBPROTOCOL
            client.greet()


@pytest.mark.parametrize("offered", [[], ["graphql-ws"], ["graphql-transport-ws-2"]])
def test_02_without_an_acceptable_protocol_none_is_echoed_and_the_connection_ends(driver: Driver, offered: list[str]) -> None:
    if REFUSED_AT_HANDSHAKE in driver.differs:
        with pytest.raises(InvalidStatus) as refused:
            driver.connect(offered)
        assert 400 <= refused.value.response.status_code < 500
        return
    with driver.connect(offered) as client:
        assert client.subprotocol is None
        assert client.ending() == (4406, "Subprotocol not acceptable")


def test_03_an_init_is_acknowledged_and_the_payload_key_is_absent_without_a_payload(driver: Driver) -> None:
    with driver.connect() as client:
        client.say({"type": "connection_init"})
        assert client.hear() == {"type": "connection_ack"}


@pytest.mark.parametrize("payload", ["text", 1, True, ["list"]])
def test_04_an_init_payload_is_null_or_an_object(driver: Driver, payload: object) -> None:
    for good in (None, {}, {"any": "thing"}):
        with driver.connect() as client:
            client.say({"type": "connection_init", "payload": good})
            assert client.hear()["type"] == "connection_ack"
    with driver.connect() as client:
        client.say({"type": "connection_init", "payload": payload})
        assert client.ending() == (4400, "Invalid message received")


def test_05_an_acknowledgement_may_carry_a_payload_and_has_no_other_keys(driver: Driver) -> None:
    with driver.connect() as client:
        client.say({"type": "connection_init", "payload": {"token": driver.sign("ann")}})
        assert client.hear().keys() <= {"type", "payload"}


def test_06_who_said_hello_is_known_to_every_later_operation(driver: Driver) -> None:
    with driver.connect() as client:
        client.greet({"authorization": f"Bearer {driver.sign('ann')}"})
        assert [client.answer(id, "{who}")["data"] for id in ("1", "2")] == [{"who": "ann"}, {"who": "ann"}]
    with driver.connect() as client:
        assert client.greet().answer("1", "{who}")["data"] == {"who": ""}


def test_07_a_token_that_is_no_good_is_forbidden(driver: Driver) -> None:
    for token in ("garbled", "a.b.c", "", driver.sign("ann")[:-4] + "AAAA"):
        with driver.connect() as client:
            client.say({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}})
            assert client.ending() == (4403, "Forbidden")


def test_08_without_an_init_in_time_the_connection_ends(driver: Driver) -> None:
    with driver.connect() as client:
        client.say({"type": "ping"})
        started = time.monotonic()
        assert client.ending() == (4408, "Connection initialisation timeout")
        assert time.monotonic() - started > 0.5


class Gate:
    """A verifier that takes as long as a test wants."""

    def __init__(self) -> None:
        self.asked, self.go = threading.Event(), threading.Event()

    def verify(self, token: str) -> Session:
        self.asked.set()
        if not self.go.wait(20):
            raise Unauthenticated("the test took too long")
        return Session(Identity("ann"))

    def revoked(self, session: Session) -> bool:
        return False


def test_09_the_time_out_does_not_strike_while_the_token_is_looked_at(opened: Opened) -> None:
    gate = Gate()
    with opened(limits=Limits(init_timeout_s=1.0), verifier=gate) as driver, driver.connect() as client:
        client.say({"type": "connection_init", "payload": {"token": "slow"}})
        assert gate.asked.wait(10)
        time.sleep(1.3)
        gate.go.set()
        assert client.hear() == {"type": "connection_ack"}
        time.sleep(0.3)
        assert client.alive()


def test_10_a_second_init_while_the_first_is_pending_is_one_too_many(opened: Opened) -> None:
    gate = Gate()
    with opened(verifier=gate) as driver, driver.connect() as client:
        for _ in range(2):
            client.say({"type": "connection_init", "payload": {"token": "slow"}})
            assert gate.asked.wait(10)
        try:
            ended = client.ending() if HEAD_OF_LINE not in driver.differs else None
        finally:
            gate.go.set()
        assert (ended or client.ending()) == (4429, "Too many initialisation requests")


def test_11_a_second_init_after_the_acknowledgement_is_one_too_many(driver: Driver) -> None:
    with driver.connect() as client:
        client.greet().say({"type": "connection_init"})
        assert client.ending() == (4429, "Too many initialisation requests")


def test_12_whoever_has_heard_the_acknowledgement_can_subscribe_at_once(driver: Driver) -> None:
    for _ in range(20):
        with driver.connect() as client:
            assert client.greet().answer("1", "{hello}") == {"data": {"hello": "hello world"}}


def test_13_a_ping_is_answered_with_its_payload_at_any_time(driver: Driver) -> None:
    with driver.connect() as client:
        for greeted in (False, True):
            if greeted:
                client.greet()
            for said in ({"type": "ping"}, {"type": "ping", "payload": {"n": [1, {"ü": None}]}}):
                client.say(said)
                assert client.hear() == said | {"type": "pong"}


def test_14_a_pong_is_ignored(driver: Driver) -> None:
    with driver.connect() as client:
        client.say({"type": "pong"})
        client.greet().say({"type": "pong", "payload": {"a": 1}})
        assert client.alive()


def test_15_a_ping_does_not_wait_for_running_operations(driver: Driver) -> None:
    with driver.connect() as client:
        client.greet().ask("1", SLOW, seconds=1.5)
        client.say({"type": "ping"})
        heard = client.hear()
        if HEAD_OF_LINE in driver.differs and heard["type"] != "pong":
            assert heard["type"] == "next"
            return
        assert heard == {"type": "pong"}
        assert client.hear()["type"] == "next"


def test_16_a_subscribe_before_the_acknowledgement_is_unauthorized(driver: Driver) -> None:
    with driver.connect() as client:
        client.ask("1", "{hello}")
        assert client.ending() == (4401, "Unauthorized")


def test_16_a_subscribe_while_the_token_is_looked_at_is_unauthorized(opened: Opened) -> None:
    gate = Gate()
    with opened(verifier=gate) as driver, driver.connect() as client:
        client.say({"type": "connection_init", "payload": {"token": "slow"}})
        assert gate.asked.wait(10)
        client.ask("1", "{hello}")
        if HEAD_OF_LINE in driver.differs:  # it is read after the acknowledgement
            gate.go.set()
            assert [client.hear()["type"] for _ in range(3)] == ["connection_ack", "next", "complete"]
            return
        try:
            assert client.ending() == (4401, "Unauthorized")
        finally:
            gate.go.set()
