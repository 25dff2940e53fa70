"""What KEDA scales: from none, never beyond the partitions, by the group that the pods are in."""

from collections.abc import Iterator
from typing import Any

from tests.stacks.objects import Object, Objects

KAFKA, POSTGRESQL = "kafka", "postgresql"


def replicas_belong_to_the_scaler(objects: Objects) -> Iterator[str]:
    """A Deployment that is scaled says no replicas: each update would set them again."""
    for each, target in _scaled(objects):
        if target is not None and "replicas" in target.spec:
            yield f"{target}: replicas is {target.spec['replicas']}, and {each} scales it"


def projectors_are_scaled_by_one(objects: Objects) -> Iterator[str]:
    """Every projector has one ScaledObject with a kafka trigger, and nothing else scales it."""
    targets = [target.name for _, target in _scaled(objects) if target is not None]
    others = [each.spec.get("scaleTargetRef", {}).get("name") for each in objects.of("HorizontalPodAutoscaler")]
    for each in _projectors(objects):
        count = targets.count(each.name) + others.count(each.name)
        if count != 1 or each.name not in targets:
            yield f"{each}: {count} scalers for it"
    for each, target in _scaled(objects):
        if target in _projectors(objects) and not _triggers(each, KAFKA):
            yield f"{each}: no lag wakes it"


def no_more_pods_than_partitions(objects: Objects) -> Iterator[str]:
    """A projector without a partition costs and does nothing."""
    for each, target in _scaled(objects):
        partitions = target.env.get("TRIMARAN_PARTITIONS", {}).get("value") if target is not None else None
        most = each.spec.get("maxReplicaCount")
        if target in _projectors(objects) and (most is None or partitions is None or most > int(partitions)):
            yield f"{each}: up to {most} pods, and the topic has {partitions} partitions"


def a_group_returns_to_none(objects: Objects) -> Iterator[str]:
    """`earliest` and no persistent lag: with `latest` an uncommitted partition counts 1 for ever."""
    for each, trigger in _kafka(objects):
        policy = trigger["metadata"].get("offsetResetPolicy", "latest")
        if policy != "earliest" or trigger["metadata"].get("allowIdleConsumers") == "true":
            yield f"{each}: offsetResetPolicy {policy}, so that it may never return to none"


def cooldown_outlasts_a_drain(objects: Objects) -> Iterator[str]:
    """Pods that still end are counted before it is said that nothing is to be done."""
    for each, target in _scaled(objects):
        least = (target.pod.get("terminationGracePeriodSeconds", 30) if target is not None else 30) + each.spec.get("pollingInterval", 30)
        if each.spec.get("cooldownPeriod", 300) < least:
            yield f"{each}: cooldownPeriod {each.spec['cooldownPeriod']} s is below the {least} s that polling and draining take"


def lag_is_that_of_the_own_group(objects: Objects) -> Iterator[str]:
    """KEDA watches the group that the pods commit to, on the app's topic."""
    for each, target in _scaled(objects):
        for trigger in _triggers(each, KAFKA) if target is not None else []:
            app = target.env.get("TRIMARAN_APP", {}).get("value") if target is not None else None
            group = _argument(target, "--group=") if target is not None else ""
            said = trigger["metadata"].get("consumerGroup"), trigger["metadata"].get("topic")
            if said != (f"{app}.{group}", f"trimaran.{app}"):
                yield f"{each}: watches {said}, and {target} is group {group} of {app}"


def a_trigger_logs_in(objects: Objects) -> Iterator[str]:
    """A trigger on something that asks for a login names an authentication that has one."""
    for each in objects.of("ScaledObject"):
        for trigger in each.spec.get("triggers", []):
            asked = trigger["type"] == POSTGRESQL or trigger["metadata"].get("sasl", "none") != "none"
            if asked and not trigger.get("authenticationRef", {}).get("name"):
                yield f"{each}: trigger {trigger['type']} has no authentication"


def nothing_is_scaled_without_a_bound(objects: Objects) -> Iterator[str]:
    """A ScaledObject has a maximum; KEDA's own is 100."""
    for each in objects.of("ScaledObject"):
        if "maxReplicaCount" not in each.spec:
            yield f"{each}: no maxReplicaCount"


def _scaled(objects: Objects) -> Iterator[tuple[Object, Object | None]]:
    for each in objects.of("ScaledObject"):
        yield each, objects.find("Deployment", each.spec.get("scaleTargetRef", {}).get("name", ""))


def _projectors(objects: Objects) -> list[Object]:
    return [each for each in objects.of("Deployment") if "hosts.projector" in each.command]


def _triggers(each: Object, kind: str) -> list[dict[str, Any]]:
    return [trigger for trigger in each.spec.get("triggers", []) if trigger.get("type") == kind]


def _kafka(objects: Objects) -> Iterator[tuple[Object, dict[str, Any]]]:
    return ((each, trigger) for each in objects.of("ScaledObject") for trigger in _triggers(each, KAFKA))


def _argument(each: Object, name: str) -> str:
    return next((word.removeprefix(name) for word in each.command if word.startswith(name)), "")


RULES = (
    replicas_belong_to_the_scaler,
    projectors_are_scaled_by_one,
    no_more_pods_than_partitions,
    a_group_returns_to_none,
    cooldown_outlasts_a_drain,
    lag_is_that_of_the_own_group,
    a_trigger_logs_in,
    nothing_is_scaled_without_a_bound,
)
