"""That the emulated services behave as their documentation says, where a client or a function could tell."""

import asyncio
import json
import time
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from providers.aws.signing import Credentials
from providers.aws.sockets import ApiGatewaySockets
from providers.azure.sockets import WebPubSubSockets
from runtime.errors import Unavailable
from runtime.ports.sockets import Calls, Frame, Gone, Opened, Opening, Reply
from tests.gateways.rooms import Loop, api_gateway, web_pubsub
from tests.gateways.sigv4 import Keys
from tests.gateways.webpubsub import HUB

PROTOCOL = Subprotocol("graphql-transport-ws")


class Function(Calls):
    """Does what a frame says: waits, fails, answers."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.at: list[float] = []
        self.status = 200
        self.early: Any = None
        self.sockets: Any = None

    async def connect(self, opening: Opening) -> Opened:
        if self.sockets is not None:
            try:
                await asyncio.to_thread(self.sockets.send, opening.connection, "too early")
            except Gone as gone:
                self.early = gone
        return Opened(self.status, PROTOCOL)

    async def message(self, frame: Frame) -> Reply:
        said = frame.data if isinstance(frame.data, str) else "binary"
        if said == "fail":
            raise RuntimeError
        if said.startswith("wait "):
            await asyncio.sleep(float(said[5:]))
        self.heard.append(said)
        self.at.append(frame.at)
        return Reply(f"{said} with {frame.state or 'nothing'}", state=said)

    async def disconnect(self, connection: str, at: float) -> None:
        self.heard.append("disconnect")


def opening(url: str) -> Any:
    return connect(url, subprotocols=[PROTOCOL], ping_interval=None, compression=None)


def until(true: Any) -> None:
    late = time.monotonic() + 20
    while not true():
        assert time.monotonic() < late
        time.sleep(0.01)


def test_amazon_runs_a_function_for_each_frame_at_once_and_in_any_order() -> None:
    function = Function()
    with Loop() as loop:
        service = api_gateway(loop, lambda endpoint, keys: function, seed=3, delay_s=0.1)
        with opening(service.url) as client:
            for number in range(20):
                client.send(str(number))
            until(lambda: len(function.heard) == 20)
        assert function.heard != [str(number) for number in range(20)]
        assert sorted(function.heard, key=int) == [str(number) for number in range(20)]
        order = [at for _, at in sorted(zip(map(int, function.heard), function.at, strict=True))]
        assert order == sorted(order)  # but the service says when it got each
        until(lambda: "disconnect" in function.heard)


def test_amazon_says_internal_server_error_for_a_function_that_fails_or_is_late() -> None:
    function = Function()
    with Loop() as loop:
        service = api_gateway(loop, lambda endpoint, keys: function, function_s=0.3)
        with opening(service.url) as client:
            for said in ("fail", "wait 2"):
                client.send(said)
                told = json.loads(client.recv(timeout=10))
                assert (told["message"], set(told)) == ("Internal server error", {"message", "connectionId", "requestId"})
        assert service.failures == 2


def test_amazon_bounds_frames_and_takes_no_binary_ones_and_closes_with_1000_only() -> None:
    function = Function()
    keys = Keys()
    with Loop() as loop:
        service = api_gateway(loop, lambda endpoint, keys: function)
        sockets = ApiGatewaySockets(service.endpoint, region=keys.region, credentials=lambda: Credentials(keys.access_key, keys.secret_key))
        for said, code in ((b"binary", 1003), ("x" * 33_000, 1009)):
            with opening(service.url) as client:
                client.send(said)
                with pytest.raises(ConnectionClosed):
                    client.recv(timeout=10)
                assert client.close_code == code
        with opening(service.url) as client:
            until(lambda: len(service.open.ids()) == 1)
            sockets.close(service.open.ids()[0])
            with pytest.raises(ConnectionClosed):
                client.recv(timeout=10)
            assert (client.close_code, client.close_reason) == (1000, "")
        sockets.shut()


def test_amazon_does_not_know_a_connection_before_connect_has_answered_and_refuses_wrong_signatures() -> None:
    function, keys = Function(), Keys()
    with Loop() as loop:
        service = api_gateway(loop, lambda endpoint, keys: function)
        good = ApiGatewaySockets(service.endpoint, region=keys.region, credentials=lambda: Credentials(keys.access_key, keys.secret_key))
        wrong = ApiGatewaySockets(service.endpoint, region=keys.region, credentials=lambda: Credentials(keys.access_key, "another"))
        function.sockets = good
        with opening(service.url):
            assert isinstance(function.early, Gone)
            until(lambda: len(service.open.ids()) == 1)
            with pytest.raises(Unavailable, match="ManageConnections"):
                wrong.send(service.open.ids()[0], "hello")
        function.status, function.sockets = 403, None
        with pytest.raises(InvalidStatus) as refused, opening(service.url):
            pass
        assert refused.value.response.status_code == 403
        good.shut()
        wrong.shut()


def test_azure_hands_over_one_message_after_the_other_with_the_state_that_was_kept() -> None:
    function = Function()
    with Loop() as loop:
        service = web_pubsub(loop, lambda endpoint, key: function, seed=3, delay_s=0.02)
        with opening(service.url) as client:
            for said in ("wait 0.3", "one", "two"):
                client.send(said)
            assert [client.recv(timeout=10) for _ in range(3)] == ["wait 0.3 with nothing", "one with wait 0.3", "two with one"]
            client.send(b"binary")
            assert client.recv(timeout=10) == "binary with two"
        until(lambda: function.heard[-1] == "disconnect")


def test_azure_drops_a_connection_whose_event_was_not_answered_and_refuses_wrong_tokens() -> None:
    function = Function()
    with Loop() as loop:
        service = web_pubsub(loop, lambda endpoint, key: function)
        wrong = WebPubSubSockets(service.endpoint, "another access key, just as long as the real one", HUB)
        with opening(service.url) as client:
            until(lambda: len(service.open.ids()) == 1)
            with pytest.raises(Unavailable, match="access key"):
                wrong.send(service.open.ids()[0], "hello")
            client.send("fail")
            with pytest.raises(ConnectionClosed):
                client.recv(timeout=10)
            assert client.close_code == 1006
        function.status = 401
        with pytest.raises(InvalidStatus) as refused, opening(service.url):
            pass
        assert refused.value.response.status_code == 401
        wrong.shut()
