"""One bed and one deployed app for all stories; each story takes the next day of flights, so any of them runs alone or after any other."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.cluster import bed
from tests.cluster.scenes.flying import Flying


@pytest.fixture(scope="package")
def ground() -> Iterator[bed.Bed]:
    """Servers, Kubernetes and KEDA."""
    with bed.made() as made:
        yield made


@pytest.fixture(scope="package")
def deployed(ground: bed.Bed) -> Iterator[bed.Deployed]:
    """The flights, by `pulumi up`."""
    with closing(ground.deploy("flights")) as deployed:
        yield deployed


@pytest.fixture
def flying(deployed: bed.Deployed) -> Iterator[Flying]:
    """A day of flights that nobody has fed yet, on projectors that have come to rest; what pods said is told with a failure."""
    deployed.settle(*deployed.app.groups)
    with Flying(deployed) as day:
        yield day


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """A failure on the cluster without its logs says little."""
    try:
        yield
    except Exception as error:
        found = getattr(item, "funcargs", {}).get("deployed")
        if found is not None:
            error.add_note(found.logs())
        raise
