"""The rule pack on the stacks as they are (nothing breaks a rule), and on each with one fault planted (the rule that is for it sees it)."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from stacks.recording import SECRET, Registered
from tests.stacks.deployed import APPS, recorded
from tests.stacks.objects import Objects
from tests.stacks.rules import RULES, broken

type Fault = Callable[["Graph"], object]


class Graph:
    """A recorded graph to be spoilt: bodies by "Kind/name", which may be changed in place."""

    def __init__(self, app: str) -> None:
        self.resources = [replace(each, inputs=copy.deepcopy(each.inputs)) for each in recorded(app).resources]

    def __getitem__(self, name: str) -> dict[str, Any]:
        return next(each.body for each in Objects(self.resources).all if str(each) == name)

    def job(self, task: str) -> dict[str, Any]:
        """A Job by its task, whatever digest its name ends in."""
        return next(each.body for each in Objects(self.resources).of("Job") if each.name.rpartition("-")[0] == task)

    def pod(self, name: str) -> dict[str, Any]:
        """The spec of a workload's pod."""
        spec: dict[str, Any] = self[name]["spec"]["template"]["spec"]
        return spec

    def container(self, name: str) -> dict[str, Any]:
        """A workload's container."""
        first: dict[str, Any] = self.pod(name)["containers"][0]
        return first

    def trigger(self, name: str, number: int = 0) -> dict[str, Any]:
        """A trigger of a ScaledObject."""
        found: dict[str, Any] = self[f"ScaledObject/{name}"]["spec"]["triggers"][number]
        return found

    def drop(self, name: str) -> None:
        """Without one object."""
        body = self[name]
        self.resources = [each for each in self.resources if each.inputs is not body]

    def add(self, kind: str, name: str, **body: Any) -> None:
        """With one object more."""
        inputs = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "trimaran-shop"}, **body}
        self.resources.append(Registered(f"kubernetes:test:{kind}", name, f"urn:{kind}:{name}", inputs))

    def change(self, name: str, **changed: Any) -> None:
        """An option of a resource is another."""
        body = self[name]
        self.resources = [replace(each, **changed) if each.inputs is body else each for each in self.resources]


GATEWAY, RELAY, PROJECTOR = "Deployment/gateway", "Deployment/relay", "Deployment/projector-rows"


def env(graph: Graph, name: str) -> dict[str, Any]:
    """A variable of the gateway."""
    entry: dict[str, Any] = next(each for each in graph.container(GATEWAY)["env"] if each["name"] == name)
    return entry


def in_value(graph: Graph) -> None:
    """A URL with its password as a value."""
    env(graph, "TRIMARAN_EVENTS").update({"value": "postgresql://shop:horse@db/shop"})


def no_limits(graph: Graph) -> None:
    """A container without a memory limit."""
    del graph.container(PROJECTOR)["resources"]["limits"]


def other_probe(graph: Graph) -> None:
    """Liveness that asks whether the stores are there."""
    container = graph.container(RELAY)
    container["livenessProbe"]["httpGet"]["path"] = container["readinessProbe"]["httpGet"]["path"]


def no_default(graph: Graph) -> None:
    """No policy that denies everything."""
    graph.drop("NetworkPolicy/nobody")


