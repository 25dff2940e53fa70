"""The control plane is a real one: it comes up, it denies what nobody granted, and what is deleted goes with all it owned."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cluster.api import Api, Refused, secret, wait
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import START_S
from tests.cluster.own import ROOT
from tests.cluster.things import container, deployment, pod, thing

pytestmark = pytest.mark.cluster
READER = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}


def test_it_comes_up_and_says_after_how_long(kube: Cluster) -> None:
    sys.stderr.write("".join(f"\n{part} up after {seconds:.1f} s" for part, seconds in kube.seconds.items()))
    assert 0 < kube.seconds["control plane"] < kube.seconds["all"] < 2 * START_S
    assert kube.api.call("GET", "/version")["gitVersion"] == "v1.36.4"


def test_an_account_may_do_what_it_was_granted_and_nothing_else(kube: Cluster, namespace: str) -> None:
    kube.api.apply([thing("v1", "ServiceAccount", "reader", namespace), secret("word", namespace, {"word": "x"})])
    account = Api(kube.plane.account("reader", namespace))
    with pytest.raises(Refused, match=r'403: .*cannot list resource "secrets"'):
        account.list("v1", "Secret", namespace)
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    kube.api.apply(
        [
            thing("rbac.authorization.k8s.io/v1", "Role", "reader", namespace, rules=[READER]),
            thing("rbac.authorization.k8s.io/v1", "RoleBinding", "reader", namespace, roleRef=role, subjects=[subject]),
        ]
    )
    found = wait(lambda: account.list("v1", "Secret", namespace), "the granted right", 10)
    assert [each["metadata"]["name"] for each in found] == ["word"]
    with pytest.raises(Refused, match="403"):
        account.list("v1", "Secret", "kube-system")
    with pytest.raises(Refused, match="403"):
        account.delete(secret("word", namespace, {}))


def test_a_node_reads_the_secrets_of_its_own_pods_only(kube: Cluster, namespace: str) -> None:
    kube.api.apply([secret(name, namespace, {"word": "x"}) for name in ("named", "unnamed")])
    node = Api(kube.work / "kubelet.kubeconfig")
    for name in ("named", "unnamed"):
        with pytest.raises(Refused, match="403"):
            node.get("v1", "Secret", name, namespace)
    word = {"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "named", "key": "word"}}}
    kube.api.apply([pod("user", namespace, container("sleep", "60", env=[word]))])
    wait(lambda: node.get("v1", "Secret", "named", namespace), "the node's right", 10)
    with pytest.raises(Refused, match="403"):
        node.get("v1", "Secret", "unnamed", namespace)


def test_a_pod_with_a_token_reaches_the_api_as_its_account(kube: Cluster, namespace: str) -> None:
    ask = """
import os, ssl, urllib.error, urllib.request
folder = "/var/run/secrets/kubernetes.io/serviceaccount"
where = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}/api/v1/namespaces/kube-system/secrets"
request = urllib.request.Request(where, headers={"Authorization": "Bearer " + open(f"{folder}/token").read()})
try:
    urllib.request.urlopen(request, context=ssl.create_default_context(cafile=f"{folder}/ca.crt"))
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
"""
    kube.api.apply([pod("asking", namespace, container("python", "-c", ask), automountServiceAccountToken=True)])
    kube.pod("asking", namespace, "its end", lambda found: found["status"].get("phase") == "Succeeded")
    told = kube.logs("asking", namespace)
    assert told.startswith("403") and f"system:serviceaccount:{namespace}:default" in told, told


def test_a_pod_of_an_account_that_is_not_there_is_refused(kube: Cluster, namespace: str) -> None:
    with pytest.raises(Refused, match=r'service account .*nobody" not found'):
        kube.api.apply([pod("orphan", namespace, container("sleep", "60"), serviceAccountName="nobody")])


def test_what_a_deleted_deployment_owned_is_collected(kube: Cluster, namespace: str) -> None:
    owner = deployment("toy", namespace, container("sleep", "60"), terminationGracePeriodSeconds=1)
    kube.api.apply([owner])
    kube.available("toy", namespace)
    kube.api.delete(owner)
    wait(lambda: not kube.api.list("apps/v1", "ReplicaSet", namespace), "the end of its ReplicaSet", 20)
    wait(lambda: not kube.pods(namespace), "the end of its pods", 20)


def test_a_deleted_namespace_takes_all_with_it(kube: Cluster) -> None:
    name = kube.namespace("short-lived")
    kube.api.apply(
        [secret("word", name, {"word": "x"}), deployment("toy", name, container("sleep", "60"), terminationGracePeriodSeconds=1)]
    )
    kube.available("toy", name)
    process = kube.pid(kube.pods(name)[0]["metadata"]["name"], name)
    kube.remove_namespace(name)
    assert not os.path.exists(f"/proc/{process}")


def test_a_dry_run_judges_and_leaves_nothing(kube: Cluster, namespace: str) -> None:
    kube.api.apply([deployment("toy", namespace, container("sleep", "60"))], dry_run=True)
    assert kube.api.get("apps/v1", "Deployment", "toy", namespace) is None
    wrong = deployment("toy", namespace, container("sleep", "60"))
    wrong["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    with pytest.raises(Refused, match="selector"):
        kube.api.apply([wrong], dry_run=True)


def test_nothing_is_left_of_a_cluster_whose_owner_was_killed(tmp_path: Path) -> None:
    program = """
import sys, time
from tests.cluster import cluster
from tests.cluster.kubelet.images import python_image
from tests.cluster.things import TOY, container, pod
with cluster.running(images={TOY: python_image()}, keda=False) as kube:
    kube.namespace("toys")
    kube.api.apply([pod("toy", "toys", container("sh", "-c", "sleep 600 & sleep 600"))])
    while not kube.pods("toys")[0]["status"].get("phase") == "Running":
        time.sleep(0.1)
    print(kube.work, flush=True)
    time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        work = owner.stdout.readline().strip()
        assert work, "it did not come up"
        alive = processes(work)
        assert len(alive) >= 6, alive  # etcd, API server, controllers, kubelet, services, the pod
        owner.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while (left := processes(work)) or os.path.exists(work):
        assert time.monotonic() < deadline, (left, work)
        time.sleep(0.1)


def processes(work: str) -> list[str]:
    """The command lines of all processes that have to do with a cluster's directory: named on it, or below it."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                words = (folder / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
                mounts = (folder / "mountinfo").read_text()
            except OSError:
                continue
            if work in words or work in mounts:
                found.append(words)
    return found
