"""Whoever Kafka refuses is told by whom and why, at once: kafka-python itself only says "Unable to bootstrap" after half a minute."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, errors

from providers.kafka.bus import KafkaBus
from providers.kafka.settings import parse
from providers.kafka.signals import KafkaSignals
from runtime.errors import Misconfigured, Unavailable
from runtime.ports import Envelope
from tests.servers import kafka

MESSAGE = [Envelope("order-1", b"order-1@1")]


@pytest.fixture(scope="module")
def secured() -> Iterator[kafka.KafkaServer]:
    with kafka.running(secured=True) as server:
        yield server


@pytest.mark.long
def test_a_user_with_rights_publishes_and_reads_over_sasl_and_tls(secured: kafka.KafkaServer, topic: str) -> None:
    bus = KafkaBus(secured.secure_url(), topic, 2)
    bus.ensure(retention_s=3600)
    bus.publish(MESSAGE)
    consumer = bus.consumer("readers")
    until = time.monotonic() + 20
    while not (found := consumer.poll(10, 0.5)):
        assert time.monotonic() < until
    assert found[0].body == b"order-1@1"
    consumer.close()
    bus.close()


@pytest.mark.long
def test_a_wrong_password_is_named_within_seconds_by_everything_that_connects(secured: kafka.KafkaServer, topic: str) -> None:
    url = secured.secure_url(password="wrong")
    bus, signals = KafkaBus(url, topic, 2), KafkaSignals(url, topic)
    attempts: list[Callable[[], object]] = [
        lambda: bus.publish(MESSAGE),
        lambda: bus.lag("readers"),
        lambda: bus.ensure(3600),
        lambda: bus.consumer("readers"),
        lambda: signals.listen().__enter__(),
    ]
    for attempt in attempts:
        started = time.monotonic()
        with pytest.raises(Misconfigured, match=r"refuses us: SaslAuthenticationFailedError.*check user, password") as refusal:
            attempt()
        assert time.monotonic() - started < 8
        assert "wrong" not in str(refusal.value)
    signals.close()
    bus.close()


def test_a_user_without_rights_is_told_which_topic(secured: kafka.KafkaServer, topic: str) -> None:
    owner = KafkaBus(secured.secure_url(), topic, 2)
    owner.ensure(retention_s=3600)
    owner.close()
    stranger = KafkaBus(secured.secure_url("stranger", "stranger"), topic, 2)
    with pytest.raises(Misconfigured, match=r"does not let us acknowledge.*TopicAuthorizationFailedError.*grant the right"):
        stranger.publish(MESSAGE)
    with pytest.raises(Misconfigured, match="missing, or we may not see it"):
        stranger.consumer("readers")
    with pytest.raises(Misconfigured, match=r"AuthorizationFailedError.*grant the right"):
        stranger.ensure(retention_s=3600)
    stranger.close()


def test_a_certificate_that_nobody_we_know_signed_is_named(secured: kafka.KafkaServer, topic: str) -> None:
    bus = KafkaBus(secured.secure_url().split("&cafile=")[0], topic, 2)
    with pytest.raises(Misconfigured, match=r"(?i)certificate_verify_failed.*cafile"):
        bus.publish(MESSAGE)
    bus.close()


def test_plain_text_to_a_tls_port_is_unavailable_and_bounded(secured: kafka.KafkaServer, topic: str) -> None:
    bus = KafkaBus(f"kafka://127.0.0.1:{secured.secure_port}?deadline_ms=3000", topic, 2)
    started = time.monotonic()
    with pytest.raises(Unavailable, match="did not connect"):
        bus.publish(MESSAGE)
    assert time.monotonic() - started < 10
    bus.close()


def test_a_missing_topic_is_never_created_by_accident(kafka_url: str, topic: str) -> None:
    bus = KafkaBus(f"{kafka_url}?deadline_ms=2000", topic, 2)
    with pytest.raises(Misconfigured, match=f"topic '{topic}' is missing"):
        bus.consumer("readers")
    with pytest.raises(Misconfigured, match=f"topic '{topic}' is missing, .*hosts.prepare bus"):
        bus.publish(MESSAGE)
    admin = KafkaAdminClient(bootstrap_servers=kafka_url.removeprefix("kafka://"))
    assert topic not in admin.list_topics()
    admin.close()
    bus.close()


def test_a_topic_with_fewer_partitions_than_asked_is_refused_with_the_way_out(kafka_url: str, topic: str) -> None:
    small = KafkaBus(kafka_url, topic, 2)
    small.ensure(retention_s=3600)
    small.ensure(retention_s=3600)
    large = KafkaBus(kafka_url, topic, 4)
    with pytest.raises(Misconfigured, match=r"has 2 partitions, 4 are asked for: .*--partitions 4\), or ask for 2"):
        large.ensure(retention_s=3600)
    small.close()
    large.close()


def test_a_compacted_topic_is_refused(kafka_url: str, topic: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=kafka_url.removeprefix("kafka://"))
    admin.create_topics({topic: {"num_partitions": 2, "replication_factor": 1, "configs": {"cleanup.policy": "compact"}}})
    admin.wait_for_topics([topic])
    admin.close()
    bus = KafkaBus(kafka_url, topic, 2)
    with pytest.raises(Misconfigured, match="is compacted"):
        bus.ensure(retention_s=3600)
    bus.close()


def test_a_created_topic_keeps_messages_for_the_retention_and_never_compacts(kafka_url: str, topic: str) -> None:
    bus = KafkaBus(kafka_url, topic, 3)
    bus.ensure(retention_s=7200)
    bus.close()
    admin = KafkaAdminClient(bootstrap_servers=kafka_url.removeprefix("kafka://"))
    from kafka.admin import ConfigResource, ConfigResourceType

    told = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all")["topic"][topic]
    assert told["retention.ms"]["value"] == "7200000"
    assert told["cleanup.policy"]["value"] == "delete"
    assert len(admin.describe_topics([topic])[0]["partitions"]) == 3
    admin.close()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("amqp://localhost:1", "'amqp' is not a Kafka URL"),
        ("kafka://localhost", "names 'localhost' as a broker: write host:port"),
        ("kafka://localhost:99999", "names 'localhost:99999' as a broker"),
        ("kafka://a:1,b", "names 'b' as a broker"),
        ("kafka://a:1?partitions=3", "unknown option 'partitions': known are security_protocol"),
        ("kafka://a:1?security_protocol=TLS", "security_protocol is 'TLS': it is PLAINTEXT, SSL"),
        ("kafka://a:1?security_protocol=SASL_SSL", "SASL_SSL needs a user and a password"),
        ("kafka://u:p@a:1?sasl_mechanism=GSSAPI", "sasl_mechanism is 'GSSAPI'"),
        ("kafka://u:p@a:1?security_protocol=PLAINTEXT", "has a user, but PLAINTEXT sends none"),
        ("kafka://a:1?security_protocol=SSL&cafile=/no/such/file", "cafile names '/no/such/file', which is no file"),
        ("kafka://a:1?session_timeout_ms=soon", "session_timeout_ms is 'soon': write milliseconds"),
        ("kafka://a:1?deadline_ms=0", "deadline_ms is '0'"),
    ],
)
def test_a_url_that_cannot_work_is_refused_with_the_way_out(url: str, told: str) -> None:
    with pytest.raises(Misconfigured) as refusal:
        parse(url)
    assert told in str(refusal.value)


def test_a_url_says_brokers_credentials_and_patience(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("")
    settings = parse(
        f"kafka://%24ConnectionString:Endpoint%3Dsb%3A%2F%2Fx%2F@a:1,[::1]:2?cafile={authority}&session_timeout_ms=6000&deadline_ms=500"
    )
    assert settings.servers == ("a:1", "[::1]:2")
    assert settings.security == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "$ConnectionString",
        "sasl_plain_password": "Endpoint=sb://x/",
        "ssl_cafile": str(authority),
    }
    assert (settings.session_timeout_ms, settings.deadline_s) == (6000, 0.5)
    assert "Endpoint" not in settings.name
    monkeypatch.setenv("TRIMARAN_KAFKA_USERNAME", "app")
    monkeypatch.setenv("TRIMARAN_KAFKA_PASSWORD", "secret")
    assert parse("kafka://a:1?security_protocol=SASL_SSL&sasl_mechanism=SCRAM-SHA-512").security["sasl_plain_password"] == "secret"
    assert parse("kafka://a:1").security == {"security_protocol": "PLAINTEXT"}


def test_a_coordinator_that_still_loads_is_asked_again(kafka_url: str, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh broker answers so for a moment: the first such answer is put in its place, the next one is the broker's own."""
    bus = KafkaBus(kafka_url, topic, 2)
    bus.ensure(retention_s=3600)
    answers: list[str] = []

    def loading(self: Any, group: str, offsets: dict[object, object]) -> object:
        answers.append(group)
        return dict.fromkeys(offsets, errors.CoordinatorLoadInProgressError) if len(answers) == 1 else told(self, group, offsets)

    told: Any = KafkaAdminClient.alter_group_offsets
    monkeypatch.setattr(KafkaAdminClient, "alter_group_offsets", loading)
    assert bus.commit_first(f"{topic}.readers") == 2
    assert answers == [f"{topic}.readers"] * 2
    bus.close()
