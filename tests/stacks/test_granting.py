"""Rights follow from use: a role has the secrets, the routes and the lines of the access control list that it was granted, and no other."""

import json
from dataclasses import replace
from typing import Any

import pytest

from stacks.cloud import Grant
from stacks.config import BUS_ROLES
from stacks.description import Description
from stacks.kubernetes import Kubernetes
from stacks.recording import Recording
from tests.stacks.given import CONFIG, SECRET, about, given
from tests.stacks.test_refusals import program

KAFKA, POSTGRES, KEYS = 9093, 5432, 443
READS: dict[str, set[str]] = {
    "relay": {"stores/events", "bus-relay/url"},
    "projector-rows": {"stores/events", "stores/rows", "bus-projector/url"},
    "projector-selling": {"stores/events", "stores/rows", "bus-projector/url"},
    "gateway": {"stores/events", "stores/rows", "bus-gateway/url"},
    "prepare-database": {"stores/events", "stores/rows"},
    "prepare-bus": {"bus-admin/url"},
    "rebuild-rows": {"stores/events", "stores/rows", "bus-admin/url"},
    "rebuild-selling": {"stores/events", "stores/rows", "bus-admin/url"},
    "finish-rows": {"stores/events", "stores/rows", "bus-admin/url"},
    "finish-selling": {"stores/events", "stores/rows", "bus-admin/url"},
}
REACHES: dict[str, set[int]] = {name: {POSTGRES, KAFKA} for name in READS} | {
    "prepare-database": {POSTGRES},
    "prepare-bus": {KAFKA},
    "gateway": {POSTGRES, KAFKA, KEYS},
}


@pytest.fixture(scope="module")
def system() -> Recording:
    said = CONFIG | {"acls": "true", "busCa": "CA", "jwks": "https://id.example/keys", "issuer": "id", "audience": "us"}
    return Recording("k8s", {f"trimaran:{name}": text for name, text in said.items()}, [f"trimaran:{name}" for name in SECRET]).run(program)


@pytest.mark.parametrize(("name", "keys"), READS.items(), ids=READS.keys())
def test_a_role_reads_the_keys_of_secrets_that_it_uses_and_no_other(system: Recording, name: str, keys: set[str]) -> None:
    (container,) = spec_of(system, name)["containers"]
    references = [variable["valueFrom"].get("secretKeyRef") for variable in container["env"] if "valueFrom" in variable]
    assert {f"{each['name']}/{each['key']}" for each in references if each} == keys
    mounted = {volume["name"] for volume in spec_of(system, name)["volumes"]}
    assert ("bus" in mounted) == any(key.startswith("bus-") for key in keys)


