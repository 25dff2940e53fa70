"""When KEDA adds pods and takes them away: ScaledObjects for projectors (from none) and for the gateway (from two).

`trimaran scale simulate` does the same arithmetic for a workload (docs/scaling.md).
"""

from collections.abc import Mapping
from typing import Any

from stacks.config import Scaling
from stacks.description import Group
from stacks.kube.names import Manifest, Place

BUS_AUTHENTICATION, ROWS_AUTHENTICATION = "bus", "rows"
CPU_PERCENT = 70  # of what a gateway asked for
SYNC = {"timezone": "Etc/UTC", "start": "0 * * * *", "end": "1 * * * *", "desiredReplicas": "1"}


def projector(
    place: Place, name: str, labels: Mapping[str, str], group: Group, topic: str, kafka: Mapping[str, str], scaling: Scaling
) -> Manifest:
    """One projector's: lag of its group, for a saga what is due, and sync. `kafka` says where the brokers are and how to speak to them."""
    lag = {
        **kafka,
        "topic": topic,
        "consumerGroup": group.watched,
        "lagThreshold": str(scaling.lag),
        "activationLagThreshold": "0",
        "offsetResetPolicy": "earliest",  # with `latest` an uncommitted partition counts 1 for ever, and the group never returns to none
    }
    triggers = [_trigger("kafka", "lag", lag, BUS_AUTHENTICATION)]
    if group.due:
        due = {"query": group.due, "targetQueryValue": "1", "activationTargetQueryValue": "0"}
        triggers.append(_trigger("postgresql", "due", due, ROWS_AUTHENTICATION))
    if scaling.sync == "hourly":
        triggers.append(_trigger("cron", "sync", SYNC))
    return _object(place, name, labels, scaling, (scaling.minimum, scaling.maximum), triggers)


def gateway(place: Place, name: str, labels: Mapping[str, str], load: str, scaling: Scaling) -> Manifest:
    """The gateway's: its CPU, and its open sockets, which cost memory while they are quiet.

    KEDA asks every ready pod behind the service (2.21: aggregateFromKubeServiceEndpoints), so the sum is true however clients spread.
    """
    sockets = {
        "url": load,
        "format": "json",
        "valueLocation": "sockets",
        "targetValue": str(scaling.sockets),
        "aggregateFromKubeServiceEndpoints": "true",
        "aggregationType": "sum",
    }
    triggers = [_trigger("cpu", "cpu", {"value": str(CPU_PERCENT)}, kind="Utilization"), _trigger("metrics-api", "sockets", sockets)]
    return _object(place, name, labels, scaling, (scaling.gateway_minimum, scaling.gateway_maximum), triggers)


def _trigger(kind_of: str, name: str, metadata: Mapping[str, str], authentication: str = "", kind: str = "AverageValue") -> Manifest:
    reference = {"authenticationRef": {"name": authentication, "kind": "TriggerAuthentication"}} if authentication else {}
    return {"type": kind_of, "name": name, "metricType": kind, "metadata": dict(metadata), **reference}


def _object(
    place: Place, name: str, labels: Mapping[str, str], scaling: Scaling, bounds: tuple[int, int], triggers: list[Manifest]
) -> Manifest:
    spec: dict[str, Any] = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "minReplicaCount": bounds[0],
        "maxReplicaCount": bounds[1],
        "pollingInterval": scaling.polling_s,
        "cooldownPeriod": scaling.cooldown_s,
        "triggers": triggers,
    }
    return place.object("ScaledObject", name, labels, spec=spec)
