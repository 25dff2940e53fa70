"""A scheduler with one node: binds every pod that has none, as the user that a real scheduler is."""

import threading
from collections.abc import Callable

from tests.cluster.api import Api, Object, Refused


def bind_for_ever(api: Api, node: str, say: Callable[[str], None]) -> None:
    """Bind pods to the node as they come, until the process ends."""
    pause = threading.Event()
    while True:
        try:
            for kind, pod in api.watch("v1", "Pod", "spec.nodeName="):
                if (
                    kind in ("ADDED", "MODIFIED")
                    and not pod["metadata"].get("deletionTimestamp")
                    and not pod["spec"].get("schedulingGates")
                ):
                    _bind(api, pod, node, say)
        except (Refused, OSError, ValueError) as error:
            say(f"scheduler: {error}")
            pause.wait(0.5)


def _bind(api: Api, pod: Object, node: str, say: Callable[[str], None]) -> None:
    about = pod["metadata"]
    target = {"apiVersion": "v1", "kind": "Node", "name": node}
    metadata = {"name": about["name"], "namespace": about["namespace"], "uid": about["uid"]}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": target}
    try:
        api.call("POST", api.path("v1", "Pod", about["namespace"], about["name"]) + "/binding", binding)
    except Refused as refused:
        if refused.status not in (404, 409):
            say(f"scheduler: {about['name']} not bound: {refused}")
