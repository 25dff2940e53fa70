"""The status of a pod with one container, as a kubelet writes it: phase, conditions, and the container's state.

waiting ──► running ──► terminated ──► (waiting CrashLoopBackOff ──► running …) or phase Succeeded | Failed
"""

import datetime
from dataclasses import dataclass, field

from tests.cluster.api import Object

CONDITIONS = ("PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready")


def now() -> str:
    """This moment as Kubernetes spells it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def waiting(reason: str, message: str = "") -> Object:
    """The state of a container that does not run yet, or not at the moment."""
    return {"waiting": {"reason": reason, "message": message}}


def running(since: str) -> Object:
    """The state of a container that runs."""
    return {"running": {"startedAt": since}}


def terminated(code: int, since: str, message: str) -> Object:
    """The state of a container that has ended."""
    reason = "Completed" if code == 0 else "Error"
    told = {"exitCode": code, "reason": reason, "startedAt": since, "finishedAt": now(), "message": message}
    return {"terminated": told | ({"signal": code - 128} if code > 128 else {})}


@dataclass
class Status:
    """What is known of one pod; `document()` is its status."""

    address: str
    container: str
    image: str
    phase: str = "Pending"
    state: Object = field(default_factory=lambda: waiting("ContainerCreating"))
    last_state: Object = field(default_factory=dict)
    restarts: int = 0
    started: bool = False
    ready: bool = False
    _began: str = field(default_factory=now)
    _conditions: dict[str, Object] = field(default_factory=dict)

    def document(self) -> Object:
        """The status to be merged into the pod's: conditions keep the time at which they changed."""
        container = {
            "name": self.container,
            "image": self.image,
            "imageID": self.image,
            "ready": self.ready,
            "started": self.started,
            "restartCount": self.restarts,
            "state": self.state,
            "lastState": self.last_state,
        }
        return {
            "phase": self.phase,
            "conditions": [self._condition(kind) for kind in CONDITIONS] + [self._scheduled()],
            "hostIP": "127.0.0.1",
            "podIP": self.address,
            "podIPs": [{"ip": self.address}],
            "startTime": self._began,
            "containerStatuses": [container],
        }

    def _condition(self, kind: str) -> Object:
        over = self.phase in ("Succeeded", "Failed")
        holds = self.ready if kind in ("ContainersReady", "Ready") else (kind == "Initialized" or not over)
        told = {"type": kind, "status": "True" if holds else "False"}
        if not holds:
            told["reason"] = "PodCompleted" if over else "ContainersNotReady"
        before = self._conditions.get(kind)
        if before is None or before["status"] != told["status"]:
            self._conditions[kind] = told | {"lastTransitionTime": now()}
        return self._conditions[kind] | told

    def _scheduled(self) -> Object:
        return {"type": "PodScheduled", "status": "True", "lastTransitionTime": self._began}
