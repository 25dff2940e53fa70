"""The Kubernetes objects of a recorded graph: found by kind and name, with their pods, containers and everything that they name."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from stacks.recording import SECRET, UNKNOWN, Registered

CLUSTER_WIDE = ("Namespace", "PriorityClass", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "IngressClass")
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod")
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


@dataclass(frozen=True)
class Object:
    """One object as the API server gets it."""

    body: dict[str, Any]
    resource: Registered

    @property
    def kind(self) -> str:
        """Such as Deployment."""
        return str(self.body.get("kind", ""))

    @property
    def name(self) -> str:
        """`metadata.name`, or the one that the provider makes of the resource's name."""
        return str(self.body.get("metadata", {}).get("name") or f"{self.resource.name}-12345678")

    @property
    def namespace(self) -> str:
        """`metadata.namespace`; "" for what has none."""
        return "" if self.kind in CLUSTER_WIDE else str(self.body.get("metadata", {}).get("namespace", "default"))

    @property
    def labels(self) -> dict[str, str]:
        """`metadata.labels`."""
        return dict(self.body.get("metadata", {}).get("labels") or {})

    @property
    def spec(self) -> dict[str, Any]:
        """`spec`, empty where there is none."""
        return dict(self.body.get("spec") or {})

    @property
    def template(self) -> dict[str, Any]:
        """The pod that it makes: metadata and spec; empty for what makes none."""
        match self.kind:
            case "Pod":
                return self.body
            case "CronJob":
                found = self.spec.get("jobTemplate", {}).get("spec", {}).get("template", {})
            case _ if self.kind in WORKLOADS:
                found = self.spec.get("template", {})
            case _:
                found = {}
        return dict(found)

    @property
    def pod(self) -> dict[str, Any]:
        """The spec of its pod."""
        return dict(self.template.get("spec") or {})

    @property
    def pod_labels(self) -> dict[str, str]:
        """The labels of its pod."""
        return dict(self.template.get("metadata", {}).get("labels") or {})

    @property
    def env(self) -> dict[str, dict[str, Any]]:
        """The environment of its first container, by name."""
        return {each["name"]: each for each in self.containers[0].get("env", [])} if self.containers else {}

    @property
    def command(self) -> list[str]:
        """Command and arguments of its first container."""
        first = self.containers[0]
        return [*first.get("command", []), *first.get("args", [])]

    @property
    def containers(self) -> list[dict[str, Any]]:
        """All containers of its pod, those that run first included."""
        return [*self.pod.get("initContainers", []), *self.pod.get("containers", [])]

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


class Objects:
    """All objects of a graph."""

    def __init__(self, resources: Iterable[Registered]) -> None:
        self.resources = list(resources)
        self.all = [Object(each.inputs, each) for each in self.resources if each.custom and "apiVersion" in each.inputs]

    def of(self, *kinds: str) -> list[Object]:
        """Those of some kinds, by name."""
        return sorted((each for each in self.all if each.kind in kinds), key=lambda each: (each.kind, each.name))

    def find(self, kind: str, name: str, namespace: str = "") -> Object | None:
        """The one of a name; in that namespace, where one is said."""
        return next((each for each in self.of(kind) if each.name == name and namespace in ("", each.namespace)), None)

    def get(self, kind: str, name: str) -> Object:
        """The one of a name, which must be there."""
        found = self.find(kind, name)
        assert found is not None, f"there is no {kind}/{name}: {', '.join(map(str, self.all))}"
        return found

    def running(self) -> list[Object]:
        """What runs for ever."""
        return self.of("Deployment", "StatefulSet", "DaemonSet")

    def workloads(self) -> list[Object]:
        """Everything that makes pods."""
        return self.of(*WORKLOADS)


@dataclass(frozen=True)
class Reference:
    """That an object names another one, and where; `key` is one of the other's data, `optional` may be missing."""

    by: Object
    path: str
    kind: str
    name: str
    key: str = ""
    optional: bool = False
    runs: bool = False  # the pod does not start without it

    def __str__(self) -> str:
        key = f" with a key {self.key!r}" if self.key else ""
        return f"{self.by}: {self.path} names {self.kind}/{self.name}{key}"


