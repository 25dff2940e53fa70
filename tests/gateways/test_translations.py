"""Events as the two services send them, word for word, and what is answered; signatures, and that a wrong one is refused."""

import asyncio
import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from providers.aws import gateway as aws
from providers.aws.signing import Credentials, Signer
from providers.aws.sockets import ApiGatewaySockets
from providers.azure.gateway import Answer, Webhook
from runtime.errors import Misconfigured
from runtime.ports.sockets import Calls, Frame, Opened, Opening, Reply
from tests.gateways.sigv4 import Keys, verified
from tests.gateways.web import Asked

KEY = "an access key of the emulated resource, long enough"


class Noting(Calls):
    """Notes what it is called with and answers what it is told to."""

    def __init__(self, opened: Opened = Opened(200, "graphql-transport-ws"), reply: Reply = Reply()) -> None:  # noqa: B008  frozen
        self.opened, self.reply = opened, reply
        self.openings, self.frames, self.gone = list[Opening](), list[Frame](), list[tuple[str, float]]()

    async def connect(self, opening: Opening) -> Opened:
        self.openings.append(opening)
        return self.opened

    async def message(self, frame: Frame) -> Reply:
        self.frames.append(frame)
        return self.reply

    async def disconnect(self, connection: str, at: float) -> None:
        self.gone.append((connection, at))


# Amazon


def event(kind: str, **more: Any) -> dict[str, Any]:
    """As API Gateway's documentation shows it."""
    context = {
        "routeKey": {"CONNECT": "$connect", "MESSAGE": "$default", "DISCONNECT": "$disconnect"}[kind],
        "eventType": kind,
        "extendedRequestId": "ABCDEFGHIJKLMNO=",
        "requestTime": "14/Nov/2023:22:13:20 +0000",
        "messageDirection": "IN",
        "stage": "prod",
        "connectedAt": 1700000000000,
        "requestTimeEpoch": 1700000000250,
        "identity": {"sourceIp": "203.0.113.3"},
        "requestId": "ABCDEFGHIJKLMNO=",
        "domainName": "abcd1234.execute-api.eu-central-1.amazonaws.com",
        "connectionId": "L0SM9cOFvHcCIhw=",
        "apiId": "abcd1234",
    }
    return {"requestContext": context, "isBase64Encoded": False} | more


@pytest.mark.parametrize(
    "headers",
    [
        {"headers": {"Sec-WebSocket-Protocol": "graphql-ws, graphql-transport-ws", "Origin": "https://a.example", "Host": "h.example"}},
        {"headers": {"sec-websocket-protocol": "graphql-ws,graphql-transport-ws", "origin": "https://a.example", "host": "h.example"}},
        {
            "headers": {"SEC-WEBSOCKET-PROTOCOL": "graphql-transport-ws"},
            "multiValueHeaders": {
                "SEC-WEBSOCKET-PROTOCOL": ["graphql-ws", "graphql-transport-ws"],
                "ORIGIN": ["https://a.example"],
                "HOST": ["h.example"],
            },
        },
    ],
)
def test_amazon_connect_carries_the_protocol_in_both_directions_whatever_the_case(headers: dict[str, Any]) -> None:
    calls = Noting()
    answer = asyncio.run(aws.answer(event("CONNECT", **headers), calls))
    assert answer == {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "graphql-transport-ws"}}
    expected = Opening("L0SM9cOFvHcCIhw=", ("graphql-ws", "graphql-transport-ws"), "https://a.example", "h.example", "203.0.113.3")
    assert calls.openings == [expected]


def test_amazon_connect_without_headers_is_refused_with_a_status() -> None:
    calls = Noting(Opened(400, reason="Subprotocol not acceptable"))
    assert asyncio.run(aws.answer(event("CONNECT"), calls)) == {"statusCode": 400, "body": "Subprotocol not acceptable"}
    assert calls.openings[0].subprotocols == ()


