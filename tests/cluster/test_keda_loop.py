"""The real KEDA takes a toy projector from zero to many and back, on a real broker that grants each user what was granted and no more.

The trigger's login comes from a Secret by a TriggerAuthentication, as a stack declares it.
"""

import contextlib
import time
from collections.abc import Iterator

import pytest
from kafka import KafkaAdminClient, KafkaProducer, errors
from kafka.structs import OffsetAndMetadata, TopicPartition

from providers.kafka.rights import Right, grant
from tests.cluster.api import Object, secret, wait
from tests.cluster.cluster import Cluster
from tests.cluster.things import container, deployment, thing
from tests.servers import kafka
from tests.servers.kafka_security import PASSWORDS

pytestmark = pytest.mark.cluster
PARTITIONS, LAG = 3, 10
AUTHENTICATION = {"sasl": "sasl", "username": "username", "password": "password", "tls": "tls", "ca": "ca"}


@pytest.fixture(scope="module")
def broker() -> Iterator[kafka.KafkaServer]:
    with kafka.running(secured=True) as server:
        yield server


@pytest.fixture
def admin(broker: kafka.KafkaServer) -> Iterator[KafkaAdminClient]:
    with contextlib.closing(KafkaAdminClient(bootstrap_servers=broker.bootstrap)) as client:
        yield client


def rights(topic: str) -> list[Right]:
    """What a projector and KEDA need, and nothing else."""
    return [
        Right("User:projector", "topic", "read", topic),
        Right("User:projector", "group", "read", topic),
        Right("User:scaler", "topic", "describe", topic),
        Right("User:scaler", "group", "describe", topic),
    ]


def prepare(admin: KafkaAdminClient, topic: str) -> None:
    """A topic, and a group of its name at its begin."""
    admin.create_topics({topic: {"num_partitions": PARTITIONS, "replication_factor": 1}})
    first = {TopicPartition(topic, number): OffsetAndMetadata(0, "", -1) for number in range(PARTITIONS)}
    wait(lambda: altered(admin, topic, first), "the group's first offsets", 30)


def altered(admin: KafkaAdminClient, group: str, offsets: dict[TopicPartition, OffsetAndMetadata]) -> bool:
    try:
        return all(error is errors.NoError for error in admin.alter_group_offsets(group, offsets).values())
    except errors.CoordinatorNotAvailableError:  # the first group of a broker has it make its own topic
        return False


def publish(broker: kafka.KafkaServer, topic: str, count: int) -> None:
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap)
    for number in range(count):
        producer.send(topic, b"x", partition=number % PARTITIONS)
    producer.flush()
    producer.close()


def projector(broker: kafka.KafkaServer, topic: str, namespace: str, replicas: int | None = None) -> list[Object]:
    """Deployment (which starts with one pod unless told otherwise), ScaledObject, TriggerAuthentication and the two logins."""
    login = {name: {"valueFrom": {"secretKeyRef": {"name": "bus-projector", "key": name.lower()}}} for name in ("USERNAME", "PASSWORD")}
    values = {"TOPIC": topic, "GROUP": topic, "BOOTSTRAP": broker.secure_bootstrap, "PACE": "20"}
    main = container("python", "consume.py", values=values, env=[{"name": name, **rest} for name, rest in login.items()])
    main["volumeMounts"] = [{"name": "files", "mountPath": "/etc/trimaran/bus"}]
    files = {"name": "files", "secret": {"secretName": "bus-files"}}
    certificate = broker.authority.read_text()
    scaler = {"sasl": "plaintext", "tls": "enable", "username": "scaler", "password": PASSWORDS["scaler"], "ca": certificate}
    words = {"bootstrapServers": broker.secure_bootstrap, "consumerGroup": topic, "topic": topic, "lagThreshold": str(LAG)}
    trigger = {"type": "kafka", "metadata": words | {"offsetResetPolicy": "earliest"}, "authenticationRef": {"name": "bus"}}
    spec = {
        "scaleTargetRef": {"name": "projector"},
        "minReplicaCount": 0,
        "maxReplicaCount": PARTITIONS,
        "pollingInterval": 2,
        "cooldownPeriod": 4,
        "triggers": [trigger],
    }
    return [
        secret("bus-projector", namespace, {"username": "projector", "password": PASSWORDS["projector"]}),
        secret("bus-files", namespace, {"ca.crt": certificate}),
        secret("bus-scaler", namespace, scaler),
        deployment("projector", namespace, main, replicas, volumes=[files], terminationGracePeriodSeconds=20),
        thing("keda.sh/v1alpha1", "TriggerAuthentication", "bus", namespace, spec={"secretTargetRef": _references()}),
        thing("keda.sh/v1alpha1", "ScaledObject", "projector", namespace, spec=spec),
    ]


