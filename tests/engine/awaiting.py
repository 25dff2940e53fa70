"""When an object is there in deed: a Job that ended well, a Deployment whose pods are available, a deleted object that is gone.

A pod that will not start by waiting longer is a failure at once, with the words of whoever saw it: the kubelet's reason, or the last line that
the process itself left behind.
"""

import calendar
import threading
import time
from collections.abc import Callable, Iterator

from tests.engine.kube import Address, Cluster, Object

EVERY_S = 0.5
PATIENCE_S = 10  # a pod that waits for a secret, or for a registry, may get it
STUCK = {
    "ErrImagePull": "check the image's name, and that the cluster may pull it",
    "ImagePullBackOff": "check the image's name, and that the cluster may pull it",
    "InvalidImageName": "check the image's name",
    "ErrImageNeverPull": "check the image's name, and that it is on the node",
    "CreateContainerConfigError": "check the secrets that its environment reads",
    "CreateContainerError": "check its command and its volumes",
    "RunContainerError": "check its command: the image may lack it",
    "StartError": "check its command: the image may lack it",
}
CRASHES = 3


class NotReady(Exception):
    """It is there, but does not do what it is for; the text is one line."""


class Waiting:
    """Waits of one provider, which a cancelled engine ends."""

    def __init__(self, cluster: Cluster, cancelled: threading.Event) -> None:
        self._cluster = cluster
        self._cancelled = cancelled

    def ready(self, address: Address, live: Object, timeout_s: float) -> Object:
        """The object when it is ready, at once for kinds that have nothing to become. Raises `NotReady`."""
        look = {"Job": self._job, "Deployment": self._deployment}.get(address.kind)
        if look is None or live["metadata"].get("annotations", {}).get("pulumi.com/skipAwait") == "true":
            return live
        return self._until(lambda: self._looked(address, look), f"{address} is not ready", timeout_s)

    def _looked(self, address: Address, look: Callable[[Object], str]) -> tuple[Object | None, str]:
        live = self._cluster.get(address)
        if live is None:
            raise NotReady(f"{address} was deleted while it was waited for: run `pulumi refresh`, then `pulumi up`")
        lacking = look(live)
        return (None, lacking) if lacking else (live, "")

    def gone(self, address: Address, timeout_s: float) -> None:
        """Return when nothing of it is left. Raises `NotReady`."""

        def look() -> tuple[bool | None, str]:
            live = self._cluster.get(address)
            return (True, "") if live is None else (None, _keeps(live))

        self._until(look, f"{address} is still there", timeout_s)

    def _until[T](self, look: Callable[[], tuple[T | None, str]], what: str, timeout_s: float) -> T:
        deadline = time.monotonic() + timeout_s
        while True:
            found, lacking = look()
            if found is not None:
                return found
            if time.monotonic() > deadline:
                raise NotReady(f"{what} after {timeout_s:.0f} s: {lacking}")
            if self._cancelled.wait(EVERY_S):
                raise NotReady(f"{what}, and nobody waits for it any more: {lacking}")

    def _job(self, live: Object) -> str:
        """What a Job lacks; raises when it failed, or when its pod cannot start."""
        about = live["metadata"]
        pods = self._cluster.pods(about["namespace"], f"batch.kubernetes.io/job-name={about['name']}")
        for condition in live.get("status", {}).get("conditions", []):
            if condition["status"] == "True" and condition["type"] == "Complete":
                return ""
            if condition["status"] == "True" and condition["type"] == "Failed":
                words = next(_last_words(pods), f"{condition.get('reason')}: {condition.get('message')}")
                raise NotReady(f"Job {about['name']} failed: {words}")
        refuse_stuck(pods)
        return next(_last_words(pods), next(_not_ready(pods), "its pod has not ended"))

    def _deployment(self, live: Object) -> str:
        """What a Deployment lacks; one that is scaled to none, as KEDA does, lacks nothing."""
        about, status = live["metadata"], live.get("status", {})
        wanted = live["spec"].get("replicas", 1)
        if status.get("observedGeneration", 0) < about["generation"]:
            return "the controller has not seen it"
        if wanted == 0:
            return ""
        up_to_date, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
        if up_to_date == wanted and available >= wanted and status.get("replicas", 0) == wanted:
            return ""
        pods = self._newest(live)
        refuse_stuck(pods)
        for condition in status.get("conditions", []):
            if condition["type"] == "Progressing" and condition["status"] == "False":
                words = next(_last_words(pods), next(_not_ready(pods), condition.get("message", "")))
                raise NotReady(f"Deployment {about['name']} does not come up: {words}")
        words = next(_last_words(pods), next(_not_ready(pods), ""))
        return f"{available} of {wanted} pods are available" + (f": {words}" if words else "")

    def _newest(self, live: Object) -> list[Object]:
        """The pods of the Deployment's newest template."""
        about = live["metadata"]
        selector = ",".join(f"{key}={value}" for key, value in live["spec"]["selector"].get("matchLabels", {}).items())
        revision = about.get("annotations", {}).get("deployment.kubernetes.io/revision")
        sets = self._cluster.call("GET", f"/apis/apps/v1/namespaces/{about['namespace']}/replicasets", query={"labelSelector": selector})[
            "items"
        ]
        names = {
            each["metadata"]["name"]
            for each in sets
            if each["metadata"].get("annotations", {}).get("deployment.kubernetes.io/revision") == revision
        }
        pods = self._cluster.pods(about["namespace"], selector)
        return [pod for pod in pods if any(owner["name"] in names for owner in pod["metadata"].get("ownerReferences", []))]