@pytest.mark.parametrize(("name", "ports"), REACHES.items(), ids=REACHES.keys())
def test_a_role_reaches_the_ports_of_what_it_uses_and_no_other(system: Recording, name: str, ports: set[int]) -> None:
    policy = made(system, "NetworkPolicy", f"{name}-policy")["spec"]
    assert {port["port"] for rule in policy["egress"] for port in rule["ports"]} - {53} == ports
    pod = made_any(system, name)["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= pod.items()


def test_only_the_gateway_is_called_and_only_by_those_who_may(system: Recording) -> None:
    called = {each.name: each.inputs["spec"]["ingress"] for each in system.resources if "ingress" in each.inputs.get("spec", {})}
    assert called.keys() == {"gateway-policy"}
    clients, keda = called["gateway-policy"]
    assert (names(clients), clients["ports"][0]["port"]) == (["ingress-nginx"], 8000)
    assert (names(keda), keda["ports"][0]["port"]) == (["keda"], 8001)


def test_the_bus_is_told_the_rights_of_everybody_but_the_administrator(system: Recording) -> None:
    (container,) = spec_of(system, "prepare-bus")["containers"]
    (said,) = [variable["value"] for variable in container["env"] if variable["name"] == "TRIMARAN_RIGHTS"]
    assert {right["principal"] for right in json.loads(said)} == {f"User:user-{role}" for role in BUS_ROLES if role != "admin"}


def test_what_nobody_was_granted_is_not_made() -> None:
    run = Recording("k8s", {}, [])
    run.run(alone)
    secrets = {each.inputs["metadata"]["name"] for each in run.resources if each.type == "kubernetes:core/v1:Secret"}
    assert secrets == {"stores"}
    assert {port["port"] for rule in made(run, "NetworkPolicy", "relay-policy")["spec"]["egress"] for port in rule["ports"]} == {
        53,
        POSTGRES,
    }
    (container,) = spec_of(run, "relay")["containers"]
    assert "TRIMARAN_BUS" not in {variable["name"] for variable in container["env"]}


def alone() -> None:
    """A relay that was granted the events and no bus."""
    cloud = Kubernetes(given(), about())
    cloud.relay((cloud.event_store().grant(),), ())


def test_keda_cannot_log_in_with_what_was_not_granted() -> None:
    def without_a_login() -> None:
        Kubernetes(given(), about()).autoscaler(Grant(), Grant())

    with pytest.raises(KeyError, match="TRIMARAN_BUS"):
        Recording("k8s", {}, []).run(without_a_login)


def test_a_role_of_the_cloud_is_reached_where_it_is_given() -> None:
    def signing() -> None:
        cloud = Kubernetes(given(bus="kafka://k:9098?sasl_mechanism=AWS_MSK_IAM&region=x", busLogins=None, busRole="arn:role"), about())
        cloud.relay((cloud.bus().grant("relay", "publish"),), ())

    run = Recording("k8s", {}, [])
    run.run(signing)
    rules = made(run, "NetworkPolicy", "relay-policy")["spec"]["egress"]
    assert {port["port"] for rule in rules for port in rule["ports"]} == {53, 80, KEYS, 9098}
    assert made(run, "ServiceAccount", "relay-account")["metadata"]["annotations"] == {"eks.amazonaws.com/role-arn": "arn:role"}


def test_keda_reads_the_read_database_where_a_sagas_work_is_counted_and_only_there(system: Recording) -> None:
    assert authentications(system) == {"bus", "rows"}
    run = Recording("k8s", {}, [])
    run.run(lambda: scaled(replace(about(), groups=tuple(group for group in about().groups if not group.saga))))
    assert authentications(run) == {"bus"}


def test_a_login_of_kedas_own_is_in_a_secret_of_its_own_and_no_role_reads_it() -> None:
    said = CONFIG | {"scalerUser": "keda", "scalerPassword": "the counter's"}
    run = Recording("k8s", {f"trimaran:{name}": text for name, text in said.items()}, [f"trimaran:{name}" for name in SECRET]).run(program)
    (target,) = made(run, "TriggerAuthentication", "rows-authentication")["spec"]["secretTargetRef"]
    assert target == {"parameter": "connection", "name": "rows-scaler", "key": "rows"}
    (container,) = spec_of(run, "prepare-database")["containers"]
    assert {"name": "TRIMARAN_SCALER", "value": "keda"} in container["env"]
    readers = {name: json.dumps(spec_of(run, name)) for name in READS}
    assert [name for name, told in readers.items() if "rows-scaler" in told] == []
    assert [name for name, told in readers.items() if "TRIMARAN_SCALER" in told] == ["prepare-database"]


def scaled(told: Description) -> None:
    """KEDA, for these groups."""
    cloud = Kubernetes(given(), told)
    cloud.autoscaler(cloud.bus().grant("scaler", "watch"), cloud.read_database().count())


def authentications(run: Recording) -> set[str]:
    return {each.inputs["metadata"]["name"] for each in run.resources if each.type.endswith(":TriggerAuthentication")}


def made(run: Recording, kind: str, name: str) -> dict[str, Any]:
    (found,) = [each.inputs for each in run.resources if each.type.endswith(f":{kind}") and each.name == name]
    return found


def made_any(run: Recording, name: str) -> dict[str, Any]:
    (found,) = [each.inputs for each in run.resources if each.type.endswith((":Deployment", ":Job")) and each.name == name]
    return found


def spec_of(run: Recording, name: str) -> dict[str, Any]:
    spec: dict[str, Any] = made_any(run, name)["spec"]["template"]["spec"]
    return spec


def names(rule: dict[str, Any]) -> list[str]:
    return [peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for peer in rule["from"]]
