"""A pod does what its role says with what it was granted, as nobody, on a disk that cannot be written."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given as each
from hypothesis import strategies as st

from stacks.cloud import FromSecret, Grant, Reach
from stacks.grants import needs
from stacks.kube import disruption, jobs, network
from stacks.kube.names import Place, namespace
from stacks.kube.pods import GRACE_S, SIZES, USER, Pod, template
from stacks.kube.probes import probes
from tests.stacks.given import about

PLACE = Place("shop", "trimaran-shop")
STORES = FromSecret("stores", "events", "41")
FILES = FromSecret("bus-files", "", "7")
ROLES = about().roles


def pod(component: str = "projector", **changed: Any) -> Pod:
    labels = PLACE.labels(component, "rows")
    return replace(Pod(component, "projector-rows", labels, "image@sha256:0", ROLES[component], {"TRIMARAN_EVENTS": STORES}), **changed)


def container(of: Pod) -> dict[str, Any]:
    (only,) = template(of)["spec"]["containers"]
    assert isinstance(only, dict)
    return only


def test_a_pod_is_nobody_and_holds_nothing() -> None:
    spec = template(pod())["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["serviceAccountName"] == "projector-rows"
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    secured = container(pod())["securityContext"]
    assert secured["capabilities"] == {"drop": ["ALL"]}
    assert secured["readOnlyRootFilesystem"] is True
    assert secured["allowPrivilegeEscalation"] is False
    assert container(pod())["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]


def test_a_secret_is_referred_to_and_never_written_down() -> None:
    variables = {each["name"]: each for each in container(pod())["env"]}
    assert variables["TRIMARAN_EVENTS"] == {
        "name": "TRIMARAN_EVENTS",
        "valueFrom": {"secretKeyRef": {"name": "stores", "key": "events"}},
    }


def test_a_changed_secret_is_a_changed_pod() -> None:
    before, after = template(pod()), template(pod(env={"TRIMARAN_EVENTS": replace(STORES, version="42")}))
    assert before["metadata"]["annotations"] == {"trimaran.dev/secret-stores": "41"}
    assert before["metadata"] != after["metadata"]
    assert before["spec"] == after["spec"]


def test_files_are_mounted_where_the_url_says_and_only_for_whoever_was_granted_them() -> None:
    with_files = template(pod(files=FILES))
    assert {"name": "bus", "mountPath": "/etc/trimaran/bus", "readOnly": True} in container(pod(files=FILES))["volumeMounts"]
    assert with_files["metadata"]["annotations"]["trimaran.dev/secret-bus-files"] == "7"
    assert "bus" not in {volume["name"] for volume in template(pod())["spec"]["volumes"]}


def test_a_role_listens_on_its_pods_own_address_and_says_where_its_probes_are() -> None:
    variables = {each["name"]: each for each in container(pod("gateway"))["env"]}
    assert variables["TRIMARAN_HOST"]["valueFrom"] == {"fieldRef": {"fieldPath": "status.podIP"}}
    assert (variables["TRIMARAN_PORT"]["value"], variables["TRIMARAN_PROBES"]["value"]) == ("8000", "8001")
    assert {each["containerPort"] for each in container(pod("gateway"))["ports"]} == {8000, 8001}


def test_probes_ask_the_paths_of_the_role() -> None:
    asked = probes({"live": "/live", "ready": "/ready"}, 8001)
    assert {name: probe["httpGet"] for name, probe in asked.items()} == {
        "startupProbe": {"path": "/live", "port": 8001},
        "livenessProbe": {"path": "/live", "port": 8001},
        "readinessProbe": {"path": "/ready", "port": 8001},
    }
    assert probes({}, 0) == {}


@pytest.mark.parametrize("component", [*SIZES])
def test_every_component_asks_for_what_it_needs_and_is_stopped_where_it_would_take_too_much(component: str) -> None:
    of = replace(pod(), component=component)
    assert container(of)["resources"]["requests"].keys() == {"cpu", "memory"}
    assert container(of)["resources"]["limits"].keys() == {"memory"}


def test_a_pod_has_time_to_end_its_work_and_says_why_it_failed() -> None:
    assert template(pod())["spec"]["terminationGracePeriodSeconds"] == GRACE_S == 40
    assert container(pod())["terminationMessagePolicy"] == "FallbackToLogsOnError"


def test_whoever_is_called_goes_on_until_nobody_calls_any_more() -> None:
    called = replace(ROLES["gateway"], environment=(*ROLES["gateway"].environment, "TRIMARAN_LINGER_S"))
    assert {"name": "TRIMARAN_LINGER_S", "value": "5"} in container(pod("gateway", role=called))["env"]
    assert "TRIMARAN_LINGER_S" not in {each["name"] for each in container(pod())["env"]}


def test_a_priority_is_named_only_where_one_was_given() -> None:
    assert "priorityClassName" not in template(pod())["spec"]
    assert template(pod(priority="high"))["spec"]["priorityClassName"] == "high"


def test_pods_that_run_for_ever_spread_over_zones_and_nodes() -> None:
    keys = [each["topologyKey"] for each in template(pod())["spec"]["topologySpreadConstraints"]]
    assert keys == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    assert "topologySpreadConstraints" not in template(pod(restart="Never"))["spec"]


def test_a_job_is_tried_three_times_within_its_bound_and_stays() -> None:
    made = jobs.job(
        PLACE, "rebuild-rows-01234567", "rebuild-rows", replace(pod(), role=ROLES["upgrade"], component="prepare", restart="Never")
    )
    assert made["spec"]["backoffLimit"] == 2
    assert made["spec"]["activeDeadlineSeconds"] == 6 * 3600
    assert "ttlSecondsAfterFinished" not in made["spec"]
    assert made["metadata"]["annotations"] == {"pulumi.com/replaceUnready": "true"}
    assert jobs.deadline_s("prepare-bus") == 600


WORDS = st.dictionaries(st.text("abc", min_size=1), st.text(), max_size=4)


@each(WORDS, WORDS)
def test_a_jobs_name_tells_what_it_does_apart_and_keeps_the_same_the_same(one: dict[str, str], other: dict[str, str]) -> None:
    shuffled = dict(reversed(one.items()))
    assert jobs.job_name("prepare-bus", one) == jobs.job_name("prepare-bus", shuffled)
    assert (jobs.job_name("prepare-bus", one) == jobs.job_name("prepare-bus", other)) == (one == other)
    assert len(jobs.job_name("prepare-bus", one)) == len("prepare-bus-") + 8


def test_nobody_may_talk_to_anybody() -> None:
    assert network.nobody(PLACE)["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_a_policy_lets_a_role_reach_what_it_was_granted_and_names() -> None:
    reach = (Reach("10.0.0.0/8", (5432,)), Reach("10.0.0.0/8", (9093,)), Reach("0.0.0.0/0", (443,)))
    spec = network.policy(PLACE, "relay", PLACE.labels("relay"), reach)["spec"]
    names, *rest = spec["egress"]
    assert {port["port"] for port in names["ports"]} == {53}
    assert rest == [
        {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"protocol": "TCP", "port": 443}]},
        {"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"protocol": "TCP", "port": 5432}, {"protocol": "TCP", "port": 9093}]},
    ]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in spec


def test_callers_are_namespaces_or_networks_and_nobody_is_nobody() -> None:
    (rule,) = network.callers(("traefik", "192.0.2.0/24"), 8000)
    assert rule == {
        "from": [
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "traefik"}}},
            {"ipBlock": {"cidr": "192.0.2.0/24"}},
        ],
        "ports": [{"protocol": "TCP", "port": 8000}],
    }
    assert network.callers((), 8000) == []  # a rule without `from` would let everybody in


@pytest.mark.parametrize(
    ("text", "is_one"), [("10.0.0.0/8", True), ("10.0.0.1/8", False), ("10.0.0.0", False), ("kube-system", False), ("::/0", True)]
)
def test_a_network_is_written_as_one(text: str, is_one: bool) -> None:
    assert network.network(text) is is_one


def test_a_drain_takes_one_pod_at_a_time() -> None:
    made = disruption.budget(PLACE, "relay", PLACE.labels("relay"))
    assert made["spec"]["maxUnavailable"] == 1
    assert made["spec"]["selector"]["matchLabels"] == PLACE.labels("relay")


def test_the_namespace_admits_restricted_pods_only() -> None:
    assert namespace(PLACE)["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_grants_add_up_and_contradictions_are_a_defect() -> None:
    one = Grant({"A": "1", "B": "2"}, (Reach("10.0.0.0/8", (1,)),), files=FILES)
    together = needs((one, Grant({"B": "2", "C": STORES}, (Reach("10.0.0.0/8", (2,)),), identity="arn:role")))
    assert together.env == {"A": "1", "B": "2", "C": STORES}
    assert [each.ports for each in together.reach] == [(1,), (2,)]
    assert (together.files, together.identity) == (FILES, "arn:role")
    with pytest.raises(ValueError, match="two grants say A differently"):
        needs((one, Grant({"A": "3"})))


def test_everything_is_plain_data() -> None:
    assert json.loads(json.dumps(template(pod(files=FILES)))) == template(pod(files=FILES))