def _keeps(live: Object) -> str:
    about = live["metadata"]
    kept = [*about.get("finalizers", []), *live.get("spec", {}).get("finalizers", [])]
    said = [condition.get("message", "") for condition in live.get("status", {}).get("conditions", []) if condition.get("status") == "True"]
    words = f"whoever owns the finalizer {', '.join(kept)} has to run" if kept else "it waits for what it owns"
    return "; ".join([words, *filter(None, said)])


def _containers(pods: list[Object]) -> Iterator[tuple[Object, Object]]:
    for pod in pods:
        for status in pod.get("status", {}).get("containerStatuses", []):
            yield pod, status


def refuse_stuck(pods: list[Object]) -> None:
    """Raise for a pod that waiting does not help."""
    for pod, status in _containers(pods):
        waiting = status.get("state", {}).get("waiting") or {}
        reason, name = str(waiting.get("reason", "")), pod["metadata"]["name"]
        if reason in STUCK and _age_s(pod) > PATIENCE_S:
            told = " ".join(str(waiting.get("message") or status.get("image", "")).split())
            raise NotReady(f"pod {name} does not start: {reason}: {told}; {STUCK[reason]}, then `pulumi up` again")
        if reason == "CrashLoopBackOff" and status.get("restartCount", 0) >= CRASHES:
            raise NotReady(f"pod {name} ends again and again: {next(_last_words([pod]), reason)}")


def _last_words(pods: list[Object]) -> Iterator[str]:
    """How containers ended that ended badly, the newest pod first."""
    for _, status in _containers(sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True)):
        for state in (status.get("state", {}), status.get("lastState", {})):
            ended = state.get("terminated") or {}
            if ended and ended.get("exitCode") != 0:
                lines = [line.strip() for line in str(ended.get("message", "")).splitlines() if line.strip()]
                yield lines[-1] if lines else f"exit status {ended.get('exitCode')} ({ended.get('reason', 'Error')}), and it said nothing"


def _not_ready(pods: list[Object]) -> Iterator[str]:
    """What pods wait for."""
    for pod, status in _containers(pods):
        if waiting := status.get("state", {}).get("waiting"):
            yield " ".join(f"pod {pod['metadata']['name']}: {waiting.get('reason')}: {waiting.get('message', '')}".split())
    for pod in pods:
        for condition in pod.get("status", {}).get("conditions", []):
            if condition["status"] != "True" and condition.get("message"):
                yield f"pod {pod['metadata']['name']}: {condition['message']}"


def _age_s(pod: Object) -> float:
    return time.time() - calendar.timegm(time.strptime(pod["metadata"]["creationTimestamp"], "%Y-%m-%dT%H:%M:%SZ"))
