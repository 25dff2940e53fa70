"""Names, labels and metadata: the same in every plan, so that what selects finds what is selected."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

type Manifest = dict[str, Any]

NAME, INSTANCE, COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"
GROUP, TASK = "trimaran.dev/group", "trimaran.dev/task"


@dataclass(frozen=True)
class Place:
    """The namespace of one application."""

    app: str
    namespace: str

    def labels(self, component: str, group: str = "", task: str = "") -> dict[str, str]:
        """What a component's objects and pods carry; its selectors are the same."""
        more = ({GROUP: group} if group else {}) | ({TASK: task} if task else {})
        return {NAME: "trimaran", INSTANCE: self.app, COMPONENT: component} | more

    def object(
        self, kind: str, name: Any, labels: Mapping[str, str], annotations: Mapping[str, Any] | None = None, **rest: Any
    ) -> Manifest:
        """One object of this namespace."""
        metadata = {"name": name, "namespace": self.namespace, "labels": dict(labels)}
        if annotations:
            metadata["annotations"] = dict(annotations)
        return {"apiVersion": VERSIONS[kind], "kind": kind, "metadata": metadata, **rest}


VERSIONS = {
    "Namespace": "v1",
    "Secret": "v1",
    "Service": "v1",
    "ServiceAccount": "v1",
    "Deployment": "apps/v1",
    "Job": "batch/v1",
    "Ingress": "networking.k8s.io/v1",
    "HTTPRoute": "gateway.networking.k8s.io/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "PodDisruptionBudget": "policy/v1",
    "ScaledObject": "keda.sh/v1alpha1",
    "TriggerAuthentication": "keda.sh/v1alpha1",
}


def namespace(place: Place) -> Manifest:
    """The namespace, which admits no pod but a restricted one."""
    labels = {NAME: "trimaran", INSTANCE: place.app, "pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place.namespace, "labels": labels}}
