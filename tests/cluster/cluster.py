"""A whole Kubernetes without containers: control plane, KEDA, kubelet and services, started together and ended together.

    with cluster.running(images={"shop@sha256:…": python_image(tree)}) as kube:
        kube.api.apply([...])                      # objects as in YAML, server-side
        kube.available("gateway", "shop")          # its pods are Ready
        kube.url("gateway", "shop", 8000)          # from outside
        kube.pods("shop"), kube.logs(pod), kube.kill(pod)

Everything listens on loopback, is a child of this process and dies with it; files lie in one directory, removed at the end.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.cluster import addresses, names, own
from tests.cluster.api import Api, Object, wait
from tests.cluster.control_plane import NODE, START_S, ControlPlane, Timing
from tests.cluster.keda import Keda
from tests.cluster.kubelet import images as known
from tests.cluster.kubelet.images import Image
from tests.cluster.kubelet.life import Pauses
from tests.servers.golang import binaries


class Cluster:
    """A running cluster: `api` may do everything, `kubeconfig` is its file, `work` the directory of logs and pods."""

    def __init__(self, work: Path, block: int, images: Mapping[str, Image], timing: Timing, pauses: Pauses, programs: Path) -> None:
        self.work = work
        self._images = dict(images)
        known.write(work, self._images)
        self.plane = ControlPlane(work, programs / "bin", timing)
        self.kubeconfig = self.plane.kubeconfig
        self.api = Api(self.kubeconfig)
        self.keda = Keda(self.plane, self.api, programs / "crds")
        self.kubelet, self.services = own.kubelet(self.plane, block, pauses), own.services(self.plane, block)
        self.metrics = own.MetricsServer(self.plane)
        self.seconds: dict[str, float] = {}

    def start(self, *, keda: bool = True) -> None:
        """Start everything; how long it took stands in `seconds`."""
        begun = time.monotonic()
        self.plane.start()
        self.seconds["control plane"] = time.monotonic() - begun
        for program in (self.kubelet, self.services, self.metrics.program):
            program.spawn()
        wait(lambda: self.api.get("v1", "Namespace", "kube-system"), "the system's namespace", START_S)
        self.api.apply([*own.rights(), *self.metrics.objects()])
        if keda:
            self.keda.install()
        wait(lambda: self.api.get("v1", "Node", NODE), "the node", START_S)
        wait(lambda: self.metrics.ready(self.api), "the API of metrics", START_S)
        if keda:
            self.keda.ready()
        self.seconds["all"] = time.monotonic() - begun

    def stop(self) -> None:
        """kill everything."""
        for program in (self.kubelet, self.services, self.metrics.program):
            program.kill()
        self.keda.stop()
        self.plane.stop()

    def add_image(self, reference: str, image: Image) -> None:
        """Make an image known from now on, as a push would."""
        self._images[reference] = image
        known.write(self.work, self._images)

    def image(self, reference: str) -> Image:
        """An image that is known."""
        return self._images[reference]

    def namespace(self, name: str) -> str:
        """A namespace with its default service account; its name."""
        self.api.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}])
        wait(lambda: self.api.get("v1", "ServiceAccount", "default", name), f"the default service account of {name}")
        return name

    def remove_namespace(self, name: str, wait_s: float = 60) -> None:
        """Delete a namespace; returns when it and all in it is gone, or at once when `wait_s` is 0."""
        self.api.delete({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        if wait_s:
            wait(lambda: self.api.get("v1", "Namespace", name) is None, f"the end of namespace {name}", wait_s)

    def pods(self, namespace: str, selector: str = "") -> list[Object]:
        """Pods as they are now, oldest first."""
        return sorted(self.api.list("v1", "Pod", namespace, selector), key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def pod(self, name: str, namespace: str, what: str, holds: Callable[[Object], object], timeout_s: float = 30) -> Object:
        """The pod when something holds of it; `what` names that for whoever waits in vain."""

        def look() -> Object | None:
            found = self.api.get("v1", "Pod", name, namespace)
            return found if found is not None and holds(found) else None

        try:
            found = wait(look, f"pod {namespace}/{name}: {what}", timeout_s)
        except TimeoutError as late:
            status = (self.api.get("v1", "Pod", name, namespace) or {}).get("status")
            late.add_note(f"{status}\n{self.logs(name, namespace)[-3000:]}")
            raise
        assert found is not None
        return found

    def available(self, deployment: str, namespace: str, replicas: int | None = None, timeout_s: float = 60) -> None:
        """Return when as many pods of a Deployment are available as it wants, of its newest template (and that is `replicas`)."""

        def enough() -> bool:
            found = self.api.get("apps/v1", "Deployment", deployment, namespace)
            if found is None:
                return False
            told, wanted = found.get("status", {}), found["spec"].get("replicas", 1)
            seen = told.get("observedGeneration", 0) >= found["metadata"]["generation"]
            there = told.get("availableReplicas", 0), told.get("updatedReplicas", 0), told.get("replicas", 0)
            return seen and there == (wanted, wanted, wanted) and replicas in (None, wanted)

        wait(enough, f"deployment {namespace}/{deployment}", timeout_s)

    def finished(self, job: str, namespace: str, timeout_s: float = 60) -> str:
        """`Complete` or `Failed`, when a Job is over."""

        def verdict() -> str:
            found = self.api.get("batch/v1", "Job", job, namespace) or {}
            conditions = found.get("status", {}).get("conditions") or []
            return next((each["type"] for each in conditions if each["type"] in ("Complete", "Failed") and each["status"] == "True"), "")

        return wait(verdict, f"job {namespace}/{job}", timeout_s)

    def logs(self, pod: str, namespace: str) -> str:
        """What a pod has written, all its runs, also after its end."""
        path = self.work / "pods" / namespace / pod / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def pid(self, pod: str, namespace: str) -> int:
        """The process id, on this machine, of a pod's process 1."""
        return int((self.work / "pods" / namespace / pod / "pid").read_text())

    def kill(self, pod: str, namespace: str) -> None:
        """kill -9 a pod's process, as a crash would; its kubelet restarts it."""
        os.kill(self.pid(pod, namespace), signal.SIGKILL)

    def url(self, service: str, namespace: str, port: int, scheme: str = "http") -> str:
        """The URL of a service from outside the cluster."""
        address = wait(lambda: names.address(self.work, service, namespace), f"an address of service {namespace}/{service}")
        return f"{scheme}://{address}:{port}"


@contextlib.contextmanager
def running(
    *,
    images: Mapping[str, Image] | None = None,
    timing: Timing | None = None,
    pauses: Pauses | None = None,
    keda: bool = True,
) -> Iterator[Cluster]:
    """A started cluster, removed at the end. `keda=False` leaves KEDA out, for what does not scale."""
    programs = binaries()
    with directory() as work, addresses.block() as block:
        kube = Cluster(work, block, images or {}, timing or Timing(), pauses or Pauses(), programs)
        try:
            kube.start(keda=keda)
            yield kube
        finally:
            kube.stop()


@contextlib.contextmanager
def directory() -> Iterator[Path]:
    """A directory of this process: removed at the end, and also when the process is killed (a shell waits for that)."""
    work = Path(tempfile.mkdtemp(prefix="trimaran-cluster-"))
    words = ["sh", "-c", 'read _; sleep 2; rm -rf "$1"', "sh", str(work)]
    reaper = subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
        reaper.kill()
        reaper.communicate()
