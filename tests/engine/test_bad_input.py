"""What is wrong with a deployment is said in one line, with the way out, and the next `up` repairs what it left.

The tests of this file go on from each other: each says something wrong, sees it refused, says it right, and leaves the stack up.
"""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.cluster import bed
from tests.cluster.api import kubeconfig
from tests.engine import old_postgres
from tests.engine.engine import Run, Stack
from tests.engine.ground import PARTITIONS, logins, say, settings, stack_of, standing
from tests.servers import postgres
from tests.servers.process import free_port

pytestmark = pytest.mark.cluster

SPACE = "trimaran-shop"


@pytest.fixture(scope="module")
def ground() -> Iterator[bed.Bed]:
    """Servers, and Kubernetes without KEDA."""
    with standing(keda=False) as made:
        yield made


@pytest.fixture(scope="module")
def database(ground: bed.Bed) -> Iterator[str]:
    """One database for events and rows."""
    with postgres.database(ground.postgres.url) as made:
        yield made


@pytest.fixture(scope="module")
def shop(ground: bed.Bed, database: str) -> Stack:
    """The shop's stack."""
    return stack_of(ground, "shop", database)


def refused(run: Run, *words: str, by: int = 1) -> None:
    """So many resources say it, in one line each with all of these words in it or in the name of the resource above it."""
    assert not run.ok, run.text
    assert len(run.errors) == by, run.text
    lines = ["", *run.text.splitlines()]
    said = [f"{before} {line}" for before, line in pairwise(lines) if any(error in line for error in run.errors)]
    assert all(all(word in line for word in words) for line in said), run.text


def repaired(shop: Stack, ground: bed.Bed) -> None:
    """The next `up` makes it whole, and there is nothing left to do."""
    mended = shop.up()
    assert mended.ok, mended.text + ground.told(SPACE)
    assert shop.up("--expect-no-changes").ok


def test_a_kubeconfig_that_leads_nowhere(shop: Stack, ground: bed.Bed) -> None:
    work, authority = ground.work, ground.kube.plane.authority.certificate
    refused(shop.preview(KUBECONFIG=str(work / "nowhere")), "KUBECONFIG names no file")
    dead = kubeconfig(work / "dead", f"https://127.0.0.1:{free_port()}", authority, {"token": "none"})
    refused(shop.preview(KUBECONFIG=str(dead)), "no cluster answers", "refused", "KUBECONFIG")
    stranger = kubeconfig(work / "stranger", ground.kube.plane.server, authority, {"token": "none"})
    refused(shop.preview(KUBECONFIG=str(stranger)), "does not know the user", "401", "KUBECONFIG")
    other = kubeconfig(work / "other", ground.kube.plane.server, ground.broker.authority, {"token": "none"})
    refused(shop.preview(KUBECONFIG=str(other)), "another authority", "KUBECONFIG")
    refused(shop.up(KUBECONFIG=str(dead)), "no cluster answers")


def test_a_cluster_without_keda(shop: Stack, ground: bed.Bed) -> None:
    refused(shop.preview(), "KEDA", "pulumi config set trimaran:keda install")
    refused(shop.up(), "KEDA", "pulumi config set trimaran:keda install")
    ground.kube.keda.install()
    ground.kube.keda.ready()
    repaired(shop, ground)


def test_an_image_that_nobody_has(shop: Stack, ground: bed.Bed) -> None:
    say(shop, image=f"trimaran@sha256:{'9' * 64}")
    refused(shop.up(), "does not start: ", "check the image's name", by=2)  # each Job
    say(shop, image=ground.version(1).image)
    repaired(shop, ground)


def test_kafka_that_refuses_the_credentials(shop: Stack, ground: bed.Bed) -> None:
    say(shop, busLogins=logins(admin="wrong"))
    refused(shop.up(), "Job prepare-bus-", "refuses us", "check user, password, mechanism")
    say(shop, busLogins=logins())
    repaired(shop, ground)


def test_a_topic_with_fewer_partitions_than_asked(shop: Stack, ground: bed.Bed) -> None:
    say(shop, partitions=PARTITIONS + 2)
    refused(shop.up(), "Job prepare-bus-", f"has {PARTITIONS} partitions, {PARTITIONS + 2} are asked for", f"or ask for {PARTITIONS}")
    say(shop, partitions=PARTITIONS)
    repaired(shop, ground)


def test_a_database_that_is_too_old(shop: Stack, ground: bed.Bed, database: str) -> None:
    with old_postgres.running() as old, postgres.database(old.url) as past:
        say(shop, events=settings(ground, "shop", past)["events"])
        refused(shop.up(), "Job prepare-database-", "PostgreSQL 14", "use PostgreSQL 15 or newer")
    say(shop, events=settings(ground, "shop", database)["events"])
    repaired(shop, ground)


def test_destroy_after_all_that(shop: Stack, ground: bed.Bed) -> None:
    gone = shop.destroy()
    assert gone.ok, gone.text
    assert ground.kube.api.get("v1", "Namespace", SPACE) is None
