"""What names something that is not there: objects, keys, ports, volumes, selectors, and resources that a resource depends on."""

from collections.abc import Collection, Iterator
from typing import Any

from stacks.recording import Registered
from tests.stacks.objects import PROBES, Object, Objects, references

EVERYWHERE = frozenset({"Namespace/default", "Namespace/kube-system", "PriorityClass/system-cluster-critical", "ServiceAccount/default"})


def dangling(resources: Collection[Registered], external: Collection[str] = ()) -> list[str]:
    """Each broken reference as a sentence. `external` are objects that others make, such as "Secret/shop-tls"."""
    objects, outside = Objects(resources), {*external, *EVERYWHERE}
    return [
        *_urns(resources),
        *_names(objects, outside),
        *_order(objects, resources, outside),
        *(each for workload in objects.workloads() for each in _within(workload)),
        *_services(objects),
    ]


def _urns(resources: Collection[Registered]) -> Iterator[str]:
    known = {each.urn for each in resources}
    for each in resources:
        for role, urn in (("parent", each.parent), ("provider", each.provider), *(("dependency", urn) for urn in each.dependencies)):
            if urn and urn not in known:
                yield f"{each.type} {each.name}: its {role} {urn} is not in the graph"


def _names(objects: Objects, outside: Collection[str]) -> Iterator[str]:
    for reference in references(objects):
        if reference.optional or f"{reference.kind}/{reference.name}" in outside:
            continue
        found = objects.find(reference.kind, reference.name, "" if reference.kind == "Namespace" else reference.by.namespace)
        if found is None:
            yield f"{reference}, which is not there"
        elif reference.key and reference.key not in keys(found):
            yield f"{reference}, which has {', '.join(sorted(keys(found))) or 'no keys'}"


def keys(found: Object) -> set[str]:
    """The keys of a Secret or ConfigMap."""
    return {key for field in ("data", "stringData", "binaryData") for key in found.body.get(field) or {}}


def _order(objects: Objects, resources: Collection[Registered], outside: Collection[str]) -> Iterator[str]:
    """A pod that starts before what it names waits, and `pulumi up` with it: the reference must be a dependency, too."""
    graph = {each.urn: each for each in resources}
    for reference in references(objects):
        found = objects.find(reference.kind, reference.name)
        if reference.runs and found and found.resource.urn not in closure(graph, reference.by.resource.urn):
            yield f"{reference}, but does not depend on it: they would be made in any order"


def closure(graph: dict[str, Registered], urn: str) -> set[str]:
    """Everything that is made before a resource."""
    seen: set[str] = set()
    todo = [urn]
    while todo:
        each = graph.get(todo.pop())
        if each is None:
            continue
        new = [*(urn for urn in (*each.dependencies, each.provider) if urn not in seen)]
        seen.update(new)
        todo += new
        if each.parent and each.parent in graph:  # what a component waits for, its children wait for
            todo.append(each.parent)
    return seen


def _within(workload: Object) -> Iterator[str]:
    volumes = {each.get("name") for each in workload.pod.get("volumes", [])}
    for container in workload.containers:
        for mount in container.get("volumeMounts", []):
            if mount.get("name") not in volumes:
                yield f"{workload}: container {container.get('name')} mounts a volume {mount.get('name')!r}, which is not there"
        ports = {each.get("name"): each.get("containerPort") for each in container.get("ports", [])}
        for probe in PROBES:
            port = container.get(probe, {}).get("httpGet", {}).get("port")
            if port is not None and port not in ports and port not in ports.values():
                yield f"{workload}: {probe} asks port {port!r}, and the container has {_list(ports)}"


def _services(objects: Objects) -> Iterator[str]:
    for service in objects.of("Service"):
        if service.spec.get("type") == "ExternalName":
            continue
        chosen = [
            each for each in objects.workloads() if each.namespace == service.namespace and selects(service.spec.get("selector"), each)
        ]
        if not chosen:
            yield f"{service}: its selector matches the pods of nothing"
        for port in service.spec.get("ports", []):
            for each in chosen:
                yield from _target(service, port, each)
    for ingress in objects.of("Ingress"):
        yield from _ingress(objects, ingress)
    for route in objects.of("HTTPRoute"):
        yield from _route(objects, route)


def selects(selector: dict[str, str] | None, workload: Object) -> bool:
    """Whether all labels of a plain selector are on the workload's pods."""
    return bool(selector) and selector is not None and selector.items() <= workload.pod_labels.items()


def _target(service: Object, port: dict[str, Any], workload: Object) -> Iterator[str]:
    named = {each.get("name"): each.get("containerPort") for container in workload.containers for each in container.get("ports", [])}
    target = port.get("targetPort", port.get("port"))
    if target not in named and target not in named.values():
        yield f"{service}: port {port.get('name') or port.get('port')} goes to {target!r}, and {workload} has {_list(named)}"


def _ingress(objects: Objects, ingress: Object) -> Iterator[str]:
    for rule in ingress.spec.get("rules", []):
        for path in rule.get("http", {}).get("paths", []):
            told = path.get("backend", {}).get("service", {})
            service, port = objects.find("Service", told.get("name", "")), told.get("port", {})
            known = [each.get(field) for each in (service.spec.get("ports", []) if service else []) for field in ("name", "port")]
            if service and port.get("name", port.get("number")) not in known:
                yield f"{ingress}: {path.get('path')} goes to port {port} of {service}, which has {known}"


def _route(objects: Objects, route: Object) -> Iterator[str]:
    for backend in (each for rule in route.spec.get("rules", []) for each in rule.get("backendRefs", [])):
        service = objects.find("Service", backend.get("name", ""))
        known = [port.get("port") for port in service.spec.get("ports", [])] if service else []
        if service and backend.get("port") not in known:
            yield f"{route}: it goes to port {backend.get('port')} of {service}, which has {known}"


def _list(ports: dict[Any, Any]) -> str:
    return ", ".join(f"{name} {number}" for name, number in ports.items()) or "no ports"
