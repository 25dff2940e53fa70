"""Fault 38: clients that break the rules of the protocol, one by one and all together."""

import json
import threading
from typing import Any

import pytest

from tests.live import bed
from tests.live.protocol.client import SUBPROTOCOL, Client
from tests.live.protocol.drivers import LIMITS, Asgi
from tests.live.protocol.probe import streaming
from tests.rounds import rounds

TODAY = (SUBPROTOCOL,)
BROKEN: tuple[tuple[str, tuple[str, ...], list[dict[str, Any]], tuple[int, str]], ...] = (
    ("no init", TODAY, [], (4408, "Connection initialisation timeout")),
    ("second init", TODAY, [{"type": "connection_init"}, {"type": "connection_init"}], (4429, "Too many initialisation requests")),
    ("subscribe first", TODAY, [{"type": "subscribe", "id": "1", "payload": {"query": "{hello}"}}], (4401, "Unauthorized")),
    (
        "duplicate id",
        TODAY,
        [{"type": "connection_init"}, *[{"type": "subscribe", "id": "7", "payload": {"query": "{slow(seconds: 9)}"}}] * 2],
        (4409, "Subscriber for 7 already exists"),
    ),
    ("legacy protocol", ("graphql-ws",), [], (4406, "Subprotocol not acceptable")),
    ("no protocol at all", (), [], (4406, "Subprotocol not acceptable")),
    (
        "legacy messages",
        TODAY,
        [{"type": "connection_init"}, {"type": "start", "id": "1", "payload": {"query": "{hello}"}}],
        (4400, "Invalid message received"),
    ),
)


def break_a_rule(driver: Asgi, subprotocols: tuple[str, ...], said: list[dict[str, Any]], ending: tuple[int, str]) -> None:
    with driver.connect(subprotocols) as client:
        for message in said:
            client.say(message)
            if message["type"] == "connection_init" and len(said) > 2:
                assert client.hear()["type"] == "connection_ack"
        assert client.ending() == ending


@pytest.mark.rounds
def test_fault_38_who_breaks_the_protocol_is_told_by_its_code_and_nobody_else_notices() -> None:
    with bed.running(streaming, limits=LIMITS) as running:
        driver = Asgi(running)
        with driver.connect() as bystander:
            bystander.greet().ask("live", "subscription { count(to: 1000000, everyS: 0.05) }")
            for _ in range(rounds(10)):
                outcomes: dict[str, BaseException | None] = {}
                threads = [threading.Thread(target=tried, args=(driver, outcomes, *broken)) for broken in BROKEN]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                assert outcomes == {name: None for name, *_ in BROKEN}
            numbers = counted(bystander)
            assert numbers == list(range(1, len(numbers) + 1)), "the healthy client missed something"
            assert running.gateway.figures()["operations"] == 1


def tried(
    driver: Asgi,
    outcomes: dict[str, BaseException | None],
    name: str,
    subprotocols: tuple[str, ...],
    said: list[dict[str, Any]],
    ending: tuple[int, str],
) -> None:
    outcomes[name] = None
    try:
        break_a_rule(driver, subprotocols, said, ending)
    except BaseException as error:  # noqa: BLE001  a thread's failure is the test's
        outcomes[name] = error


def counted(client: Client) -> list[int]:
    """All that came so far, in order; the server asks a silent client now and then whether it is there."""
    client.say({"type": "ping"})
    numbers: list[int] = []
    while (message := client.hear())["type"] != "pong":
        if message["type"] == "ping":
            continue
        assert message["type"] == "next", json.dumps(message)
        numbers.append(message["payload"]["data"]["count"])
    return numbers
