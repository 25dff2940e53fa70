"""The gateway on a server beyond the protocol: pages, sizes, counts, tokens that end, clients that do not read, and shutdown."""

import json
import time
from collections.abc import Callable, Iterator

import pytest
from websockets.exceptions import InvalidStatus

from runtime.domain.api import Identity
from runtime.live.callers.identity import Session
from runtime.live.limits import Limits
from tests.live import bed
from tests.live.protocol import streams
from tests.live.protocol.client import Client, Ended
from tests.live.protocol.probe import Bump, plain, streaming
from tests.live.protocol.test_connection import Gate
from tests.patience import PATIENCE_S

PAGE = "https://page.example"
FOLLOW = "subscription($c: String!) { total(counter: $c) { row { value } } }"


def until(true: Callable[[], bool], what: str, within_s: float = PATIENCE_S) -> None:
    """Wait for something to become true."""
    ends = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < ends, what
        time.sleep(0.02)


@pytest.fixture(scope="module")
def gateway() -> Iterator[bed.Bed]:
    with bed.running(streaming, origins=(PAGE,), limits=Limits(operations_per_connection=5, outbox_bytes=200_000)) as running:
        yield running


def connected(gateway: bed.Bed, origin: str | None = None) -> Client:
    return Client(gateway.socket_url, origin=origin)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"{PAGE}.evil.example", "http://page.example"])