def test_amazon_messages_and_goodbyes_are_always_answered_200() -> None:
    calls = Noting()
    assert asyncio.run(aws.answer(event("MESSAGE", body='{"type":"ping"}'), calls)) == {"statusCode": 200}
    encoded = base64.b64encode(b'{"type":"pong"}').decode()
    assert asyncio.run(aws.answer(event("MESSAGE", body=encoded) | {"isBase64Encoded": True}, calls)) == {"statusCode": 200}
    assert asyncio.run(aws.answer(event("MESSAGE"), calls)) == {"statusCode": 200}
    assert asyncio.run(aws.answer(event("DISCONNECT"), calls)) == {"statusCode": 200}
    odd = event("MESSAGE")
    odd["requestContext"]["eventType"] = "SOMETHING"
    assert asyncio.run(aws.answer(odd, calls)) == {"statusCode": 200}
    assert [frame.data for frame in calls.frames] == ['{"type":"ping"}', b'{"type":"pong"}', ""]
    assert {frame.at for frame in calls.frames} == {1700000000.25}
    assert calls.gone == [("L0SM9cOFvHcCIhw=", 1700000000.25)]


@pytest.mark.parametrize(
    ("method", "signature"),
    [
        ("GET", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),  # get-vanilla
        ("POST", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),  # post-vanilla
    ],
)
def test_the_signer_signs_as_amazons_test_suite_says(method: str, signature: str) -> None:
    """https://docs.aws.amazon.com/general/latest/gr/signature-v4-test-suite.html"""
    known = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    signer = Signer("example.amazonaws.com", "us-east-1", "service", credentials=lambda: known, now=lambda: 1440938160.0)
    assert signer.headers(method, "/", b"")["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={signature}"
    )


def test_a_signature_is_good_for_its_request_and_keys_alone() -> None:
    keys = Keys(token="a session token")
    host, path, body = "abcd1234.execute-api.eu-central-1.amazonaws.com", "/prod/@connections/L0SM9cOFvHcCIhw%3D", b"hello"
    known = Credentials(keys.access_key, keys.secret_key, keys.token)
    headers = Signer(host, keys.region, credentials=lambda: known).headers("POST", path, body)
    assert verified(Asked("POST", path, headers, body), keys, host)
    assert not verified(Asked("DELETE", path, headers, body), keys, host)
    assert not verified(Asked("POST", path.replace("3D", "3d"), headers, body), keys, host)
    assert not verified(Asked("POST", path, headers, b"hallo"), keys, host)
    assert not verified(Asked("POST", path, headers | {"x-amz-security-token": "another"}, body), keys, host)
    assert not verified(Asked("POST", path, headers, body), Keys(secret_key="another", token=keys.token), host)
    late = Signer(host, keys.region, credentials=lambda: known, now=lambda: 1.0).headers("POST", path, body)
    assert not verified(Asked("POST", path, late, body), keys, host)


def test_the_region_is_read_from_the_endpoint_or_asked_for() -> None:
    ApiGatewaySockets("https://abcd1234.execute-api.eu-central-1.amazonaws.com/prod").shut()
    with pytest.raises(Misconfigured, match="does not tell its region"):
        ApiGatewaySockets("https://sockets.example/prod")


# Azure


def signature(connection: str, key: str = KEY) -> str:
    return f"sha256={hmac.digest(key.encode(), connection.encode(), hashlib.sha256).hex()}"


def headers(kind: str, connection: str = "abc", **more: str) -> dict[str, str]:
    """As Web PubSub's documentation shows them."""
    return {
        "WebHook-Request-Origin": "trimaran.webpubsub.azure.com",
        "ce-specversion": "1.0",
        "ce-type": kind,
        "ce-source": f"/hubs/graphql/client/{connection}",
        "ce-id": "1",
        "ce-time": "2023-11-14T22:13:20.25Z",
        "ce-signature": f"sha256={'0' * 64},{signature(connection)}",
        "ce-hub": "graphql",
        "ce-connectionId": connection,
        "ce-eventName": kind.rpartition(".")[2],
        "Content-Type": "text/plain; charset=utf-8",
    } | more


CONNECT, MESSAGE, CONNECTED, DISCONNECTED = (
    "azure.webpubsub.sys.connect",
    "azure.webpubsub.user.message",
    "azure.webpubsub.sys.connected",
    "azure.webpubsub.sys.disconnected",
)


def ask(calls: Calls, method: str, given: dict[str, str], body: bytes = b"", **how: Any) -> Answer:
    return asyncio.run(Webhook(calls, [KEY, "the other key"], **how).answer(method, given, body))


