"""Who may talk to whom: nobody, but for what a policy names."""

from collections.abc import Iterator
from typing import Any

from tests.stacks.objects import Object, Objects

EVERYONE = ("0.0.0.0/0", "::/0")
BOTH = {"Ingress", "Egress"}


def a_namespace_denies_by_default(objects: Objects) -> Iterator[str]:
    """A namespace with pods has a policy for all of them that allows nothing."""
    for namespace in sorted({each.namespace for each in objects.workloads()}):
        policies = [each for each in objects.of("NetworkPolicy") if each.namespace == namespace]
        if not any(not each.spec.get("podSelector") and _types(each) == BOTH and not _rules(each) for each in policies):
            yield f"Namespace/{namespace}: a pod that no policy knows may talk to everybody"


def every_role_has_a_policy(objects: Objects) -> Iterator[str]:
    """Every workload's pods have a policy for both ways."""
    for each in objects.workloads():
        if not any(_chosen(policy, each) and _types(policy) == BOTH for policy in objects.of("NetworkPolicy")):
            yield f"{each}: no network policy names its pods"


def who_comes_in_is_named(objects: Objects) -> Iterator[str]:
    """An ingress rule names who, which is not everyone, and the ports."""
    for each in objects.of("NetworkPolicy"):
        for rule in each.spec.get("ingress", []):
            if not rule.get("from") or any(_everyone(peer) for peer in rule["from"]):
                yield f"{each}: everybody may come in: {rule}"
            if not rule.get("ports"):
                yield f"{each}: who comes in reaches every port: {rule}"


def where_it_goes_is_named(objects: Objects) -> Iterator[str]:
    """An egress rule names where to, and the ports."""
    for each in objects.of("NetworkPolicy"):
        for rule in each.spec.get("egress", []):
            if not rule.get("to") or not rule.get("ports") or any("port" not in port for port in rule["ports"]):
                yield f"{each}: it may go anywhere: {rule}"


def services_stay_inside(objects: Objects) -> Iterator[str]:
    """The world comes in by an Ingress or a route, not by a port of each node."""
    for each in objects.of("Service"):
        if each.spec.get("type", "ClusterIP") != "ClusterIP" or each.spec.get("externalIPs"):
            yield f"{each}: is a {each.spec.get('type')}, open past every Ingress"


def probes_stay_inside(objects: Objects) -> Iterator[str]:
    """What pods say about themselves is for the kubelet and KEDA: no route leads there."""
    for each in objects.of("Ingress"):
        for rule in each.spec.get("rules", []):
            for path in rule.get("http", {}).get("paths", []):
                port = path.get("backend", {}).get("service", {}).get("port", {})
                if port.get("name") == "probes" or port.get("number") == 8001:
                    yield f"{each}: {path.get('path')} leads to the probes"
    for each in objects.of("HTTPRoute"):
        for rule in each.spec.get("rules", []):
            if any(backend.get("port") == 8001 for backend in rule.get("backendRefs", [])):
                yield f"{each}: it leads to the probes"


def _types(policy: Object) -> set[str]:
    return set(policy.spec.get("policyTypes", []))


def _rules(policy: Object) -> list[Any]:
    return [*policy.spec.get("ingress", []), *policy.spec.get("egress", [])]


def _chosen(policy: Object, each: Object) -> bool:
    selector = policy.spec.get("podSelector", {}).get("matchLabels", {})
    return bool(selector) and policy.namespace == each.namespace and selector.items() <= each.pod_labels.items()


def _everyone(peer: dict[str, Any]) -> bool:
    return not peer or peer.get("ipBlock", {}).get("cidr") in EVERYONE or peer.get("namespaceSelector") == {}


RULES = (
    a_namespace_denies_by_default,
    every_role_has_a_policy,
    who_comes_in_is_named,
    where_it_goes_is_named,
    services_stay_inside,
    probes_stay_inside,
)
