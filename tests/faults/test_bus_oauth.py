"""OAUTHBEARER on the real broker with a token endpoint of our own, and what AWS_MSK_IAM needs: every refusal says whose it is."""

import base64
import importlib.util
import json
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, override
from urllib.parse import parse_qs, quote

import pytest

from providers.kafka import msk
from providers.kafka.bus import KafkaBus
from providers.kafka.oauth import ClientCredentials
from providers.kafka.settings import parse
from runtime.errors import Misconfigured, Unavailable
from runtime.ports import Envelope
from tests.servers import kafka
from tests.servers.process import free_port

pytestmark = pytest.mark.long

SECRET = "s3cret/with:signs"
MESSAGE = [Envelope("order-1", b"order-1@1")]


def unsecured(subject: str, life_s: float) -> str:
    """A token that Kafka's unsecured validator takes (RFC 7515, appendix A.5)."""
    now = time.time()
    parts = ({"alg": "none"}, {"sub": subject, "iat": now - 1, "exp": now + life_s})
    return ".".join([*(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts), ""])


class Endpoint:
    """Gives tokens to who knows the secret, and remembers what it was asked."""

    def __init__(self) -> None:
        self.status, self.life_s = 200, 300.0
        self.answer: dict[str, Any] = {}
        self.asked: list[dict[str, list[str]]] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                status, body = endpoint.reply(self.headers["Authorization"], self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            @override
            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/token"

    def reply(self, login: str, body: bytes) -> tuple[int, dict[str, Any]]:
        self.asked.append(parse_qs(body.decode()))
        user, _, password = base64.b64decode(login.removeprefix("Basic ")).decode().partition(":")
        if password != quote(SECRET, safe=""):
            return 401, {"error": "invalid_client", "error_description": "no such client"}
        if self.status != 200 or self.answer:
            return self.status, self.answer
        return 200, {"access_token": unsecured(user, self.life_s), "expires_in": 300, "token_type": "Bearer"}

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.close()


@pytest.fixture(scope="module")
def secured() -> Iterator[kafka.KafkaServer]:
    with kafka.running(secured=True) as server:
        yield server


def oauth_url(server: kafka.KafkaServer, endpoint: str, secret: str = SECRET) -> str:
    plain = server.secure_url("admin", secret)
    return plain.replace(
        "sasl_mechanism=PLAIN", f"sasl_mechanism=OAUTHBEARER&oauth_endpoint={quote(endpoint)}&oauth_scope=bus&deadline_ms=6000"
    )


def test_a_client_with_tokens_publishes_and_reads_and_asks_for_one_token(
    secured: kafka.KafkaServer, endpoint: Endpoint, topic: str
) -> None:
    bus = KafkaBus(oauth_url(secured, endpoint.url), topic, 1)
    bus.ensure(3600)
    bus.publish(MESSAGE)
    consumer = bus.consumer("readers")
    until = time.monotonic() + 30
    while not (found := consumer.poll(10, 0.5)):
        assert time.monotonic() < until
    assert found[0].body == b"order-1@1"
    assert endpoint.asked == [{"grant_type": ["client_credentials"], "scope": ["bus"]}]
    consumer.close()
    bus.close()


def test_a_wrong_secret_is_told_as_the_token_endpoints_refusal(secured: kafka.KafkaServer, endpoint: Endpoint, topic: str) -> None:
    bus = KafkaBus(oauth_url(secured, endpoint.url, "wrong"), topic, 1)
    started = time.monotonic()
    with pytest.raises(
        Misconfigured, match=r"token endpoint http.*refuses client 'admin': HTTP 401 invalid_client: no such client"
    ) as told:
        bus.publish(MESSAGE)
    assert time.monotonic() - started < 10
    assert "wrong" not in str(told.value)
    bus.close()


def test_a_token_that_the_brokers_do_not_take_is_told_as_theirs(secured: kafka.KafkaServer, endpoint: Endpoint, topic: str) -> None:
    endpoint.life_s = -60.0
    bus = KafkaBus(oauth_url(secured, endpoint.url), topic, 1)
    with pytest.raises(Misconfigured, match=r"refuses us: SaslAuthenticationFailedError"):
        bus.publish(MESSAGE)
    bus.close()


def test_an_endpoint_that_is_away_is_unavailable_and_named(secured: kafka.KafkaServer, topic: str) -> None:
    away = f"http://127.0.0.1:{free_port()}/token"
    bus = KafkaBus(oauth_url(secured, away), topic, 1)
    started = time.monotonic()
    with pytest.raises(Unavailable, match=f"token endpoint {away} cannot be reached"):
        bus.publish(MESSAGE)
    assert time.monotonic() - started < 20
    bus.close()


def test_a_mechanism_that_the_brokers_do_not_have_is_named(secured: kafka.KafkaServer, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(msk, "find_spec", lambda name: object())
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    place, _, options = secured.secure_url().rpartition("@")[2].partition("?")
    bus = KafkaBus(f"kafka://{place}?{options.replace('=PLAIN', '=AWS_MSK_IAM')}&deadline_ms=6000", topic, 1)
    with pytest.raises(Misconfigured, match=r"refuses us: UnsupportedSaslMechanismError.*check user, password, mechanism"):
        bus.publish(MESSAGE)
    bus.close()


# --- tokens alone


def test_a_token_is_kept_until_shortly_before_it_expires(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("providers.kafka.oauth.time.monotonic", lambda: now[0])
    tokens = ClientCredentials(endpoint.url, "admin", SECRET)
    for later, asked in ((0.0, 1), (239.0, 1), (2.0, 2), (239.0, 2), (1.5, 3)):
        now[0] += later
        assert tokens.token()
        assert len(endpoint.asked) == asked


@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        (200, {"nothing": 1}, "SaslAuthenticationFailedError: .*without access_token"),
        (200, {"access_token": "a\x01b"}, "SaslAuthenticationFailedError: .*without access_token"),
        (400, {"error": "invalid_scope"}, "SaslAuthenticationFailedError: .*HTTP 400 invalid_scope"),
        (503, {"error": "busy"}, "KafkaConnectionError: .*HTTP 503 busy"),
    ],
)
def test_what_an_endpoint_answers_is_told(endpoint: Endpoint, status: int, answer: dict[str, Any], error: str) -> None:
    endpoint.status, endpoint.answer = status, answer
    with pytest.raises(Exception, match=error.partition(": ")[2]) as told:
        ClientCredentials(endpoint.url, "admin", SECRET).token()
    assert type(told.value).__name__ == error.partition(":")[0]
    assert SECRET not in str(told.value)


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("kafka://a:b@h:1?sasl_mechanism=OAUTHBEARER", "add oauth_endpoint=https"),
        ("kafka://a:b@h:1?sasl_mechanism=OAUTHBEARER&oauth_endpoint=http://id.example/token", "write https://"),
        ("kafka://a:b@h:1?oauth_scope=bus", "oauth_scope belongs to sasl_mechanism=OAUTHBEARER, this is PLAIN"),
        ("kafka://a:b@h:1?region=eu-west-1", "region belongs to sasl_mechanism=AWS_MSK_IAM"),
        ("kafka://h:1?sasl_mechanism=OAUTHBEARER&oauth_endpoint=https://id.example/token", "needs a user and a password"),
        ("kafka://a:b@h:1?sasl_mechanism=AWS_MSK_IAM", "no user in the Kafka URL"),
        ("kafka://h:1?sasl_mechanism=AWS_MSK_IAM&security_protocol=SASL_PLAINTEXT", "security_protocol=SASL_SSL"),
    ],
)
def test_a_url_that_cannot_work_is_refused(url: str, named: str) -> None:
    with pytest.raises(Misconfigured, match=named):
        parse(url)


