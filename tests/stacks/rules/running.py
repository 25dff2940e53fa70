"""What runs for ever: probes that mean something, room, time to end, and a place on several nodes."""

from collections.abc import Iterator
from typing import Any

from hosts.projector import JOIN_S
from tests.stacks.objects import PROBES, Object, Objects

KILLED_S = 5  # between the end of our own drain and the kubelet's kill


def every_role_is_probed(objects: Objects) -> Iterator[str]:
    """What runs for ever says over HTTP whether it started, works and can serve."""
    for each in objects.running():
        for container in each.containers:
            for probe in PROBES:
                if "httpGet" not in container.get(probe, {}):
                    yield f"{each}: {container['name']} has no {probe}"


def liveness_is_not_readiness(objects: Objects) -> Iterator[str]:
    """A store that is away makes a pod unready; it restarts nobody, or every pod would be restarted by it."""
    for each in objects.running():
        for container in each.containers:
            live, ready = (container.get(probe, {}).get("httpGet", {}) for probe in ("livenessProbe", "readinessProbe"))
            if live and live.get("path") == ready.get("path"):
                yield f"{each}: {container['name']} is restarted when it is not ready, by {live['path']}"


def a_pod_has_time_to_end(objects: Objects) -> Iterator[str]:
    """The batch in hand is finished, and sockets are closed, before the kubelet kills."""
    for each in objects.workloads():
        grace = each.pod.get("terminationGracePeriodSeconds")
        if grace is None or grace < JOIN_S + KILLED_S:
            yield f"{each}: terminationGracePeriodSeconds is {grace}, and draining takes up to {JOIN_S:g} s"


def room_is_asked_for(objects: Objects) -> Iterator[str]:
    """CPU and memory are requested, memory is limited: else a scheduler guesses, and one pod starves the others."""
    for each in objects.workloads():
        for container in each.containers:
            told: dict[str, Any] = container.get("resources", {})
            wanted = (("requests", "cpu"), ("requests", "memory"), ("limits", "memory"))
            if missing := [f"{kind}.{name}" for kind, name in wanted if not told.get(kind, {}).get(name)]:
                yield f"{each}: {container['name']} says no {', '.join(missing)}"


def pods_are_spread(objects: Objects) -> Iterator[str]:
    """The pods of a role are on several nodes, by their own labels."""
    for each in objects.running():
        spread = each.pod.get("topologySpreadConstraints", [])
        if not any(constraint.get("topologyKey") == "kubernetes.io/hostname" for constraint in spread):
            yield f"{each}: all its pods may be on one node"
        for constraint in spread:
            if not _covers(constraint.get("labelSelector", {}).get("matchLabels", {}), each):
                yield f"{each}: it is spread by labels that its pods do not have"


def an_update_takes_nothing_away(objects: Objects) -> Iterator[str]:
    """A new pod is ready before an old one goes."""
    for each in objects.of("Deployment"):
        strategy = each.spec.get("strategy", {})
        if strategy.get("type") != "RollingUpdate" or strategy.get("rollingUpdate", {}).get("maxUnavailable") != 0:
            yield f"{each}: an update takes pods away before there are others: {strategy}"


def a_failure_is_told(objects: Objects) -> Iterator[str]:
    """The last line of a container that ends is its pod's message."""
    for each in objects.workloads():
        for container in each.containers:
            if container.get("terminationMessagePolicy") != "FallbackToLogsOnError":
                yield f"{each}: why {container['name']} failed stands in no status"


def selectors_match_their_own_pods_only(objects: Objects) -> Iterator[str]:
    """A Deployment's selector fits its own pods and no others'."""
    for each in objects.running():
        selector = each.spec.get("selector", {}).get("matchLabels", {})
        if not _covers(selector, each):
            yield f"{each}: its selector {selector} is not among its pods' labels {each.pod_labels}"
        for other in objects.workloads():
            if other.body is not each.body and other.namespace == each.namespace and _covers(selector, other):
                yield f"{each}: its selector matches the pods of {other}, too"


def a_drain_takes_one_at_a_time(objects: Objects) -> Iterator[str]:
    """Every role has one budget, and it lets a node be drained."""
    for each in objects.running():
        own = [budget for budget in objects.of("PodDisruptionBudget") if _covers(_selector(budget), each)]
        if len(own) != 1:
            yield f"{each}: {len(own)} budgets for its pods"
    for budget in objects.of("PodDisruptionBudget"):
        most, least = budget.spec.get("maxUnavailable"), budget.spec.get("minAvailable")
        if most in (0, "0%") or least == "100%" or (isinstance(least, int) and least >= _fewest(objects, budget)):
            yield f"{budget}: no node that holds its pods can be drained: {budget.spec}"


def _fewest(objects: Objects, budget: Object) -> int:
    """Replicas that there are at least: a ScaledObject's minimum, or the Deployment's own number."""
    for each in objects.running():
        if _covers(_selector(budget), each):
            scaled = [it for it in objects.of("ScaledObject") if it.spec.get("scaleTargetRef", {}).get("name") == each.name]
            return int(scaled[0].spec.get("minReplicaCount", 0) if scaled else each.spec.get("replicas", 1))
    return 0


def _selector(budget: Object) -> dict[str, str]:
    return dict(budget.spec.get("selector", {}).get("matchLabels", {}))


def _covers(selector: dict[str, str], each: Object) -> bool:
    return bool(selector) and selector.items() <= each.pod_labels.items()


RULES = (
    every_role_is_probed,
    liveness_is_not_readiness,
    a_pod_has_time_to_end,
    room_is_asked_for,
    pods_are_spread,
    an_update_takes_nothing_away,
    a_failure_is_told,
    selectors_match_their_own_pods_only,
    a_drain_takes_one_at_a_time,
)
