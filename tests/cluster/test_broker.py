"""The broker of the tests knows its users by every mechanism, and lets nobody do what was not granted."""

import base64
import contextlib
import json
import time
from collections.abc import Iterator

import pytest
from kafka import KafkaAdminClient, KafkaProducer, errors
from kafka.net.sasl.oauth import AbstractTokenProvider

from tests.servers import kafka
from tests.servers.kafka_security import PASSWORDS

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def broker() -> Iterator[kafka.KafkaServer]:
    with kafka.running(secured=True) as server:
        yield server


def admin(broker: kafka.KafkaServer, user: str, mechanism: str) -> KafkaAdminClient:
    return KafkaAdminClient(
        bootstrap_servers=broker.secure_bootstrap,
        security_protocol="SASL_SSL",
        sasl_mechanism=mechanism,
        sasl_plain_username=user,
        sasl_plain_password=PASSWORDS[user],
        ssl_cafile=str(broker.authority),
    )


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_users_are_known_by_every_mechanism_and_denied_by_default(broker: kafka.KafkaServer, topic: str, mechanism: str) -> None:
    with contextlib.closing(admin(broker, "admin", mechanism)) as owner:
        owner.create_topics({topic: {"num_partitions": 1, "replication_factor": 1}})
        assert topic in owner.list_topics()
    for user in ("relay", "projector", "gateway", "scaler", "stranger"):
        with contextlib.closing(admin(broker, user, mechanism)) as client:
            assert topic not in client.list_topics()


class Unsecured(AbstractTokenProvider):
    """A token that says who we are, signed by nobody: what the tests' broker takes for OAUTHBEARER."""

    def token(self) -> str:
        now = int(time.time())
        parts = ({"alg": "none"}, {"sub": "admin", "iat": now, "exp": now + 60})
        return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


def test_tokens_name_their_users_too(broker: kafka.KafkaServer, topic: str) -> None:
    client = KafkaAdminClient(
        bootstrap_servers=broker.secure_bootstrap,
        security_protocol="SASL_SSL",
        sasl_mechanism="OAUTHBEARER",
        sasl_oauth_token_provider=Unsecured(),  # type: ignore[no-untyped-call]
        ssl_cafile=str(broker.authority),
    )
    with contextlib.closing(client):
        client.create_topics({topic: {"num_partitions": 1, "replication_factor": 1}})
        assert topic in client.list_topics()


def test_killed_and_started_again_it_has_its_data(broker: kafka.KafkaServer, topic: str) -> None:
    with contextlib.closing(admin(broker, "admin", "PLAIN")) as owner:
        owner.create_topics({topic: {"num_partitions": 1, "replication_factor": 1}})
    with contextlib.closing(KafkaProducer(bootstrap_servers=broker.bootstrap, acks="all")) as producer:
        assert producer.send(topic, b"kept", partition=0).get(10).offset == 0
    broker.kill()
    broker.start()
    with contextlib.closing(KafkaProducer(bootstrap_servers=broker.bootstrap, acks="all")) as producer:
        assert producer.send(topic, b"next", partition=0).get(10).offset == 1


def test_a_topic_is_not_made_by_whom_nobody_granted_it(broker: kafka.KafkaServer, topic: str) -> None:
    with contextlib.closing(admin(broker, "relay", "PLAIN")) as client, pytest.raises(errors.KafkaError, match="Authorization"):
        client.create_topics({topic: {"num_partitions": 1, "replication_factor": 1}})
