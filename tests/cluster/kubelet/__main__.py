"""The stand-in kubelet and scheduler as a program: `python -m tests.cluster.kubelet WORK`, ended with its parent.

`WORK/kubelet.json` says the node's name, the block of its addresses, its pauses, and the two identities (kubeconfigs).
"""

import datetime
import itertools
import json
import sys
import threading
from pathlib import Path

from tests.cluster import addresses
from tests.cluster.api import Api, Object, Refused
from tests.cluster.kubelet import status
from tests.cluster.kubelet.life import Life, Pauses
from tests.cluster.kubelet.scheduler import bind_for_ever

RESOURCES = {"cpu": "64", "memory": "256Gi", "pods": "1000"}


def say(words: str) -> None:
    """One line into the log, with the time."""
    sys.stdout.write(f"{datetime.datetime.now(datetime.UTC):%H:%M:%S.%f} {words}\n")
    sys.stdout.flush()


class Kubelet:
    """The pods of one node."""

    def __init__(self, api: Api, work: Path, node: str, block: int, pauses: Pauses) -> None:
        self._api, self._work, self._node, self._block, self._pauses = api, work, node, block, pauses
        self._lives: dict[str, Life] = {}
        self._numbers = itertools.count()

    def register(self) -> None:
        """Make the node known, and say once that it is ready: nobody watches its heartbeat here."""
        labels = {"kubernetes.io/os": "linux", "kubernetes.io/hostname": self._node}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self._node, "labels": labels}}
        try:
            self._api.call("POST", self._api.path("v1", "Node"), node)
        except Refused as refused:
            if refused.status != 409:
                raise
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": status.now()}
        told = {"capacity": RESOURCES, "allocatable": RESOURCES, "conditions": [ready | {"lastTransitionTime": status.now()}]}
        self._api.patch(node, {"status": told}, subresource="status")

    def follow(self) -> None:
        """Run what is bound to this node, until the process ends."""
        pause = threading.Event()
        while True:
            try:
                for kind, pod in self._api.watch("v1", "Pod", f"spec.nodeName={self._node}"):
                    self._met(kind, pod)
            except (Refused, OSError, ValueError) as error:
                say(f"kubelet: {error}")
                pause.wait(0.5)

    def _met(self, kind: str, pod: Object) -> None:
        if kind == "LISTED":
            return
        about = pod["metadata"]
        life = self._lives.get(about["uid"])
        if kind == "DELETED":
            if life is not None:
                life.end(0)
                del self._lives[about["uid"]]
            return
        if life is None:
            pod = {"apiVersion": "v1", "kind": "Pod", **pod}
            address = addresses.pod(self._block, next(self._numbers))
            life = self._lives[about["uid"]] = Life(self._api, pod, address, self._work, self._pauses, say)
        if about.get("deletionTimestamp"):
            life.end(float(about.get("deletionGracePeriodSeconds") or 0))


def main(work: Path) -> None:
    """Run until killed."""
    told = json.loads((work / "kubelet.json").read_text())
    scheduler = Api(Path(told["scheduler"]))
    threading.Thread(target=bind_for_ever, args=(scheduler, told["node"], say), daemon=True).start()
    kubelet = Kubelet(Api(Path(told["kubelet"])), work, told["node"], told["block"], Pauses(**told["pauses"]))
    kubelet.register()
    say("ready")
    kubelet.follow()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
