"""The autoscaler of the cluster gets processor time from the metrics server: a busy pod is joined by others, idle ones go."""

import pytest

from tests.cluster.api import Object, wait
from tests.cluster.cluster import Cluster
from tests.cluster.things import container, deployment, thing

pytestmark = pytest.mark.cluster
BURN = "while not __import__('os').path.exists('/shared/rest'): pass\n__import__('time').sleep(3600)"


def autoscaler(namespace: str) -> Object:
    target = {"type": "Utilization", "averageUtilization": 50}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "busy"},
        "minReplicas": 1,
        "maxReplicas": 2,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
    }
    return thing("autoscaling/v2", "HorizontalPodAutoscaler", "busy", namespace, spec=spec)


def test_processor_time_scales_up_and_down(kube: Cluster, namespace: str) -> None:
    resources = {"requests": {"cpu": "50m"}}
    main = container("python", "-c", BURN, resources=resources, volumeMounts=[{"name": "shared", "mountPath": "/shared"}])
    volume = {"name": "shared", "emptyDir": {}}
    kube.api.apply([deployment("busy", namespace, main, None, volumes=[volume], terminationGracePeriodSeconds=0), autoscaler(namespace)])
    try:
        kube.available("busy", namespace, 2, timeout_s=90)
    finally:
        for pod in kube.pods(namespace):
            (kube.work / "pods" / namespace / pod["metadata"]["name"] / "volumes" / "shared" / "rest").touch()
    kube.available("busy", namespace, 1, timeout_s=90)
    wait(lambda: len(kube.pods(namespace)) == 1, "one pod is left", 20)
