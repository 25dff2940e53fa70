"""One cluster and one engine for the tests of this folder; KEDA's kinds are known, KEDA itself does not run."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster import cluster
from tests.cluster.api import Object, wait
from tests.cluster.cluster import Cluster
from tests.cluster.kubelet.images import python_image
from tests.engine.engine import Engine
from tests.servers.golang import binaries

TOY = Path(__file__).parent / "programs" / "toy"
IMAGE = f"toy@sha256:{'0' * 64}"
KIND = "metadata.name=scaledobjects.keda.sh"
EVERYTHING = (
    "v1/Secret",
    "v1/ConfigMap",
    "v1/ServiceAccount",
    "v1/Service",
    "v1/Pod",
    "apps/v1/Deployment",
    "apps/v1/ReplicaSet",
    "batch/v1/Job",
)


@pytest.fixture(scope="session")
def kube() -> Iterator[Cluster]:
    """Kubernetes with a kubelet."""
    with cluster.running(images={IMAGE: python_image()}, keda=False) as running:
        yield running


@pytest.fixture(scope="session")
def engine(kube: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """A home of Pulumi's for that cluster."""
    return Engine(tmp_path_factory.mktemp("pulumi"), {"KUBECONFIG": str(kube.kubeconfig)})


def keda_kinds() -> list[Object]:
    """KEDA's custom resource definitions."""
    return [yaml.safe_load(path.read_text()) for path in sorted((binaries() / "crds").glob("*.yaml"))]


@pytest.fixture(scope="session")
def keda(kube: Cluster) -> list[Object]:
    """The cluster knows ScaledObjects; nobody carries them out."""
    kinds = keda_kinds()
    kube.api.apply(kinds)
    wait(lambda: kube.api.path("keda.sh/v1alpha1", "ScaledObject"), "KEDA's kinds")
    return kinds


def left(kube: Cluster, selector: str) -> list[str]:
    """All that is there with a label, in any namespace."""
    found = []
    for each in EVERYTHING:
        version, _, kind = each.rpartition("/")
        if version.startswith("keda.sh/") and not kube.api.list("apiextensions.k8s.io/v1", "CustomResourceDefinition", field=KIND):
            continue
        found += [f"{kind}/{thing['metadata']['name']}" for thing in kube.api.list(version, kind, selector=selector)]
    return found