FAULTS: dict[str, tuple[str, Fault]] = {
    "a container runs as root": ("nobody_is_root", lambda g: g.pod(GATEWAY)["securityContext"].update(runAsUser=0)),
    "nobody says that root is refused": (
        "nobody_is_root",
        lambda g: (g.pod(RELAY)["securityContext"].pop("runAsNonRoot"), g.container(RELAY)["securityContext"].pop("runAsNonRoot")),
    ),
    "the root file system is written": (
        "nothing_is_written",
        lambda g: g.container(PROJECTOR)["securityContext"].update(readOnlyRootFilesystem=False),
    ),
    "a volume fills the node": ("nothing_is_written", lambda g: g.pod(GATEWAY)["volumes"].append({"name": "more", "emptyDir": {}})),
    "a capability is added": (
        "nothing_is_gained",
        lambda g: g.container(GATEWAY)["securityContext"]["capabilities"].update(add=["NET_BIND_SERVICE"]),
    ),
    "capabilities are kept": ("nothing_is_gained", lambda g: g.container(GATEWAY)["securityContext"].pop("capabilities")),
    "privileges are gained": (
        "nothing_is_gained",
        lambda g: g.container(GATEWAY)["securityContext"].update(allowPrivilegeEscalation=True),
    ),
    "any system call is made": ("nothing_is_gained", lambda g: g.pod(RELAY)["securityContext"].pop("seccompProfile")),
    "a path of the node is mounted": (
        "nothing_of_the_node_is_seen",
        lambda g: g.pod(GATEWAY)["volumes"].append({"name": "node", "hostPath": {"path": "/"}}),
    ),
    "the node's network is used": ("nothing_of_the_node_is_seen", lambda g: g.pod(RELAY).update(hostNetwork=True)),
    "an image is named by a tag": ("images_are_named_by_digest", lambda g: g.container(RELAY).update(image="trimaran:latest")),
    "a probe is missing": ("every_role_is_probed", lambda g: g.container(PROJECTOR).pop("livenessProbe")),
    "liveness asks for the stores": ("liveness_is_not_readiness", other_probe),
    "the grace period is missing": ("a_pod_has_time_to_end", lambda g: g.pod(PROJECTOR).pop("terminationGracePeriodSeconds")),
    "the grace period is too short": ("a_pod_has_time_to_end", lambda g: g.pod(PROJECTOR).update(terminationGracePeriodSeconds=30)),
    "memory has no limit": ("room_is_asked_for", no_limits),
    "pods are spread by wrong labels": (
        "pods_are_spread",
        lambda g: g.pod(GATEWAY)["topologySpreadConstraints"][1]["labelSelector"].update(matchLabels={"app": "gateway"}),
    ),
    "an update takes pods away": (
        "an_update_takes_nothing_away",
        lambda g: g[GATEWAY]["spec"]["strategy"]["rollingUpdate"].update(maxUnavailable="25%"),
    ),
    "a failure is not told": ("a_failure_is_told", lambda g: g.container(RELAY).pop("terminationMessagePolicy")),
    "a selector matches nothing": (
        "selectors_match_their_own_pods_only",
        lambda g: g[RELAY]["spec"]["selector"]["matchLabels"].update({"app.kubernetes.io/component": "relais"}),
    ),
    "a selector matches others' pods": (
        "selectors_match_their_own_pods_only",
        lambda g: g[PROJECTOR]["spec"]["selector"]["matchLabels"].pop("trimaran.dev/group"),
    ),
    "a budget blocks every drain": (
        "a_drain_takes_one_at_a_time",
        lambda g: g["PodDisruptionBudget/gateway"]["spec"].update(maxUnavailable=0),
    ),
    "a budget wants more than there are": (
        "a_drain_takes_one_at_a_time",
        lambda g: (
            g["PodDisruptionBudget/gateway"]["spec"].pop("maxUnavailable"),
            g["PodDisruptionBudget/gateway"]["spec"].update(minAvailable=2),
        ),
    ),
    "a budget is missing": ("a_drain_takes_one_at_a_time", lambda g: g.drop("PodDisruptionBudget/relay")),
    "replicas are set beside KEDA": ("replicas_belong_to_the_scaler", lambda g: g[PROJECTOR]["spec"].update(replicas=1)),
    "a projector is not scaled": ("projectors_are_scaled_by_one", lambda g: g.drop("ScaledObject/projector-rows")),
    "another autoscaler is beside KEDA": (
        "projectors_are_scaled_by_one",
        lambda g: g.add("HorizontalPodAutoscaler", "it", spec={"scaleTargetRef": {"kind": "Deployment", "name": "projector-rows"}}),
    ),
    "more pods than partitions": (
        "no_more_pods_than_partitions",
        lambda g: g["ScaledObject/projector-rows"]["spec"].update(maxReplicaCount=9),
    ),
    "the policy is latest": (
        "a_group_returns_to_none",
        lambda g: g.trigger("projector-rows")["metadata"].update(offsetResetPolicy="latest"),
    ),
    "the policy is not said": ("a_group_returns_to_none", lambda g: g.trigger("projector-rows")["metadata"].pop("offsetResetPolicy")),
    "the cooldown is below a drain": (
        "cooldown_outlasts_a_drain",
        lambda g: g["ScaledObject/projector-rows"]["spec"].update(cooldownPeriod=60),
    ),
    "the group is another's": (
        "lag_is_that_of_the_own_group",
        lambda g: g.trigger("projector-rows")["metadata"].update(consumerGroup="shop.selling"),
    ),
    "the group is a generation's": (
        "lag_is_that_of_the_own_group",
        lambda g: g.trigger("projector-rows")["metadata"].update(consumerGroup="shop.rows.1"),
    ),
    "the topic is the signals'": (
        "lag_is_that_of_the_own_group",
        lambda g: g.trigger("projector-rows")["metadata"].update(topic="trimaran.shop.signals"),
    ),
    "a trigger does not log in": ("a_trigger_logs_in", lambda g: g.trigger("projector-rows").pop("authenticationRef")),
    "a query does not log in": ("a_trigger_logs_in", lambda g: g.trigger("projector-selling", 1).pop("authenticationRef")),
    "there is no maximum": (
        "nothing_is_scaled_without_a_bound",
        lambda g: g["ScaledObject/gateway"]["spec"].pop("maxReplicaCount"),
    ),
    "nothing is denied by default": ("a_namespace_denies_by_default", no_default),
    "a role has no network policy": ("every_role_has_a_policy", lambda g: g.drop("NetworkPolicy/relay")),
    "everybody may come in": ("who_comes_in_is_named", lambda g: g["NetworkPolicy/gateway"]["spec"]["ingress"][0].pop("from")),
    "the whole world may come in": (
        "who_comes_in_is_named",
        lambda g: g["NetworkPolicy/gateway"]["spec"]["ingress"][0].update({"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}),
    ),
    "every port is reached": ("who_comes_in_is_named", lambda g: g["NetworkPolicy/gateway"]["spec"]["ingress"][0].pop("ports")),
    "it may go anywhere": ("where_it_goes_is_named", lambda g: g["NetworkPolicy/relay"]["spec"]["egress"].append({})),
    "each node has a port for it": ("services_stay_inside", lambda g: g["Service/gateway"]["spec"].update(type="NodePort")),
    "a route leads to the probes": (
        "probes_stay_inside",
        lambda g: g["Ingress/gateway"]["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"].update(port={"name": "probes"}),
    ),
    "a password is in a value": ("secrets_stand_in_secrets", in_value),
    "a secret is in an annotation": (
        "secrets_stand_in_secrets",
        lambda g: g[GATEWAY]["spec"]["template"]["metadata"]["annotations"].update(checksum=SECRET),
    ),
    "a secret is an argument": ("secrets_stand_in_secrets", lambda g: g.container(GATEWAY)["command"].append(SECRET)),
    "a role uses another's login": (
        "a_role_reads_its_own_login",
        lambda g: env(g, "TRIMARAN_BUS")["valueFrom"]["secretKeyRef"].update(name="bus-admin"),
    ),
    "a Secret is in the clear": ("secrets_are_kept", lambda g: g["Secret/stores"]["data"].update(events="cG9zdGdyZXNxbDovLw==")),
    "a token is mounted": ("no_token_is_mounted", lambda g: g.pod(GATEWAY).update(automountServiceAccountToken=True)),
    "an account gives tokens": ("no_token_is_mounted", lambda g: g["ServiceAccount/relay"].pop("automountServiceAccountToken")),
    "a right on the whole cluster": ("no_right_is_given", lambda g: g.add("ClusterRole", "all", rules=[{"verbs": ["*"]}])),
    "two roles share an account": ("every_role_has_its_own_account", lambda g: g.pod(RELAY).update(serviceAccountName="gateway")),
    "an object is in another namespace": (
        "objects_stay_in_their_namespace",
        lambda g: g["Service/gateway"]["metadata"].update(namespace="default"),
    ),
    "a Job has no deadline": ("a_job_ends", lambda g: g.job("prepare-bus")["spec"].pop("activeDeadlineSeconds")),
    "a Job is restarted for ever": (
        "a_job_ends",
        lambda g: g.job("prepare-bus")["spec"]["template"]["spec"].update(restartPolicy="OnFailure"),
    ),
    "a relay starts before its table": ("nothing_runs_before_it_can", lambda g: g.change(RELAY, dependencies=())),
    "a Job has a fixed name": (
        "a_job_is_named_by_what_it_does",
        lambda g: g.job("prepare-database")["metadata"].update(name="prepare-database"),
    ),
    "a Secret is not protected": ("state_is_protected", lambda g: g.change("Secret/stores", protect=False)),
}


@pytest.mark.parametrize("app", APPS)
def test_nothing_in_a_stack_breaks_a_rule(app: str) -> None:
    assert broken(Objects(recorded(app).resources)) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_seen_by_the_rule_that_is_for_it(fault: str) -> None:
    rule, plant = FAULTS[fault]
    graph = Graph("shop")
    plant(graph)
    found = broken(Objects(graph.resources))
    assert any(told.startswith(f"{rule}: ") for told in found), f"{rule} does not see it; seen is {found}"


def test_every_rule_has_a_planted_fault_and_is_a_sentence() -> None:
    assert {rule.__name__ for rule in RULES} == {rule for rule, _ in FAULTS.values()}
    for rule in RULES:
        assert rule.__doc__ is not None and rule.__doc__.strip().endswith("."), rule.__name__
    assert len(FAULTS) >= 20