def references(objects: Objects) -> Iterator[Reference]:
    """Everything that is named by name. A name nobody knows yet is no reference."""
    for each in objects.all:
        for found in (*_of_pod(each), *_of_others(each)):
            if found.name not in ("", UNKNOWN, SECRET):
                yield found


def _of_pod(each: Object) -> Iterator[Reference]:
    pod = each.pod
    for field, kind in (("serviceAccountName", "ServiceAccount"), ("priorityClassName", "PriorityClass")):
        yield Reference(each, field, kind, str(pod.get(field, "")), runs=True)
    for secret in pod.get("imagePullSecrets", []):
        yield Reference(each, "imagePullSecrets", "Secret", secret.get("name", ""), runs=True)
    for volume in pod.get("volumes", []):
        for source in (volume, *volume.get("projected", {}).get("sources", [])):
            yield from _of_volume(each, volume.get("name", ""), source)
    for container in each.containers:
        yield from _of_container(each, container)


def _of_volume(each: Object, volume: str, source: dict[str, Any]) -> Iterator[Reference]:
    path = f"volume {volume}"
    for field, kind, naming in (
        ("secret", "Secret", "secretName"),
        ("configMap", "ConfigMap", "name"),
        ("persistentVolumeClaim", "PersistentVolumeClaim", "claimName"),
    ):
        if field not in source:
            continue
        told = source[field]
        name, optional = str(told.get(naming) or told.get("name", "")), bool(told.get("optional"))
        for item in told.get("items") or [{}]:
            yield Reference(each, path, kind, name, item.get("key", ""), optional, runs=True)


def _of_container(each: Object, container: dict[str, Any]) -> Iterator[Reference]:
    for entry in container.get("env", []):
        for field, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
            if told := entry.get("valueFrom", {}).get(field):
                yield Reference(
                    each, f"env {entry.get('name')}", kind, told.get("name", ""), told.get("key", ""), bool(told.get("optional")), runs=True
                )
    for entry in container.get("envFrom", []):
        for field, kind in (("secretRef", "Secret"), ("configMapRef", "ConfigMap")):
            if told := entry.get(field):
                yield Reference(each, "envFrom", kind, told.get("name", ""), "", bool(told.get("optional")), runs=True)


def _of_others(each: Object) -> Iterator[Reference]:
    spec = each.spec
    if each.namespace:
        yield Reference(each, "metadata.namespace", "Namespace", each.namespace, runs=True)
    match each.kind:
        case "ScaledObject" | "HorizontalPodAutoscaler":
            target = spec.get("scaleTargetRef", {})
            yield Reference(each, "scaleTargetRef", target.get("kind", "Deployment"), target.get("name", ""))
            for trigger in spec.get("triggers", []):
                told = trigger.get("authenticationRef", {})
                yield Reference(each, f"trigger {trigger.get('type')}", told.get("kind", "TriggerAuthentication"), told.get("name", ""))
        case "TriggerAuthentication":
            for told in spec.get("secretTargetRef", []):
                yield Reference(each, f"parameter {told.get('parameter')}", "Secret", told.get("name", ""), told.get("key", ""))
        case "Ingress":
            yield from _of_ingress(each, spec)
        case "HTTPRoute":
            for backend in (one for rule in spec.get("rules", []) for one in rule.get("backendRefs", [])):
                yield Reference(each, "backendRefs", "Service", backend.get("name", ""))
        case "RoleBinding" | "ClusterRoleBinding":
            role = each.body.get("roleRef", {})
            yield Reference(each, "roleRef", role.get("kind", ""), role.get("name", ""))
            for subject in each.body.get("subjects", []):
                if subject.get("kind") == "ServiceAccount":
                    yield Reference(each, "subjects", "ServiceAccount", subject.get("name", ""))
        case _:
            pass


def _of_ingress(each: Object, spec: dict[str, Any]) -> Iterator[Reference]:
    for tls in spec.get("tls", []):
        yield Reference(each, "tls", "Secret", tls.get("secretName", ""))
    backends = [path.get("backend", {}) for rule in spec.get("rules", []) for path in rule.get("http", {}).get("paths", [])]
    for backend in (*backends, spec.get("defaultBackend", {})):
        told = backend.get("service", {})
        yield Reference(each, "backend", "Service", told.get("name", ""))
