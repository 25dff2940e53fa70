"""Probes that mean something: alive is a main loop that goes round, ready is one that reaches what it needs (or has: a gateway)."""

from collections.abc import Mapping
from typing import Any

START_S = 60  # for a cold image on a busy node; a process of ours is there within three seconds


def probes(paths: Mapping[str, str], port: int) -> dict[str, Any]:
    """The three probes of a container whose role answers on these paths of a port; none for a role that answers on none.

    Starting is asked every second, so that a pod that was woken counts as soon as it works. Liveness waits for three failures in 30 s on
    top of the minute that the host itself allows a round.
    """
    if not paths:
        return {}
    return {
        "startupProbe": _get(paths["live"], port, periodSeconds=1, timeoutSeconds=2, failureThreshold=START_S),
        "livenessProbe": _get(paths["live"], port, periodSeconds=10, timeoutSeconds=5, failureThreshold=3),
        "readinessProbe": _get(paths["ready"], port, periodSeconds=2, timeoutSeconds=2, failureThreshold=2),
    }


def _get(path: str, port: int, **numbers: int) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": port}, **numbers}