def test_msk_without_botocore_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(msk, "find_spec", lambda name: None)
    with pytest.raises(Misconfigured, match="needs botocore, which is not installed"):
        parse("kafka://h:9098?sasl_mechanism=AWS_MSK_IAM")
    assert importlib.util.find_spec("msgspec") is not None  # what the check asks is there to be asked


@pytest.mark.parametrize(
    ("url", "said", "region"),
    [
        ("kafka://b-1.shop.abc.c2.kafka.eu-west-1.amazonaws.com:9098?sasl_mechanism=AWS_MSK_IAM", "", "eu-west-1"),
        ("kafka://boot-abc.c1.kafka-serverless.us-east-2.amazonaws.com:9098?sasl_mechanism=AWS_MSK_IAM", "", "us-east-2"),
        ("kafka://b-1.shop.abc.c2.kafka.eu-west-1.amazonaws.com:9098?sasl_mechanism=AWS_MSK_IAM", "us-west-1", "us-west-1"),
        ("kafka://h:9098?sasl_mechanism=AWS_MSK_IAM&region=ap-south-1", "us-west-1", "ap-south-1"),
        ("kafka://h:9098?sasl_mechanism=AWS_MSK_IAM", "", ""),
    ],
)
def test_msk_signs_for_the_region_of_option_environment_or_brokers(
    monkeypatch: pytest.MonkeyPatch, url: str, said: str, region: str
) -> None:
    monkeypatch.setattr(msk, "find_spec", lambda name: object())
    monkeypatch.setenv("AWS_REGION", "")
    monkeypatch.setenv("AWS_DEFAULT_REGION", said)
    if not region:
        with pytest.raises(Misconfigured, match="add region=eu-west-1"):
            parse(url)
    else:
        assert parse(url).security == {"security_protocol": "SASL_SSL", "sasl_mechanism": "AWS_MSK_IAM"}
        assert os.environ["AWS_DEFAULT_REGION"] == region
