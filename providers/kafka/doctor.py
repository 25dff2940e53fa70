"""Examines a Kafka bus without changing it: whether the brokers answer and let us in, and whether the topics can serve."""

from typing import Any

from kafka import KafkaAdminClient, errors
from kafka.admin import ConfigResource, ConfigResourceType

from providers.kafka.link import Link
from providers.kafka.settings import parse
from runtime.errors import TrimaranError
from runtime.findings import Finding


def examine(url: str, topics: dict[str, int]) -> list[Finding]:
    """Findings about the brokers and about these topics, each with the partitions it needs."""
    settings = parse(url)
    link = Link(settings)
    try:
        admin = link.open(KafkaAdminClient)
    except TrimaranError as error:
        link.close()
        return [Finding("connection", str(error), False, "are the brokers running, and are addresses and credentials right?")]
    try:
        findings = [Finding("connection", f"brokers at {settings.name} answer")]
        for topic, partitions in topics.items():
            try:
                with link.explaining(f"describe topic {topic!r}"):
                    findings += _topic(admin, topic, partitions)
            except TrimaranError as error:
                findings.append(Finding(f"topic {topic}", str(error), False, "grant Describe, DescribeConfigs, Read and Write on it"))
        return findings
    finally:
        admin.close()
        link.close()


def _topic(admin: Any, topic: str, partitions: int) -> list[Finding]:
    what = f"topic {topic}"
    found = admin.describe_topics([topic])[0]
    error = errors.for_code(found["error_code"])
    if error is errors.UnknownTopicOrPartitionError:
        return [Finding(what, "not there yet: the first start makes it")]
    if error is not errors.NoError:
        return [Finding(what, error.__name__, False, "grant Describe, DescribeConfigs, Read and Write on it")]
    actual = len(found["partitions"])
    told = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all")
    policy = str(told["topic"][topic]["cleanup.policy"]["value"])
    return [
        Finding(what, f"{actual} partitions", actual >= partitions, f"kafka-topics --alter --topic {topic} --partitions {partitions}"),
        Finding(f"{what} policy", policy, "compact" not in policy, "set cleanup.policy=delete: compaction loses events"),
    ]
