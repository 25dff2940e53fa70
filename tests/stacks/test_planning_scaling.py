"""What KEDA is told: when to wake a projector, how far to go, and how to log in to whatever bus there is."""

import json
from dataclasses import replace
from typing import Any

import pytest

from stacks.cloud import FromSecret
from stacks.config import BUS_ROLES
from stacks.kube import authentication, routes, scaling
from stacks.kube.names import Place
from stacks.kube.secrets import bus_files, bus_secret
from stacks.rights import Use, listed, rights
from tests.stacks.given import LOGINS, PLAINTEXT, about, given

PLACE = Place("shop", "trimaran-shop")
LABELS = PLACE.labels("projector", "rows")
LOGIN, FILES = FromSecret("bus-scaler", "url", "1"), FromSecret("bus-files", "", "1")
KAFKA = {"bootstrapServers": "kafka.example:9093"}
ROWS, SELLING = about().groups


def triggers(plan: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {trigger["type"]: trigger for trigger in plan["spec"]["triggers"]}


def projector(group: Any = ROWS, **changed: Any) -> dict[str, Any]:
    return scaling.projector(PLACE, "projector-rows", LABELS, group, "trimaran.shop", KAFKA, given(**changed).scaling)


def test_a_projector_is_woken_by_lag_of_the_group_that_is_watched() -> None:
    trigger = triggers(projector())["kafka"]
    assert trigger["metadata"] == {
        "bootstrapServers": "kafka.example:9093",
        "topic": "trimaran.shop",
        "consumerGroup": "shop.rows",
        "lagThreshold": "1000",
        "activationLagThreshold": "0",
        "offsetResetPolicy": "earliest",
    }
    assert trigger["authenticationRef"] == {"name": "bus", "kind": "TriggerAuthentication"}


def test_a_saga_is_woken_by_what_is_due_too() -> None:
    assert "postgresql" not in triggers(projector(ROWS))
    trigger = triggers(projector(SELLING))["postgresql"]
    assert trigger["metadata"]["query"] == SELLING.due
    assert (trigger["metadata"]["targetQueryValue"], trigger["metadata"]["activationTargetQueryValue"]) == ("1", "0")
    assert trigger["authenticationRef"]["name"] == "rows"


def test_sync_wakes_one_for_a_minute_of_every_hour_or_never() -> None:
    assert triggers(projector())["cron"]["metadata"] == {
        "timezone": "Etc/UTC",
        "start": "0 * * * *",
        "end": "1 * * * *",
        "desiredReplicas": "1",
    }
    assert "cron" not in triggers(projector(syncEvery="never"))


@pytest.mark.parametrize(("said", "maximum"), [({}, 8), ({"partitions": 3}, 3), ({"maximum": 2}, 2)])
def test_from_none_to_as_many_as_there_are_partitions(said: dict[str, Any], maximum: int) -> None:
    spec = projector(**said)["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (0, maximum)
    assert (spec["pollingInterval"], spec["cooldownPeriod"]) == (30, 300)
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "projector-rows"}


def test_the_gateway_is_scaled_by_its_cpu_and_by_the_sockets_of_all_its_pods() -> None:
    plan = scaling.gateway(PLACE, "gateway", PLACE.labels("gateway"), routes.load_url(PLACE, 8001, "/load"), given().scaling)
    assert (plan["spec"]["minReplicaCount"], plan["spec"]["maxReplicaCount"]) == (2, 10)
    cpu, sockets = triggers(plan)["cpu"], triggers(plan)["metrics-api"]
    assert (cpu["metricType"], cpu["metadata"]) == ("Utilization", {"value": "70"})
    assert sockets["metadata"] == {
        "url": "http://gateway.trimaran-shop.svc:8001/load",
        "format": "json",
        "valueLocation": "sockets",
        "targetValue": "500",
        "aggregateFromKubeServiceEndpoints": "true",
        "aggregationType": "sum",
    }


WAYS: dict[str, tuple[dict[str, Any], dict[str, str], dict[str, str], str]] = {
    "none": (PLAINTEXT, {"tls": "disable", "sasl": "none"}, {}, "none"),
    "TLS": (
        {**PLAINTEXT, "bus": "kafka://k:1?security_protocol=SSL", "busCa": "CA"},
        {"tls": "enable", "sasl": "none"},
        {"ca": "ca.crt"},
        "none",
    ),
    "mTLS": (
        {"bus": "kafka://k:1?security_protocol=SSL", "busLogins": "{}", "busCa": "CA", "busCert": "C", "busKey": "K"},
        {"tls": "enable", "sasl": "none"},
        {"ca": "ca.crt", "cert": "tls.crt", "key": "tls.key"},
        "none",
    ),
    "PLAIN": ({}, {"tls": "enable", "sasl": "plaintext"}, {"username": "username", "password": "password"}, "none"),
    "PLAIN without TLS": (
        {"bus": "kafka://k:1?security_protocol=SASL_PLAINTEXT"},
        {"tls": "disable", "sasl": "plaintext"},
        {"username": "username", "password": "password"},
        "none",
    ),
    "SCRAM-SHA-256": (
        {"bus": "kafka://k:1?sasl_mechanism=SCRAM-SHA-256"},
        {"tls": "enable", "sasl": "scram_sha256"},
        {"username": "username", "password": "password"},
        "none",
    ),
    "SCRAM-SHA-512": (
        {"bus": "kafka://k:1?sasl_mechanism=SCRAM-SHA-512"},
        {"tls": "enable", "sasl": "scram_sha512"},
        {"username": "username", "password": "password"},
        "none",
    ),
    "Event Hubs": (
        {
            "bus": "kafka://space.servicebus.windows.net:9093",
            "busLogins": {"all": {"user": "$ConnectionString", "password": "Endpoint=sb://space/"}},
        },
        {"tls": "enable", "sasl": "plaintext"},
        {"username": "username", "password": "password"},
        "none",
    ),
    "OAUTHBEARER": (
        {"bus": "kafka://k:1?sasl_mechanism=OAUTHBEARER&oauth_endpoint=https://id/token&oauth_scope=kafka"},
        {"tls": "enable", "sasl": "oauthbearer", "saslTokenProvider": "bearer"},
        {"username": "username", "password": "password", "oauthTokenEndpointUri": "oauthTokenEndpointUri", "scopes": "scopes"},
        "none",
    ),
    "MSK": (
        {"bus": "kafka://k:1?sasl_mechanism=AWS_MSK_IAM&region=eu-central-1", "busLogins": "{}"},
        {"tls": "enable", "sasl": "oauthbearer", "saslTokenProvider": "aws_msk_iam", "awsRegion": "eu-central-1"},
        {},
        "aws",
    ),
}


@pytest.mark.parametrize(("said", "trigger", "parameters", "identity"), WAYS.values(), ids=WAYS.keys())
def test_keda_logs_in_every_way_that_a_bus_knows(
    said: dict[str, Any], trigger: dict[str, str], parameters: dict[str, str], identity: str
) -> None:
    bus = given(**said).bus
    told = authentication.kafka(bus)
    assert {name: text for name, text in told.items() if name != "bootstrapServers"} == trigger
    spec = authentication.bus_authentication(PLACE, LABELS, bus, LOGIN, FILES)["spec"]
    assert spec["podIdentity"]["provider"] == identity
    targets = spec.get("secretTargetRef", [])
    assert {target["parameter"]: target["key"] for target in targets} == parameters
    held = {"bus-scaler": bus_secret(bus, "scaler"), "bus-files": bus_files(bus)}
    assert all(target["key"] in held[target["name"]] for target in targets)


def test_a_role_of_the_cloud_is_taken_on_where_one_is_named() -> None:
    bus = given(bus="kafka://k:1?sasl_mechanism=AWS_MSK_IAM&region=x", busLogins="{}", busRole="arn:aws:iam::1:role/bus").bus
    spec = authentication.bus_authentication(PLACE, LABELS, bus, LOGIN, FILES)["spec"]
    assert spec["podIdentity"] == {"provider": "aws", "roleArn": "arn:aws:iam::1:role/bus"}


def test_the_secret_of_a_role_has_its_own_login_and_nobody_elses() -> None:
    bus = given(busCa="CA").bus
    for role in BUS_ROLES:
        secret = bus_secret(bus, role)
        assert (secret["username"], secret["password"]) == (LOGINS[role]["user"], LOGINS[role]["password"])
        assert f"user-{role}:password%20of%20{role}@kafka.example:9093" in secret["url"]
        assert secret["url"].endswith("cafile=/etc/trimaran/bus/ca.crt")
        assert not any(LOGINS[other]["user"] in json.dumps(secret) for other in BUS_ROLES if other != role)


@pytest.mark.parametrize(
    ("use", "may"),
    [
        ("publish", {"topic trimaran.shop write"}),
        ("fold", {"topic trimaran.shop read", "topic trimaran.shop.signals write", "group shop. read"}),
        ("listen", {"topic trimaran.shop.signals read"}),
        ("watch", {"topic trimaran.shop describe", "group shop. describe"}),
        ("administer", set()),
    ],
)
def test_a_use_is_a_few_rights_and_no_more(use: Use, may: set[str]) -> None:
    found = rights(use, "someone", "shop", "trimaran.shop", "trimaran.shop.signals")
    assert {f"{right.resource} {right.name} {right.operation}" for right in found} == may
    assert {right.principal for right in found} <= {"User:someone"}


def test_only_names_of_groups_are_prefixes() -> None:
    for use in ("publish", "fold", "listen", "watch"):
        for right in rights(use, "someone", "shop", "trimaran.shop", "trimaran.shop.signals"):
            assert (right.pattern == "prefixed") == (right.resource == "group")


def test_the_list_of_rights_is_the_same_whoever_asks_first() -> None:
    one, other = (rights(use, use, "shop", "t", "s") for use in ("publish", "fold"))
    assert listed((*one, *other, *one)) == listed((*other, *one))
    assert json.loads(listed(one)) == [
        {"principal": "User:publish", "resource": "topic", "name": "t", "pattern": "literal", "operation": "write"},
    ]


def test_a_host_name_is_an_ingress_and_its_certificate_makes_it_secure() -> None:
    entrance = given(host="board.example", tlsSecret="board", ingressClass="traefik").entrance
    plan = routes.ingress(PLACE, LABELS, entrance)
    assert plan is not None
    assert plan["spec"]["tls"] == [{"hosts": ["board.example"], "secretName": "board"}]
    assert plan["spec"]["ingressClassName"] == "traefik"
    assert routes.urls(PLACE, entrance, 8000) == routes.Urls(
        "https://board.example/commands", "wss://board.example/graphql", "https://board.example/health"
    )
    assert routes.urls(PLACE, replace(entrance, tls_secret=""), 8000).graphql == "ws://board.example/graphql"


def test_a_listener_takes_the_place_of_an_ingress_and_ends_tls_where_it_says_so() -> None:
    entrance = given(host="board.example", route="https://infra/public/websecure").entrance
    assert routes.ingress(PLACE, LABELS, entrance) is None
    assert routes.route(PLACE, LABELS, entrance, 8000) is not None
    assert routes.urls(PLACE, entrance, 8000).graphql == "wss://board.example/graphql"
    plain = given(host="board.example", route="http://infra/public/web").entrance
    assert routes.urls(PLACE, plain, 8000).graphql == "ws://board.example/graphql"


def test_without_a_host_name_the_gateway_is_found_inside_the_cluster() -> None:
    entrance = given().entrance
    assert routes.ingress(PLACE, LABELS, entrance) is routes.route(PLACE, LABELS, entrance, 8000) is None
    assert routes.urls(PLACE, entrance, 8000).commands == "http://gateway.trimaran-shop.svc:8000/commands"
    service = routes.service(PLACE, PLACE.labels("gateway"), {"http": 8000, "probes": 8001})["spec"]
    assert service["selector"] == PLACE.labels("gateway")
    assert {port["name"]: port["port"] for port in service["ports"]} == {"http": 8000, "probes": 8001}
