"""Every way that a bus, an entrance and an image can be: the stack holds to the harness and the rules in each, and KEDA's scaler takes it.

KEDA's kafka scaler is asked as its own source asks (tests/stacks/keda/check.py): which parameters a way needs, and which exclude each other.
"""

import json
from typing import Any

import pytest

from tests.stacks import crossing
from tests.stacks.deployed import CONFIG, OUTSIDE, PASSWORDS, program
from tests.stacks.gatewayapi import check as gateway_api
from tests.stacks.harness import Examined, examine
from tests.stacks.objects import Objects
from tests.stacks.rules import broken

ROLES = ("admin", "relay", "projector", "gateway", "scaler")
PEM = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"
NO_LOGIN = {"busLogins": "", "busCa": "", "acls": "false"}
USERS = json.dumps({role: {"user": f"CN={role}"} for role in ROLES})
CONNECTION = json.dumps({"all": {"user": "$ConnectionString", "password": f"Endpoint=sb://it/;SharedAccessKey={PASSWORDS['relay']}"}})
CLIENT = json.dumps({"all": {"user": "client", "password": PASSWORDS["relay"]}})
KAFKA, MSK = (
    "kafka://kafka.example:9093?security_protocol=",
    "kafka://b-1.msk.example:9098?security_protocol=SASL_SSL&sasl_mechanism=AWS_MSK_IAM",
)

WAYS: dict[str, dict[str, str]] = {
    "no login": NO_LOGIN | {"bus": "kafka://kafka.example:9092"},
    "TLS": NO_LOGIN | {"bus": f"{KAFKA}SSL", "busCa": PEM},
    "mTLS": {"bus": f"{KAFKA}SSL", "busCa": PEM, "busCert": PEM, "busKey": PEM, "busLogins": USERS},
    "PLAIN without TLS": {"bus": f"{KAFKA}SASL_PLAINTEXT&sasl_mechanism=PLAIN", "busCa": ""},
    "PLAIN": {"bus": f"{KAFKA}SASL_SSL&sasl_mechanism=PLAIN"},
    "SCRAM-SHA-256": {"bus": f"{KAFKA}SASL_SSL&sasl_mechanism=SCRAM-SHA-256"},
    "OAUTHBEARER": {
        "bus": f"{KAFKA}SASL_SSL&sasl_mechanism=OAUTHBEARER&oauth_endpoint=https://login.example/token&oauth_scope=bus",
        "busLogins": CLIENT,
        "acls": "false",
    },
    "MSK with the pod's role": NO_LOGIN | {"bus": f"{MSK}&region=eu-central-1", "busRole": "arn:aws:iam::123456789012:role/trimaran"},
    "Event Hubs": {"bus": "kafka://it.servicebus.windows.net:9093", "busLogins": CONNECTION, "busCa": "", "acls": "false"},
    "one database, no host name, KEDA installed": {"rows": "", "rowsPassword": "", "host": "", "tlsSecret": "", "keda": "install"},
    "KEDA counts with the login of the roles": {"scalerUser": "", "scalerPassword": ""},
    "a host name without TLS, named networks, no sync": {"tlsSecret": "", "allowFrom": '["10.0.0.0/8", "traefik"]', "syncEvery": "never"},
    "a Gateway's route": {"tlsSecret": "", "route": "https://infra/public/websecure", "allowFrom": '["infra"]'},
    "nobody may call, one partition": {"allowFrom": "[]", "partitions": "1"},
    "always awake": {"minimum": "2", "maximum": "4"},
}
TRIGGER: dict[str, dict[str, str]] = {  # what the kafka trigger says in each way
    "no login": {"tls": "disable", "sasl": "none"},
    "TLS": {"tls": "enable", "sasl": "none"},
    "mTLS": {"tls": "enable", "sasl": "none"},
    "PLAIN without TLS": {"tls": "disable", "sasl": "plaintext"},
    "PLAIN": {"tls": "enable", "sasl": "plaintext"},
    "SCRAM-SHA-256": {"tls": "enable", "sasl": "scram_sha256"},
    "OAUTHBEARER": {"tls": "enable", "sasl": "oauthbearer", "saslTokenProvider": "bearer"},
    "MSK with the pod's role": {"tls": "enable", "sasl": "oauthbearer", "saslTokenProvider": "aws_msk_iam", "awsRegion": "eu-central-1"},
    "Event Hubs": {"tls": "enable", "sasl": "plaintext"},
}


