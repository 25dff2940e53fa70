"""One cluster for all tests of this folder that ask for it, and a namespace for each."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import cluster
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import Timing
from tests.cluster.kubelet.images import python_image
from tests.cluster.kubelet.life import Pauses
from tests.cluster.things import TOY

TOYS = Path(__file__).parent / "toys"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def kube() -> Iterator[Cluster]:
    """A cluster with KEDA, quick in its decisions, that knows the image of the toys."""
    timing = Timing(hpa_sync_s=2, hpa_downscale_stabilization_s=5)
    with cluster.running(images={TOY: python_image(TOYS)}, timing=timing, pauses=Pauses(restart_s=0.5, retry_s=0.5)) as running:
        yield running


@pytest.fixture
def namespace(kube: Cluster) -> Iterator[str]:
    """A namespace of this test alone; afterwards all that is in it goes, and nobody waits for that."""
    name = kube.namespace(f"test-{next(_numbers)}")
    yield name
    kube.remove_namespace(name, wait_s=0)
