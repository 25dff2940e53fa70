"""A drain of nodes takes one pod of a role at a time."""

from collections.abc import Mapping

from stacks.kube.names import Manifest, Place


def budget(place: Place, name: str, labels: Mapping[str, str]) -> Manifest:
    """At most one pod away; one that is not ready may go, since it serves nobody."""
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": dict(labels)}, "unhealthyPodEvictionPolicy": "AlwaysAllow"}
    return place.object("PodDisruptionBudget", name, labels, spec=spec)