def test_a_page_of_another_site_is_refused_at_the_handshake(gateway: bed.Bed, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connected(gateway, origin)
    assert refused.value.response.status_code == 403


def test_an_allowed_page_and_a_program_without_a_page_are_let_in(gateway: bed.Bed) -> None:
    for origin in (PAGE, None):
        with connected(gateway, origin) as client:
            assert client.greet().answer("1", "{hello}")["data"]


def test_a_message_of_10_mb_ends_its_connection_and_is_never_held(gateway: bed.Bed) -> None:
    with connected(gateway) as other, connected(gateway) as client:
        other.greet()
        client.greet()
        try:
            client.say(b"x" * 10_000_000)
            ending = client.ending()
        except Ended as ended:
            ending = ended.ending
        assert ending[0] in (1009, 1006), "1006: cut off while it was still sending"
        assert other.alive()


def test_a_message_just_over_the_bound_is_told_so(gateway: bed.Bed) -> None:
    with connected(gateway) as client:
        client.greet()
        client.say(json.dumps({"type": "ping", "payload": {"a": "x" * (128 * 1024 - 50)}}))
        assert client.hear()["type"] == "pong"
        client.say(json.dumps({"type": "ping", "payload": {"a": "x" * 128 * 1024}}))
        assert client.ending()[0] == 1009


def test_one_operation_too_many_is_refused_and_the_others_go_on(gateway: bed.Bed) -> None:
    with connected(gateway) as client:
        client.greet()
        for number in range(5):
            client.ask(str(number), "query { slow(seconds: 0.7) }")
        client.ask("6", "{hello}")
        refused = client.hear()
        assert (refused["type"], refused["id"], refused["payload"][0]["extensions"]["code"]) == ("error", "6", "LIMIT_EXCEEDED")
        heard = [client.hear() for _ in range(10)]
        assert sorted({message["id"] for message in heard}) == ["0", "1", "2", "3", "4"]
        assert client.answer("6", "{hello}")["data"]


def test_connections_over_their_number_are_refused_at_the_handshake() -> None:
    with bed.running(plain, limits=Limits(connections_per_identity=2, init_timeout_s=30)) as gateway:
        with connected(gateway) as one, connected(gateway) as two:
            one.greet()
            two.greet()
            with pytest.raises(InvalidStatus) as refused:
                connected(gateway)
            assert refused.value.response.status_code == 503
        until(lambda: gateway.gateway.figures()["connections"] == 0, "the places were not given back")
        with connected(gateway) as three:
            three.greet()


def test_a_silent_connection_makes_room_for_one_that_speaks() -> None:
    with bed.running(plain, limits=Limits(waiting_connections=2, init_timeout_s=30)) as gateway:
        silent = [connected(gateway) for _ in range(2)]
        with connected(gateway) as client:
            client.greet()
            assert silent[0].ending() == (4408, "Connection initialisation timeout")
        for each in silent:
            each.close()


def test_also_a_connection_whose_token_is_being_looked_at_makes_room() -> None:
    gate = Gate()
    with bed.running(plain, verifier=gate, limits=Limits(waiting_connections=1, init_timeout_s=30)) as gateway:
        with connected(gateway) as first:
            first.say({"type": "connection_init", "payload": {"token": "slow"}})
            assert gate.asked.wait(10)
            with connected(gateway) as second:
                assert first.ending() == (1013, "Too many connections")
                gate.go.set()
                second.greet()
        until(lambda: gateway.gateway.figures()["connections"] == 0, "somebody stayed")


def test_a_token_that_ends_takes_the_connection_with_it_and_nothing_comes_after(gateway: bed.Bed) -> None:
    with connected(gateway) as client:
        client.greet({"token": gateway.tokens.sign("ann", ttl_s=1.0)})
        client.ask("1", "subscription { count(to: 1000000, everyS: 0.02) }")
        client.ask("2", FOLLOW, c="ending")
        started = time.monotonic()
        assert client.ending() == (4403, "Token expired")
        assert time.monotonic() - started < 5
    until(lambda: not streams.OPEN, "the generator goes on")


class Revocable:
    """A verifier whose sessions somebody revokes."""

    def __init__(self) -> None:
        self.gone = False

    def verify(self, token: str) -> Session:
        return Session(Identity("ann"), None, "key", "token")

    def revoked(self, session: Session) -> bool:
        return self.gone


def test_a_revoked_token_takes_the_connection_with_it() -> None:
    verifier = Revocable()
    with bed.running(plain, verifier=verifier, limits=Limits(revocation_poll_s=0.2)) as gateway, connected(gateway) as client:
        client.greet({"token": "any"})
        assert client.alive()
        verifier.gone = True
        assert client.ending() == (4403, "Token revoked")


def test_a_client_that_asks_and_does_not_read_is_too_slow_and_the_others_do_not_notice(gateway: bed.Bed) -> None:
    with connected(gateway) as stuck, connected(gateway) as good:
        stuck.greet()
        good.greet()
        slowest_s = 0.0
        try:
            for number in range(500):
                stuck.say({"type": "ping", "payload": {"a": "x" * 60_000}})
                if number % 10 == 0:
                    started = time.monotonic()
                    assert good.alive()
                    slowest_s = max(slowest_s, time.monotonic() - started)
            ending = stuck.ending()
        except Ended as ended:
            ending = ended.ending
        assert ending in ((1013, "Too slow"), (1006, ""))
        assert slowest_s < 5
        assert good.alive()


def test_a_generator_waits_for_a_client_that_does_not_read(gateway: bed.Bed) -> None:
    with connected(gateway) as client:
        client.greet().ask("1", "subscription { flood(size: 50000) }")
        made = stopped()
        assert 0 < made < 2_000, "the generator went on into memory"
        for _ in range(made):
            client.hear()
        until(lambda: streams.MADE["flood"] > made, "the generator does not go on")


def test_a_generator_that_never_waits_keeps_nobody_waiting_and_stops_when_it_is_told(gateway: bed.Bed) -> None:
    with connected(gateway) as client, connected(gateway) as other:
        other.greet()
        client.greet()
        for id in ("1", "2", "3"):
            client.ask(id, "subscription { flood(size: 10) }")
            for _ in range(300):
                assert client.hear()["id"] == id
            assert other.alive()
            client.complete(id)
            assert client.alive() and other.alive()
            made = stopped()
            assert stopped() == made


def stopped() -> int:
    """How far the flood had come when it stopped for a while."""
    made, since = 0, time.monotonic()
    while time.monotonic() - since < 1.0:
        if streams.MADE["flood"] != made:
            made, since = streams.MADE["flood"], time.monotonic()
        time.sleep(0.02)
    return made


def test_a_live_row_shows_its_newest_state_once_a_congested_client_reads_again(gateway: bed.Bed) -> None:
    with connected(gateway) as client:
        client.greet().ask("live", FOLLOW, c="late")
        assert client.hear()["id"] == "live"
        client.ask("flood", "subscription { flood(size: 50000) }")
        stopped()
        assert gateway.call(gateway.gateway.figures)["congested"] == 1
        for _ in range(20):
            gateway.send(Bump("late", 1))
        gateway.settle()
        values = []
        while 20 not in values:
            message = client.hear()
            if message["id"] == "live":
                values.append(message["payload"]["data"]["total"]["row"]["value"])
        assert values == sorted(values)
        assert len(values) < 20, "what was over was sent all the same"


@pytest.mark.long
def test_a_client_that_never_reads_again_does_not_keep_its_socket(gateway: bed.Bed) -> None:
    """Its close frame never leaves; it is cut off all the same, or sockets would pile up that nobody counts."""
    stuck = connected(gateway).greet()
    held = gateway.serving._server.server_state.connections
    before = len(held)
    try:
        for _ in range(400):
            stuck.say({"type": "ping", "payload": {"a": "x" * 60_000}})
    except Ended:
        pass
    until(lambda: len(held) < before, "the socket is still there", 40.0)
    stuck.close()


def test_a_flood_of_messages_is_slowed_down_and_every_one_is_answered() -> None:
    with bed.running(plain, limits=Limits(messages_per_second=50)) as gateway, connected(gateway) as client:
        client.greet()
        started = time.monotonic()
        for _ in range(600):  # 500 may come at once
            client.say({"type": "ping"})
        for _ in range(600):
            assert client.hear()["type"] == "pong"
        assert time.monotonic() - started > 1.5


def test_shutdown_says_1001_before_the_server_goes() -> None:
    with bed.running(streaming) as gateway:
        client = connected(gateway).greet()
        client.ask("1", "subscription { count(to: 1000000, everyS: 0.02) }")
        client.hear()
        gateway.drain()
        assert client.ending() == (1001, "Going away")
        with pytest.raises(InvalidStatus) as refused:
            connected(gateway)
        assert refused.value.response.status_code == 503
        client.close()
    until(lambda: not streams.OPEN, "the generator goes on")


def test_a_change_is_rendered_once_for_all_who_ask_the_same() -> None:
    with bed.running(plain) as gateway:
        clients = [connected(gateway).greet() for _ in range(5)]
        for number, client in enumerate(clients):
            client.ask(f"id {number}", FOLLOW, c="shared")
            assert client.hear()["id"] == f"id {number}"
        before = gateway.hub.figures()["renders"]
        gateway.send(Bump("shared", 7))
        for number, client in enumerate(clients):
            message = client.hear()
            assert (message["id"], message["payload"]["data"]["total"]["row"]) == (f"id {number}", {"value": 7})
            client.close()
        assert gateway.hub.figures()["renders"] == before + 1


def test_a_client_that_cannot_change_its_operation_goes_on_from_a_cursor_in_connection_init(gateway: bed.Bed) -> None:
    every = "subscription { totalRows { reset changed { key row { value } } cursor } }"
    with connected(gateway) as client:
        client.greet().ask("rows", every)
        cursor = client.hear()["payload"]["data"]["totalRows"]["cursor"]
    gateway.send(Bump("away", 3))
    gateway.settle()
    with connected(gateway) as client:
        client.greet({"resume": {"rows": cursor}}).ask("rows", every)
        told = client.hear()["payload"]["data"]["totalRows"]
        assert (told["reset"], told["changed"]) == (False, [{"key": "away", "row": {"value": 3}}])
        client.say({"type": "complete", "id": "rows"})
        client.ask("rows", every)  # the id again: another question, from its beginning
        assert client.hear()["payload"]["data"]["totalRows"]["reset"]