def _references() -> list[Object]:
    return [{"parameter": parameter, "name": "bus-scaler", "key": key} for parameter, key in AUTHENTICATION.items()]


def replicas(kube: Cluster, namespace: str) -> int:
    found = kube.api.get("apps/v1", "Deployment", "projector", namespace)
    assert found is not None
    count: int = found["spec"]["replicas"]
    return count


def handled(kube: Cluster, namespace: str) -> int:
    folder = kube.work / "pods" / namespace
    return sum((each / "log").read_text().count("handled") for each in folder.iterdir() if (each / "log").exists())


def condition(kube: Cluster, namespace: str, kind: str) -> str:
    found = kube.api.get("keda.sh/v1alpha1", "ScaledObject", "projector", namespace) or {}
    conditions = found.get("status", {}).get("conditions") or []
    return next((str(each["status"]) for each in conditions if each["type"] == kind), "")


def at_zero(kube: Cluster, namespace: str) -> bool:
    return replicas(kube, namespace) == 0 and not kube.pods(namespace)


def test_from_zero_to_all_partitions_and_back(kube: Cluster, namespace: str, broker: kafka.KafkaServer, admin: KafkaAdminClient) -> None:
    topic = f"toys-{namespace}"
    prepare(admin, topic)
    grant(admin, rights(topic))
    kube.api.apply(projector(broker, topic, namespace))
    wait(lambda: condition(kube, namespace, "Ready") == "True", "the ScaledObject is ready", 30)
    wait(lambda: at_zero(kube, namespace), "nothing to do, nobody there", 30)
    publish(broker, topic, 600)
    wait(lambda: kube.pods(namespace), "woken", 30)
    wait(lambda: replicas(kube, namespace) == PARTITIONS, "one for each partition", 60)
    wait(lambda: handled(kube, namespace) == 600, "all is handled, once", 60)
    wait(lambda: at_zero(kube, namespace), "back to zero", 60)
    assert handled(kube, namespace) == 600


def test_an_operator_that_is_killed_does_no_harm(kube: Cluster, namespace: str, broker: kafka.KafkaServer, admin: KafkaAdminClient) -> None:
    topic = f"toys-{namespace}"
    prepare(admin, topic)
    grant(admin, rights(topic))
    kube.api.apply(projector(broker, topic, namespace))
    wait(lambda: condition(kube, namespace, "Ready") == "True", "the ScaledObject is ready", 30)
    publish(broker, topic, 200)
    wait(lambda: kube.pods(namespace), "woken", 30)
    with kube.keda.operator_killed():
        before = replicas(kube, namespace)
        time.sleep(6)
        assert replicas(kube, namespace) >= min(before, 1)  # nobody takes away what works
        wait(lambda: handled(kube, namespace) == 200, "all is handled without it", 60)
    wait(lambda: at_zero(kube, namespace), "back to zero", 60)
    publish(broker, topic, 30)
    wait(lambda: handled(kube, namespace) == 230, "woken by the one that came after", 60)
    wait(lambda: at_zero(kube, namespace), "back to zero", 60)


def test_a_scaler_without_rights_wakes_nobody_and_says_so(
    kube: Cluster, namespace: str, broker: kafka.KafkaServer, admin: KafkaAdminClient
) -> None:
    topic = f"toys-{namespace}"
    prepare(admin, topic)
    grant(admin, [right for right in rights(topic) if right.principal != "User:scaler"])
    kube.api.apply(projector(broker, topic, namespace, replicas=0))
    publish(broker, topic, 50)
    wait(lambda: condition(kube, namespace, "Ready") == "False", "the ScaledObject is not ready", 30)
    wait(lambda: any("ErrTopicAuthorizationFailed" in each or "not authorized" in each for each in kube.api.events(namespace)), "why", 10)
    time.sleep(5)
    assert at_zero(kube, namespace)
