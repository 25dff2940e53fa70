"""Any one right that the stack declares is taken away on the running system: somebody who needs it says so, and the run is red.

With all of them nobody does. That each role works with its rights alone is what every other story shows.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ACLFilter, ACLOperation, ACLPermissionType, ACLResourcePatternType, ResourcePatternFilter, ResourceType

from hosts.timeline import told
from providers.kafka.rights import Right, rights_of
from runtime.domain.manifest import signals_topic, topic
from stacks.rights import Use, listed, rights
from tests.cluster.api import wait
from tests.cluster.bed import Deployed
from tests.cluster.scenes.flying import Flying

pytestmark = pytest.mark.cluster

USES: dict[str, Use] = {"relay": "publish", "projector": "fold", "gateway": "listen", "scaler": "watch"}
PARTS: dict[Use, int] = {"publish": 1, "fold": 3, "listen": 1, "watch": 2}
REFUSALS = ("grant the right", "we may not see it")  # our own words
KEDAS = "not authorized"
QUIET_S = 10


def of(deployed: Deployed, role: str) -> list[Right]:
    """What the stack declares for a role."""
    app = deployed.app
    return rights_of(listed(rights(USES[role], role, app.name, topic(app), signals_topic(app))))


@contextmanager
def without(deployed: Deployed, right: Right) -> Iterator[None]:
    """Take one right away, and give it back."""
    with closing(KafkaAdminClient(bootstrap_servers=deployed.bed.broker.bootstrap)) as admin:
        pattern = ResourcePatternFilter(ResourceType[right.resource.upper()], right.name, ACLResourcePatternType[right.pattern.upper()])
        found = admin.delete_acls(
            [ACLFilter(right.principal, "*", ACLOperation[right.operation.upper()], ACLPermissionType.ALLOW, pattern)]
        )
        assert found, right
        try:
            yield
        finally:
            admin.create_acls([right.acl])


class Complaints:
    """What pods of a component, or KEDA, have said since this was made."""

    def __init__(self, deployed: Deployed, role: str) -> None:
        self._deployed, self._role = deployed, role
        self._before = self._said()

    def any(self) -> bool:
        """Whether somebody was refused."""
        return self._said() > self._before

    def _said(self) -> int:
        kube = self._deployed.bed.kube
        if self._role == "scaler":
            return (kube.work / "log" / "keda-operator.log").read_text(errors="replace").count(KEDAS)
        logs = (kube.work / "pods" / self._deployed.namespace).glob(f"{self._role}-*/log")
        return sum(log.read_text(errors="replace").count(words) for log in logs for words in REFUSALS)


def work(flying: Flying, number: int) -> None:
    """Something to do for everybody: a flight is planned, and a gateway is started anew."""
    plan = told(flying.late(60)[number])[0]
    flying.commands.send(plan.command, plan.key)
    flying.deployed.kill_one("gateway", number)


def test_with_all_rights_nobody_is_refused(flying: Flying) -> None:
    deployed = flying.deployed
    said = [Complaints(deployed, role) for role in USES]
    job = next(
        one
        for one in deployed.bed.kube.api.list("batch/v1", "Job", deployed.namespace)
        if one["metadata"]["name"].startswith("prepare-bus")
    )
    env = {one["name"]: one.get("value") for one in job["spec"]["template"]["spec"]["containers"][0]["env"]}
    declared = {right for role in USES for right in of(deployed, role)}
    assert set(rights_of(env["TRIMARAN_RIGHTS"])) == declared
    assert len(declared) == sum(PARTS.values())
    work(flying, 0)
    wait(lambda: deployed.replicas("rows")[1] > 0, "a projector")
    deployed.settle("rows", "flagging")
    assert not any(each.any() for each in said)


@pytest.mark.parametrize(("role", "number"), [(role, number) for role, use in USES.items() for number in range(PARTS[use])])
def test_without_any_one_right_the_run_is_red(role: str, number: int, flying: Flying) -> None:
    deployed = flying.deployed
    said = Complaints(deployed, role)
    with without(deployed, of(deployed, role)[number]):
        work(flying, number)
        wait(said.any, f"{role} to be refused", 60)
    deployed.settle("rows", "flagging", timeout_s=120)  # and with it all is well again