def stack(changed: dict[str, str], *external: str, previews: bool = False) -> Examined:
    """The shop's stack with some settings changed; "" takes one away."""
    told = CONFIG | {"trimaran:app": "shop"} | {f"trimaran:{name}": value for name, value in changed.items()}
    config = {key: value for key, value in told.items() if value}
    secrets = [f"trimaran:{name}" for name in ("eventsPassword", "rowsPassword", "scalerPassword", "busLogins", "busCert", "busKey")]
    secret = [key for key in secrets if key in config]
    return examine(program, config, secret, external=(*OUTSIDE, *external), values=PASSWORDS.values(), previews=previews)


@pytest.mark.parametrize("way", WAYS)
def test_the_stack_holds_in_every_way(way: str) -> None:
    found = stack(WAYS[way], previews=way not in TRIGGER)
    assert found.problems == []
    assert broken(found.objects) == []
    if way in TRIGGER:
        lag = kafka(found.objects)
        assert TRIGGER[way].items() <= lag["metadata"].items()
        assert not {"tls", "sasl", "saslTokenProvider", "awsRegion"} & lag["metadata"].keys() - TRIGGER[way].keys()


def kafka(objects: Objects) -> dict[str, Any]:
    """The kafka trigger of the projector of rows."""
    found: dict[str, Any] = objects.get("ScaledObject", "projector-rows").spec["triggers"][0]
    assert found["type"] == "kafka"
    return found


def test_a_route_leads_from_the_listener_to_the_port_of_clients_and_nothing_else_does() -> None:
    found = stack(WAYS["a Gateway's route"])
    objects = found.objects
    assert not list(objects.of("Ingress"))
    route, service = objects.get("HTTPRoute", "gateway"), objects.get("Service", "gateway")
    assert route.spec["parentRefs"] == [{"namespace": "infra", "name": "public", "sectionName": "websecure"}]
    assert route.spec["hostnames"] == [CONFIG["trimaran:host"]]
    (rule,) = route.spec["rules"]
    (port,) = [port["port"] for port in service.spec["ports"] if port["name"] == "http"]
    assert rule["backendRefs"] == [{"name": "gateway", "port": port}]
    route.spec["rules"][0]["backendRefs"][0]["port"] = 8001
    assert any("it leads to the probes" in told for told in broken(objects))
    route.spec["rules"][0]["backendRefs"][0]["port"] = 80
    assert any("it goes to port 80 " in told for told in crossing.dangling(found.update.resources, OUTSIDE))
    route.spec["parentRefs"][0]["listener"] = "websecure"
    assert gateway_api.problems(objects) == [
        "HTTPRoute/gateway: spec.parentRefs[0]: Additional properties are not allowed ('listener' was unexpected)"
    ]


def test_a_priority_of_the_cluster_is_named_and_not_made() -> None:
    assert stack({"priorityClass": "trimaran"}, "PriorityClass/trimaran").problems == []
    assert any("PriorityClass/trimaran" in told for told in stack({"priorityClass": "trimaran"}).problems)


def test_an_image_named_by_a_tag_is_for_trying_out_only() -> None:
    found = stack({"image": "registry.example/trimaran:latest", "production": "false"})
    assert found.problems == []
    assert {told.partition(":")[0] for told in broken(found.objects)} == {"images_are_named_by_digest"}
    refused = stack({"image": "registry.example/trimaran:latest"})
    assert any("trimaran:image" in told and "has no digest" in told for told in refused.problems)
    assert refused.update.resources == []


def test_an_image_that_is_built_here_is_named_by_the_digest_that_came_out() -> None:
    python = f"docker.io/library/python@sha256:{'a' * 64}"
    found = stack({"image": "", "imageRepository": "registry.example/trimaran", "pythonImage": python})
    assert all(told.startswith("docker-build:index:Image ") and "no provider of its own" in told for told in found.problems)
    (built,) = [each for each in found.update.resources if each.type == "docker-build:index:Image"]
    images = {each.containers[0]["image"] for each in found.objects.workloads()}
    (image,) = images
    assert image.startswith("registry.example/trimaran") and "@sha256:" in image
    assert all(built.urn in each.resource.dependencies for each in found.objects.workloads())
    assert built.inputs["push"] is True and python in json.dumps(built.inputs["buildArgs"])