def test_azure_abuse_protection_is_answered_for_services_that_may_post() -> None:
    given = {"WebHook-Request-Origin": "trimaran.webpubsub.azure.com"}
    answer = ask(Noting(), "OPTIONS", given)
    assert (answer.status, answer.headers) == (200, {"WebHook-Allowed-Origin": "trimaran.webpubsub.azure.com"})
    assert ask(Noting(), "OPTIONS", given, origins=("other.webpubsub.azure.com",)).status == 403
    assert ask(Noting(), "OPTIONS", {}).status == 403


def test_azure_connect_answers_with_protocol_and_user() -> None:
    calls = Noting()
    body = {"claims": {}, "query": {}, "headers": {"Origin": ["https://a.example"]}, "subprotocols": ["graphql-transport-ws"]}
    answer = ask(calls, "POST", headers(CONNECT), json.dumps(body).encode())
    assert answer.status == 200
    assert json.loads(answer.body) == {"subprotocol": "graphql-transport-ws", "userId": "abc"}
    assert calls.openings == [Opening("abc", ("graphql-transport-ws",), "https://a.example")]
    refused = ask(Noting(Opened(403, reason="Origin not allowed")), "POST", headers(CONNECT), json.dumps(body).encode())
    assert (refused.status, refused.body) == (403, b"Origin not allowed")
    assert ask(Noting(), "POST", headers(CONNECT), b"[]").status == ask(Noting(), "POST", headers(CONNECT), b"x").status == 400


def test_azure_messages_are_answered_with_one_frame_or_none() -> None:
    calls = Noting(reply=Reply('{"type":"pong"}'))
    answer = ask(calls, "POST", headers(MESSAGE), '{"type":"ping","payload":{"ü":1}}'.encode())
    assert (answer.status, answer.body) == (200, b'{"type":"pong"}')
    binary = headers(MESSAGE) | {"Content-Type": "application/octet-stream"}
    assert ask(calls, "POST", binary, b"\xff").status == 200
    assert ask(Noting(), "POST", headers(MESSAGE), b"{}").status == 204
    assert calls.frames == [Frame("abc", '{"type":"ping","payload":{"ü":1}}', 1700000000.25), Frame("abc", b"\xff", 1700000000.25)]


def test_azure_keeps_state_that_only_we_can_write_and_only_for_its_connection() -> None:
    calls = Noting(reply=Reply(state='{"phase":"ready","ü":1}'))
    state = ask(calls, "POST", headers(MESSAGE), b"{}").headers["ce-connectionState"]
    state.encode("ascii")
    ask(calls, "POST", headers(MESSAGE, **{"ce-connectionState": state}), b"{}")
    ask(calls, "POST", headers(MESSAGE, "other", **{"ce-connectionState": state}), b"{}")
    body, _, seal = state.partition(".")
    forged = base64.urlsafe_b64encode(b'{"phase":"ready"}').decode()
    for wrong in (f"{forged}.{seal}", f"{body}.{'0' * 64}", body, "", "ü.ü"):
        ask(calls, "POST", headers(MESSAGE, **{"ce-connectionState": wrong}), b"{}")
    assert [frame.state for frame in calls.frames] == ["", '{"phase":"ready","ü":1}', "", "", "", "", "", ""]


def test_azure_goodbyes_are_heard_and_events_that_nobody_signed_are_not() -> None:
    calls = Noting()
    assert ask(calls, "POST", headers(CONNECTED)).status == ask(calls, "POST", headers(DISCONNECTED)).status == 204
    assert calls.gone == [("abc", 1700000000.25)]
    for wrong in ("", "sha256=", f"sha256={'0' * 64}", signature("other"), signature("abc", "a third key"), "ü"):
        assert ask(calls, "POST", headers(DISCONNECTED) | {"ce-signature": wrong}).status == 401
    assert ask(calls, "POST", headers(DISCONNECTED) | {"ce-signature": signature("abc", "the other key")}).status == 204
    assert ask(calls, "POST", {}).status == 400
    assert ask(calls, "GET", {}).status == 405
    assert len(calls.gone) == 2
