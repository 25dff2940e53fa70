"""The project's own stack through a life: previewed, up, unchanged, drifted, mended, changed, protected, gone.

The tests of this file go on from each other, as the days of a deployment do; each needs those before it.
"""

import base64
from collections.abc import Iterator

import pytest
import yaml

from tests.cluster import bed
from tests.cluster.api import wait
from tests.engine.conftest import left
from tests.engine.engine import Stack
from tests.engine.ground import ROLES, say, settings, stack_of, standing
from tests.servers import kafka_security, postgres
from tests.servers.golang import definitions

pytestmark = pytest.mark.cluster

SPACE, LABEL = "trimaran-shop", "app.kubernetes.io/instance=shop"
ROUTES = "gateway.networking.k8s.io_httproutes.yaml"


@pytest.fixture(scope="module")
def ground() -> Iterator[bed.Bed]:
    """Servers, and Kubernetes with KEDA."""
    with standing() as made:
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


@pytest.fixture(scope="module")
def counted() -> dict[str, int]:
    """How many resources there are, found by the first test."""
    return {}


def test_kubernetes_judges_the_whole_stack_before_anything_is_there(shop: Stack, ground: bed.Bed, counted: dict[str, int]) -> None:
    seen = shop.preview()
    assert seen.ok, seen.text
    assert set(seen.counts) == {"created"}
    counted.update(seen.counts)
    assert ground.kube.api.get("v1", "Namespace", SPACE) is None


def test_up_makes_what_the_preview_said_and_tells_where_it_is(shop: Stack, ground: bed.Bed, counted: dict[str, int]) -> None:
    made = shop.up()
    assert made.ok, made.text + ground.told(SPACE)
    assert made.counts == counted
    where = f"gateway.{SPACE}.svc:8000"
    assert shop.outputs() == {
        "cloud": "k8s",
        "commandUrl": f"http://{where}/commands",
        "graphqlUrl": f"ws://{where}/graphql",
        "graphqlProtocol": "graphql-transport-ws",
        "health": f"http://{where}/health",
    }


def test_a_second_up_changes_nothing(shop: Stack, counted: dict[str, int]) -> None:
    again = shop.up("--expect-no-changes")
    assert again.ok, again.text
    assert again.counts == {"unchanged": counted["created"]}


def test_no_secret_is_in_the_state_or_in_the_configuration(shop: Stack, ground: bed.Bed, database: str) -> None:
    kept, told = shop.state_text(), shop.config_text()
    assert SPACE in kept, "the state was not found"
    assert kafka_security.PASSWORDS["relay"] in settings(ground, "shop", database)["busLogins"], "what is looked for is what was said"
    for secret in (
        database,
        *(kafka_security.PASSWORDS[role] for role in ROLES),
    ):  # the database's password is the project's name: its URL is not
        for spelled in (secret, base64.b64encode(secret.encode()).decode()):
            assert spelled not in kept
            assert spelled not in told


def test_refresh_finds_what_others_changed_and_up_mends_it(shop: Stack, ground: bed.Bed) -> None:
    api = ground.kube.api
    policy = api.get("networking.k8s.io/v1", "NetworkPolicy", "nobody", SPACE)
    scaled = api.get("keda.sh/v1alpha1", "ScaledObject", "projector-rows", SPACE)
    assert policy and scaled
    api.delete(policy)
    api.patch(scaled, {"spec": {"maxReplicaCount": 1}})
    found = shop.refresh()
    assert found.ok, found.text
    assert {word: number for word, number in found.counts.items() if word != "unchanged"} == {"updated": 1, "deleted": 1}
    refused = shop.up()
    assert [line for line in refused.errors if "maxReplicaCount" in line and "PULUMI_K8S_ENABLE_PATCH_FORCE" in line], refused.text
    mended = shop.up(PULUMI_K8S_ENABLE_PATCH_FORCE="true")
    assert mended.ok, mended.text
    scaled = api.get("keda.sh/v1alpha1", "ScaledObject", "projector-rows", SPACE)
    assert scaled and scaled["spec"]["maxReplicaCount"] == 4
    assert api.get("networking.k8s.io/v1", "NetworkPolicy", "nobody", SPACE)
    assert shop.up().ok  # the SDK puts that variable into the provider's settings, and takes it out again
    assert shop.up("--expect-no-changes").ok


def test_what_a_job_does_changes_and_another_job_does_it(shop: Stack, ground: bed.Bed) -> None:
    before = {job["metadata"]["name"] for job in ground.kube.api.list("batch/v1", "Job", SPACE)}
    say(shop, retentionHours=24)
    changed = shop.up()
    assert changed.ok, changed.text
    assert changed.counts["replaced"] == 1, changed.text
    after = {job["metadata"]["name"] for job in ground.kube.api.list("batch/v1", "Job", SPACE)}
    (gone,), (made,) = before - after, after - before
    assert gone.startswith("prepare-bus-") and made.startswith("prepare-bus-")


def test_a_host_name_on_a_listener_of_a_gateway_is_a_route_and_kubernetes_knows_it(shop: Stack, ground: bed.Bed) -> None:
    api = ground.kube.api
    api.apply([yaml.safe_load((definitions() / ROUTES).read_text())])
    wait(lambda: api.path("gateway.networking.k8s.io/v1", "HTTPRoute"), "the kind of routes")
    say(shop, host="board.example.com", route="https://infra/public/websecure", allowFrom=["infra"])
    made = shop.up()
    assert made.ok, made.text
    assert made.counts["created"] >= 1
    assert shop.outputs()["graphqlUrl"] == "wss://board.example.com/graphql"
    route = api.get("gateway.networking.k8s.io/v1", "HTTPRoute", "gateway", SPACE)
    assert route and route["spec"]["hostnames"] == ["board.example.com"]
    (rule,) = route["spec"]["rules"]
    service = api.get("v1", "Service", "gateway", SPACE)
    assert service and rule["backendRefs"][0]["port"] in [port["port"] for port in service["spec"]["ports"]]
    assert shop.up("--expect-no-changes").ok
    say(shop, host="", route="", allowFrom=["ingress-nginx"])
    assert shop.up().ok
    assert api.get("gateway.networking.k8s.io/v1", "HTTPRoute", "gateway", SPACE) is None


def test_production_is_protected(shop: Stack, ground: bed.Bed) -> None:
    say(shop, production=True)
    protected = shop.up()
    assert protected.ok, protected.text
    made = len(shop.resources())
    refused = shop.destroy()
    assert not refused.ok and "protected" in refused.text
    assert len(shop.resources()) == made  # it was refused at its preview
    assert ground.kube.api.get("apps/v1", "Deployment", "gateway", SPACE)
    say(shop, production=False)
    assert shop.up().ok


def test_destroy_leaves_nothing_behind(shop: Stack, ground: bed.Bed, counted: dict[str, int]) -> None:
    assert left(ground.kube, LABEL)
    gone = shop.destroy()
    assert gone.ok, gone.text
    assert gone.counts["deleted"] == counted["created"]
    assert left(ground.kube, LABEL) == []
    assert ground.kube.api.get("v1", "Namespace", SPACE) is None
    assert shop.resources() == []
