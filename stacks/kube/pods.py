"""A pod of the one image: what it may do is nothing but what its grants say, as a user that owns nothing on a disk that cannot be written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stacks.cloud import FromSecret, Value
from stacks.description import Role
from stacks.kube.names import Manifest
from stacks.kube.probes import probes

USER = 10001  # of the image; nobody's number on a usual node
GRACE_S = 40  # the gateway closes its sockets, a projector ends its batch
LEAVING_S = 5  # whoever is called goes on until nobody calls any more: a Service forgets a pod that ends within seconds, not at once
BUS_FILES = "/etc/trimaran/bus"
SIZES = {  # (cpu asked, memory asked, memory at most); no limit on cpu, which would only slow a pod down on an idle node
    "gateway": ("250m", "192Mi", "768Mi"),
    "relay": ("100m", "128Mi", "384Mi"),
    "projector": ("500m", "256Mi", "1Gi"),
    "prepare": ("250m", "256Mi", "1Gi"),
}
SPREAD = ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
SECRETS = "trimaran.dev/secret-"


@dataclass(frozen=True)
class Pod:
    """One kind of pod, as plain data; `image` and a secret's `version` may be known later than the rest."""

    component: str
    account: str
    labels: Mapping[str, str]
    image: Any
    role: Role
    env: Mapping[str, Value]
    arguments: tuple[str, ...] = ()
    files: FromSecret | None = None
    priority: str = ""
    restart: str = "Always"
    annotations: Mapping[str, Any] = field(default_factory=dict)


def template(pod: Pod) -> Manifest:
    """The pod's template."""
    return {"metadata": {"labels": dict(pod.labels), "annotations": {**pod.annotations, **_versions(pod)}}, "spec": _spec(pod)}


def secrets_of(pod: Pod) -> list[FromSecret]:
    """What the pod reads from secrets, as variables and as files."""
    return [value for value in (*pod.env.values(), pod.files) if isinstance(value, FromSecret)]


def _versions(pod: Pod) -> dict[str, Any]:
    """The versions of these secrets: a changed secret is a changed template, and says nothing of what is in it."""
    return {f"{SECRETS}{value.name}": value.version for value in secrets_of(pod)}


def _spec(pod: Pod) -> Manifest:
    files = [{"name": "bus", "secret": {"secretName": pod.files.name, "defaultMode": 0o444}}] if pod.files else []
    priority = {"priorityClassName": pod.priority} if pod.priority else {}
    return {
        "serviceAccountName": pod.account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": pod.restart,
        "terminationGracePeriodSeconds": GRACE_S,
        **priority,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **({} if pod.restart == "Never" else {"topologySpreadConstraints": [_spread(key, pod.labels) for key in SPREAD]}),
        "containers": [_container(pod)],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}, *files],
    }


def _spread(key: str, labels: Mapping[str, str]) -> Manifest:
    return {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": dict(labels)}}


def _container(pod: Pod) -> Manifest:
    cpu, memory, most = SIZES[pod.component]
    mounts: list[Manifest] = [{"name": "tmp", "mountPath": "/tmp"}]
    if pod.files:
        mounts.append({"name": "bus", "mountPath": BUS_FILES, "readOnly": True})
    ports = [{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in pod.role.ports.items()]
    return {
        "name": pod.component,
        "image": pod.image,
        "command": [*pod.role.command, *pod.arguments],
        "workingDir": "/app",
        "env": [*(_variable(name, value) for name, value in pod.env.items()), *_address(pod.role.ports), *_leaving(pod.role)],
        **({"ports": ports} if ports else {}),
        "resources": {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": most}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        **probes(pod.role.probes, pod.role.ports.get("probes", 0)),
        "volumeMounts": mounts,
    }


def _variable(name: str, value: Value) -> Manifest:
    if isinstance(value, FromSecret):
        return {"name": name, "valueFrom": {"secretKeyRef": {"name": value.name, "key": value.key}}}
    return {"name": name, "value": value}


def _address(ports: Mapping[str, int]) -> list[Manifest]:
    """Where a role listens: on the pod's own address."""
    names = {"http": "TRIMARAN_PORT", "probes": "TRIMARAN_PROBES"}
    said = [{"name": names[name], "value": str(port)} for name, port in ports.items()]
    own: list[Manifest] = [{"name": "TRIMARAN_HOST", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}] if ports else []
    return own + said


def _leaving(role: Role) -> list[Manifest]:
    """How long a role that is called goes on after it was told to end, where it knows of it."""
    name = "TRIMARAN_LINGER_S"
    return [{"name": name, "value": str(LEAVING_S)}] if name in role.environment else []
