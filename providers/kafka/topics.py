"""Creates a topic with the right policy, or says why the one that is there cannot serve.

Topics are never created by accident: a broker's default may have one partition, or compact the log, which loses events.
"""

import contextlib
from typing import Any

from kafka import errors
from kafka.admin import ConfigResource, ConfigResourceType

from runtime.errors import Misconfigured


def missing(topic: str) -> str:
    """What to say about a topic that nobody has made, or that we may not see (Kafka does not tell the two apart)."""
    return (
        f"topic {topic!r} is missing, or we may not see it: run the job prepare-bus (`python -m hosts.prepare bus`), "
        "or grant the right to read or write it"
    )


def ensure_topic(admin: Any, topic: str, partitions: int, retention_s: float) -> bool:
    """Create `topic` unless it is there (then False); raises `Misconfigured` for too few partitions or a compacted topic."""
    found = admin.describe_topics([topic])[0]
    error = errors.for_code(found["error_code"])
    absent = error is errors.UnknownTopicOrPartitionError
    if absent:
        _create(admin, topic, partitions, retention_s)
        found = admin.describe_topics([topic])[0]
        error = errors.for_code(found["error_code"])
    if error is not errors.NoError:
        raise error(topic)
    _check(admin, topic, partitions, len(found["partitions"]))
    return absent


def keep_for(admin: Any, topic: str, retention_s: float) -> bool:
    """Let the topic keep its messages for so long from now on; False when it does already."""
    wanted = str(int(retention_s * 1000))
    told = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all")
    if told["topic"][topic]["retention.ms"]["value"] == wanted:
        return False
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs={"retention.ms": wanted})])
    return True


def _create(admin: Any, topic: str, partitions: int, retention_s: float) -> None:
    configs = {"cleanup.policy": "delete", "retention.ms": str(int(retention_s * 1000))}
    with contextlib.suppress(errors.TopicAlreadyExistsError):  # another process was first; what it made is checked
        admin.create_topics({topic: {"num_partitions": partitions, "replication_factor": -1, "configs": configs}})
    admin.wait_for_topics([topic])


def _check(admin: Any, topic: str, partitions: int, actual: int) -> None:
    if actual < partitions:
        raise Misconfigured(
            f"topic {topic!r} has {actual} partitions, {partitions} are asked for: stop the relay, let the projectors finish, "
            f"add partitions (kafka-topics --alter --topic {topic} --partitions {partitions}), or ask for {actual}"
        )
    told = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all")
    policy = told["topic"][topic]["cleanup.policy"]["value"]
    if "compact" in policy:
        raise Misconfigured(
            f"topic {topic!r} is compacted (cleanup.policy={policy}) and would lose events: set cleanup.policy=delete, or use another topic"
        )
