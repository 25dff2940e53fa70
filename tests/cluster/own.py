"""The programs of our own that stand in for parts of a cluster: kubelet with scheduler, the services' network, the metrics server.

Each is a module, told what it needs by a file of its name, and gets an identity with the rights that its model has: a node's,
a scheduler's, or reading pods, services and namespaces.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from tests.cluster import aggregation, metrics
from tests.cluster.api import Api, Object
from tests.cluster.control_plane import NODE, ControlPlane
from tests.cluster.kubelet.life import Pauses
from tests.cluster.programs import Program
from tests.servers.process import free_port

ROOT = Path(__file__).parents[2]
READERS = "readers-of-the-network"
RULE = {"apiGroups": [""], "resources": ["pods", "services", "namespaces"], "verbs": ["get", "list", "watch"]}


def module(plane: ControlPlane, name: str, told: Mapping[str, object]) -> Program:
    """The program of a module here, told these things."""
    (plane.work / f"{name}.json").write_text(json.dumps(told))
    words = [sys.executable, "-m", f"tests.cluster.{name}", str(plane.work)]
    return Program(name, words, plane.work / "log" / f"{name}.log", {"PYTHONPATH": str(ROOT)})


def kubelet(plane: ControlPlane, block: int, pauses: Pauses) -> Program:
    """The kubelet of the only node, and the scheduler."""
    told = {
        "node": NODE,
        "block": block,
        "pauses": asdict(pauses),
        "kubelet": str(plane.identity("kubelet", f"system:node:{NODE}", "system:nodes")),
        "scheduler": str(plane.identity("scheduler", "system:kube-scheduler")),
    }
    return module(plane, "kubelet", told)


def services(plane: ControlPlane, block: int) -> Program:
    """Names, addresses and forwarders of services."""
    return module(plane, "services", {"block": block, "kubeconfig": str(plane.identity("proxy", "proxy", READERS))})


class MetricsServer:
    """Processor and memory of pods, for the autoscaler."""

    def __init__(self, plane: ControlPlane) -> None:
        self._port, self._authority = free_port(), plane.authority.certificate
        certificate, key = plane.authority.issue("metrics-server", "metrics-server", hosts=["metrics-server.kube-system.svc"])
        identity = plane.identity("metrics", "metrics", READERS)
        paths = {"kubeconfig": identity, "authority": self._authority, "certificate": certificate, "key": key}
        self.program = module(plane, "metrics", {"port": self._port} | {name: str(path) for name, path in paths.items()})

    def objects(self) -> list[Object]:
        """What tells the API server about it."""
        return aggregation.told(metrics.GROUP, metrics.VERSION, "metrics-server", "kube-system", self._port, self._authority)

    def ready(self, api: Api) -> bool:
        """Whether the API server gets answers from it."""
        return aggregation.reached(api, metrics.GROUP, metrics.VERSION)


def rights() -> list[Object]:
    """What lets the readers read."""
    kind = "rbac.authorization.k8s.io"
    role = {"apiGroup": kind, "kind": "ClusterRole", "name": READERS}
    subject = {"apiGroup": kind, "kind": "Group", "name": READERS}
    return [
        {"apiVersion": f"{kind}/v1", "kind": "ClusterRole", "metadata": {"name": READERS}, "rules": [RULE]},
        {"apiVersion": f"{kind}/v1", "kind": "ClusterRoleBinding", "metadata": {"name": READERS}, "roleRef": role, "subjects": [subject]},
    ]
