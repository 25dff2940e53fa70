"""The triggers beside the lag, on the real KEDA: the hour's minute of sync, and open sockets as a gateway tells them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from hosts.probes import Probes
from hosts.vitals import Vitals
from stacks.kube.scaling import SYNC
from tests.cluster.api import Object, wait
from tests.cluster.cluster import Cluster
from tests.cluster.things import container, deployment, thing

pytestmark = pytest.mark.cluster
NAME = "scaled"
SLEEP = "__import__('time').sleep(3600)"


def scaled(namespace: str, trigger: Object, bounds: tuple[int, int]) -> list[Object]:
    """A Deployment that does nothing, and a ScaledObject with this trigger, quick in its decisions."""
    spec = {
        "scaleTargetRef": {"name": NAME},
        "minReplicaCount": bounds[0],
        "maxReplicaCount": bounds[1],
        "pollingInterval": 2,
        "cooldownPeriod": 4,
        "triggers": [trigger],
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}},
    }
    sleeping = deployment(NAME, namespace, container("python", "-c", SLEEP), bounds[0], terminationGracePeriodSeconds=0)
    return [sleeping, thing("keda.sh/v1alpha1", "ScaledObject", NAME, namespace, spec=spec)]


def replicas(kube: Cluster, namespace: str) -> int:
    found = kube.api.get("apps/v1", "Deployment", NAME, namespace)
    assert found is not None
    count: int = found["spec"]["replicas"]
    return count


def soon(metadata: Mapping[str, str], now: datetime) -> dict[str, str]:
    """The same minute of an hour, but the next one that begins."""
    begin = now + timedelta(seconds=70)  # KEDA needs some seconds to hear of it
    minutes = {"start": begin, "end": begin + timedelta(minutes=1)}
    assert all(metadata[name].endswith(" * * * *") for name in minutes)
    return {**metadata, **{name: f"{at.minute} * * * *" for name, at in minutes.items()}}


def test_the_minute_of_sync_wakes_one_and_then_lets_it_go(kube: Cluster, namespace: str) -> None:
    kube.api.apply(scaled(namespace, {"type": "cron", "metadata": soon(SYNC, datetime.now(UTC))}, (0, 4)))
    wait(lambda: replicas(kube, namespace) == 1, "woken at its minute", 90)
    wait(lambda: replicas(kube, namespace) == 0, "let go", 90)


def test_open_sockets_as_a_gateway_tells_them_ask_for_more_gateways(kube: Cluster, namespace: str) -> None:
    vitals, open_now = Vitals(), {"sockets": 0, "operations": 7}
    vitals.load = open_now.copy
    probes = Probes("127.0.0.1", 0, vitals)
    probes.start()
    try:
        told = {"url": f"http://127.0.0.1:{probes.port}/load", "format": "json", "valueLocation": "sockets", "targetValue": "500"}
        kube.api.apply(scaled(namespace, {"type": "metrics-api", "metadata": told}, (1, 3)))
        wait(lambda: replicas(kube, namespace) == 1, "one, with none open", 30)
        open_now["sockets"] = 1_400
        wait(lambda: replicas(kube, namespace) == 3, "one for each 500", 60)
        open_now["sockets"] = 0
        wait(lambda: replicas(kube, namespace) == 1, "fewer, when they have gone", 60)
    finally:
        probes.stop()
