"""Behaviours 36 to 42: what is no message, what is our fault, and how it ends."""

import json
import re
import time
from pathlib import Path

import pytest

from runtime.live.callers.identity import Session
from runtime.live.limits import Limits
from tests.live.protocol.drivers import NO_BINARY, NO_DRAIN, NO_LIVENESS, Driver, Opened

INVALID = (4400, "Invalid message received")


def ends(driver: Driver, said: str | bytes) -> None:
    """Before and after the acknowledgement."""
    for greeted in (False, True):
        with driver.connect() as client:
            if greeted:
                client.greet()
            client.say(said)
            assert client.ending() == INVALID


@pytest.mark.parametrize(
    "said",
    [
        "nonsense",
        "",
        "null",
        "1",
        '"text"',
        "[]",
        "{}",
        '{"type":null}',
        '{"type":1}',
        '{"type":"unknown"}',
        '{"type":"start","id":"1","payload":{"query":"{hello}"}}',
        '{"type":"connection_ack"}',
        '{"type":"next","id":"1","payload":{}}',
        '{"type":"error","id":"1","payload":[]}',
        '{"type":"ping","payload":{"n":NaN}}',
        '{"type":"ping","payload":{"s":"\\ud800"}}',
        '{"type":"ping","payload":' + '{"a":' * 3_000 + "1" + "}" * 3_001,
    ],
    ids=lambda said: said[:40],
)
def test_36_what_is_no_message_of_a_client_ends_the_connection(driver: Driver, said: str) -> None:
    ends(driver, said)


@pytest.mark.parametrize(
    "message",
    [
        {"payload": {"query": "{hello}"}},
        {"id": "", "payload": {"query": "{hello}"}},
        {"id": 1, "payload": {"query": "{hello}"}},
        {"id": None, "payload": {"query": "{hello}"}},
        {"id": "1"},
        {"id": "1", "payload": None},
        {"id": "1", "payload": "text"},
        {"id": "1", "payload": []},
        {"id": "1", "payload": {}},
        {"id": "1", "payload": {"query": 1}},
        {"id": "1", "payload": {"query": None}},
        {"id": "1", "payload": {"query": "{hello}", "operationName": 1}},
        {"id": "1", "payload": {"query": "{hello}", "variables": "{}"}},
        {"id": "1", "payload": {"query": "{hello}", "variables": []}},
        {"id": "1", "payload": {"query": "{hello}", "extensions": "{}"}},
    ],
    ids=json.dumps,
)
def test_37_a_subscribe_that_is_malformed_ends_the_connection(driver: Driver, message: dict[str, object]) -> None:
    with driver.connect() as client:
        client.greet().say({"type": "subscribe"} | message)
        assert client.ending() == INVALID


@pytest.mark.parametrize(
    "message",
    [
        {"type": "complete"},
        {"type": "complete", "id": ""},
        {"type": "complete", "id": 1},
        {"type": "complete", "id": None},
        {"type": "ping", "payload": "text"},
        {"type": "ping", "payload": []},
        {"type": "pong", "payload": 0},
        {"type": "pong", "payload": False},
    ],
    ids=json.dumps,
)
def test_38_a_complete_ping_or_pong_that_is_malformed_ends_the_connection(driver: Driver, message: dict[str, object]) -> None:
    ends(driver, json.dumps(message))


class Broken:
    """A verifier with a bug."""

    def verify(self, token: str) -> Session:
        raise RuntimeError("the secret of the house")

    def revoked(self, session: Session) -> bool:
        return False


def test_39_a_fault_of_ours_ends_the_connection_without_telling_more(opened: Opened) -> None:
    with opened(verifier=Broken()) as driver, driver.connect() as client:
        client.say({"type": "connection_init", "payload": {"token": "any"}})
        assert client.ending() == (4500, "Internal server error")


def test_40_a_shutdown_says_so_and_clients_may_come_back(opened: Opened) -> None:
    with opened() as driver:
        if NO_DRAIN in driver.differs:
            return  # there is no process of ours that could end; test_35 shows that the gateway's own end releases everything
        silent, busy = driver.connect(), driver.connect().greet()
        busy.ask("1", "query { slow(seconds: 5) }")
        assert busy.alive()
        driver.drain()
        assert silent.ending() == (1001, "Going away")
        assert busy.ending() == (1001, "Going away")
        assert driver.held() == 0


def test_41_who_answers_no_pings_any_more_is_gone(opened: Opened) -> None:
    with opened(limits=Limits(keep_alive_s=0.5)) as driver, driver.connect() as client:
        client.greet()
        if NO_LIVENESS in driver.differs:
            assert client.hear() == {"type": "ping"}
            return
        client.say({"type": "pong"})  # it is one of those who answer
        seen = []
        started = time.monotonic()
        while time.monotonic() - started < 1.3:  # as long as it says something it stays
            client.say({"type": "pong"})
            time.sleep(0.1)
        try:
            while True:
                seen.append(client.hear())
        except Exception as ended:  # noqa: BLE001  the end is looked at below
            assert str(ended) == "1001: Gone silent"
        assert {"type": "ping"} in seen


def test_42_a_binary_frame_is_read_like_text(driver: Driver) -> None:
    with driver.connect() as client:
        if NO_BINARY in driver.differs:
            client.say(b'{"type":"connection_init"}')
            assert client.ending() == (1003, "")
            return
        client.say(b'{"type":"connection_init"}')
        assert client.hear() == {"type": "connection_ack"}
        client.say(b'{"type":"ping"}')
        assert client.hear() == {"type": "pong"}
        client.say(b"\xff\x00\xfe")
        assert client.ending() == INVALID


def test_every_behaviour_of_the_list_has_a_test() -> None:
    named = re.findall(r"^def test_(\d\d)_", "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py")), re.M)
    assert sorted(set(map(int, named))) == list(range(1, 43))
