"""What cannot be right is refused at plan time, before any resource is registered: one line that names the field and the way out."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi
import pytest

from hosts.deployment import describe
from runtime.errors import Misconfigured
from stacks.config import BUS_ROLES
from stacks.errors import Refused
from stacks.program import deploy
from stacks.recording import STACK, Recording
from stacks.refusals import refuse
from tests.stacks.given import CONFIG, LOGINS, PLAINTEXT, SECRET, about, given

TAG_ONLY = "registry.example/trimaran:1"
PYTHON = f"docker.io/library/python:3.13-slim@sha256:{'b' * 64}"
JWKS: dict[str, Any] = {"jwks": "https://id.example/keys", "issuer": "https://id.example", "audience": "trimaran"}
OAUTH = "kafka://kafka.example:9093?sasl_mechanism=OAUTHBEARER"
MSK = "kafka://msk.example:9098?sasl_mechanism=AWS_MSK_IAM"
HUBS = "kafka://space.servicebus.windows.net:9093"


def without(*roles: str) -> dict[str, Any]:
    return {role: login for role, login in LOGINS.items() if role not in roles}


def test_what_the_tests_begin_with_is_refused_nothing() -> None:
    refuse(given(), about())
    refuse(given(production=True, **JWKS), about("flights"))


@pytest.mark.parametrize(
    "changed",
    [
        PLAINTEXT,
        {"busLogins": {"all": LOGINS["relay"]}},
        {"bus": "kafka://kafka.example:9093?security_protocol=SSL", "busLogins": None, "busCert": "CERT", "busKey": "KEY", "busCa": "CA"},
        {"bus": f"{OAUTH}&oauth_endpoint=https://id.example/token"},
        {"bus": f"{MSK}&region=eu-central-1", "busLogins": None},
        {"bus": HUBS, "busLogins": {"all": {"user": "$ConnectionString", "password": "Endpoint=sb://space/;SharedAccessKey=x="}}},
        {"image": None, "imageRepository": "registry.example/trimaran", "pythonImage": PYTHON},
        {"acls": True},
        {"bus": "kafka://k:9093?security_protocol=SSL", "acls": True, "busLogins": {r: {"user": f"CN={r}"} for r in BUS_ROLES}},
        {"host": "board.example.com", "tlsSecret": "board", "allowFrom": ["traefik", "10.0.0.0/8"], "limits": '{"depth": 15}'},
    ],
    ids=["plaintext", "one login", "mTLS", "OAUTHBEARER", "MSK", "Event Hubs", "built", "acls", "acls by certificate", "host"],
)
def test_every_way_to_run_passes(changed: dict[str, Any]) -> None:
    refuse(given(**changed), about())


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "more projectors than partitions": ({"partitions": 4, "maximum": 5}, "trimaran:maximum is 5: a topic of 4 partitions"),
    "more partitions than shards": ({"partitions": 257}, "trimaran:partitions is 257: it is 1 to 256"),
    "no partition": ({"partitions": 0, "maximum": 1}, "trimaran:partitions is 0"),
    "no retention": ({"retentionHours": 0}, "trimaran:retentionHours is 0"),
    "a minimum above the maximum": ({"minimum": 3, "maximum": 2}, "trimaran:minimum is 3"),
    "a gateway that may be away": ({"gatewayMin": 0}, "trimaran:gatewayMin is 0"),
    "gateways the wrong way round": ({"gatewayMin": 5, "gatewayMax": 4}, "trimaran:gatewayMin is 5"),
    "no lag at all": ({"lagThreshold": 0}, "trimaran:lagThreshold is 0"),
    "no image": ({"image": None}, "set one of the two"),
    "two images": ({"imageRepository": "registry.example/x", "pythonImage": PYTHON}, "set one of the two"),
    "a base without digest": (
        {"image": None, "imageRepository": "r/x", "pythonImage": "python:3.13"},
        "trimaran:pythonImage is 'python:3.13'",
    ),
    "no digest in production": (
        {"production": True, "image": TAG_ONLY, **JWKS},
        "trimaran:image 'registry.example/trimaran:1' has no digest",
    ),
    "no keys in production": ({"production": True}, "trimaran:jwks is not set"),
    "keys without issuer": ({**JWKS, "issuer": None}, "trimaran:jwks needs trimaran:issuer"),
    "an issuer without keys": ({**JWKS, "jwks": None}, "do nothing without trimaran:jwks"),
    "keys in a file": ({**JWKS, "jwks": "/etc/keys.json"}, "trimaran:jwks is '/etc/keys.json': name it by its URL"),
    "bounds that are no object": ({"limits": "depth=15"}, "trimaran:limits is no JSON object"),
    "bounds that are a list": ({"limits": "[15]"}, "trimaran:limits is no JSON object"),
    "a role without login": (
        {"busLogins": without("scaler")},
        "role scaler has no login: pulumi config set --secret --path trimaran:busLogins.scaler",
    ),
    "a login without password": ({"busLogins": {**LOGINS, "relay": {"user": "relay"}}}, "role relay has no login"),
    "logins that are never sent": ({"bus": PLAINTEXT["bus"]}, "PLAINTEXT sends none"),
    "a token endpoint that is missing": ({"bus": OAUTH}, "names no https token endpoint"),
    "a region that is missing": ({"bus": MSK, "busLogins": None}, "names no region"),
    "a login where a role signs": ({"bus": f"{MSK}&region=x"}, "take trimaran:busLogins away, set trimaran:busRole"),
    "Event Hubs with a name": ({"bus": HUBS}, "Event Hubs' user is $ConnectionString"),
    "half a certificate": ({"busCert": "CERT"}, "trimaran:busCert and trimaran:busKey belong together"),
    "a certificate that nobody asks for": ({**PLAINTEXT, "busCa": "CA"}, "PLAINTEXT has no TLS"),
    "rights for one shared user": ({"acls": True, "busLogins": {"all": LOGINS["relay"]}}, "role admin has no user of its own"),
    "rights without users": ({**PLAINTEXT, "acls": True}, "role admin has no user of its own"),
    "rights that MSK keeps": ({"bus": f"{MSK}&region=x", "busLogins": None, "acls": True}, "keep rights elsewhere"),
    "a namespace that is no label": ({"namespace": "Trimaran_Shop"}, "'Trimaran_Shop' is no DNS label"),
    "a network that is none": ({"storesCidr": "10.0.0.0"}, "trimaran:storesCidr is '10.0.0.0'"),
    "another network that is none": ({"busCidr": "10.0.0.1/8"}, "trimaran:busCidr is '10.0.0.1/8'"),
    "a caller that is nothing": ({"allowFrom": ["10.0.0.1/8"]}, "trimaran:allowFrom has '10.0.0.1/8'"),
    "a host with a scheme": ({"host": "https://board.example"}, "trimaran:host is 'https://board.example'"),
    "a certificate for nobody": ({"tlsSecret": "board"}, "trimaran:tlsSecret is a certificate for trimaran:host"),
}


@pytest.mark.parametrize(("changed", "told"), CASES.values(), ids=CASES.keys())
def test_what_cannot_be_right_is_refused(changed: dict[str, Any], told: str) -> None:
    settings = given(**changed)
    with pytest.raises(Refused) as refused:
        refuse(settings, about())
    one_line(refused.value, told)


UNREADABLE: dict[str, tuple[dict[str, Any], str]] = {
    "no store": ({"events": None}, "trimaran:events is not set: pulumi config set trimaran:events postgresql://"),
    "no bus": ({"bus": None}, "trimaran:bus is not set: pulumi config set trimaran:bus kafka://"),
    "another store": ({"events": "mysql://u@h/d"}, "is no PostgreSQL URL"),
    "nobody's store": ({"events": "postgresql://h:5432/d"}, "names no user"),
    "a store without scheme": ({"events": "u:topsecret@h/d"}, "'u@h/d' is no PostgreSQL URL"),
    "another store with a password": ({"events": "mysql://u@h/d?password=topsecret"}, "'mysql://u@h/d' is no PostgreSQL URL"),
    "a store without database": ({"events": "postgresql://u@h?password=topsecret"}, "'postgresql://u@h' names no database"),
    "a route to nowhere": (
        {"host": "board.example", "route": "infra/public"},
        "name a Gateway's listener, https://NAMESPACE/GATEWAY/LISTENER",
    ),
    "a route for nobody": ({"route": "https://infra/public/web"}, "trimaran:route needs a host name"),
    "a route and a certificate": (
        {"host": "board.example", "route": "https://infra/public/web", "tlsSecret": "board"},
        "trimaran:tlsSecret is for an Ingress, and trimaran:route is set: remove one of the two (the listener has the certificate)",
    ),
    "another bus": ({"bus": "amqp://h:1"}, "is no Kafka URL"),
    "a bus without port": ({"bus": "kafka://h"}, "'h' is no host with a port: write h:9092".replace("h:9092", "host:9092")),
    "a port that is none": ({"bus": "kafka://h:99999"}, "'h:99999' is no host with a port"),
    "a mechanism that is none": ({"bus": "kafka://h:1?sasl_mechanism=GSSAPI"}, "sasl_mechanism is 'GSSAPI'"),
    "an option that is none": ({"bus": "kafka://h:1?retries=3"}, "'retries' is no option"),
    "a file of the reader's machine": ({"bus": "kafka://h:1?cafile=/tmp/ca"}, "give the file's text as trimaran:busCa"),
    "a password in a store's URL": ({"events": "postgresql://u:topsecret@h/d"}, "pulumi config set --secret trimaran:eventsPassword"),
    "a password in a store's options": (
        {"rows": "postgresql://u@h/d?password=topsecret"},
        "pulumi config set --secret trimaran:rowsPassword",
    ),
    "a counter that is everybody": ({"scalerUser": "trimaran"}, "trimaran:scalerUser is 'trimaran', the login of every role"),
    "a counter's password without its name": (
        {"scalerPassword": "topsecret"},
        "trimaran:scalerPassword is set and trimaran:scalerUser is not",
    ),
    "a login in the bus's URL": ({"bus": "kafka://u:topsecret@h:1"}, "pulumi config set --secret --path trimaran:busLogins"),
    "a role that is none": ({"busLogins": {"reader": LOGINS["relay"]}}, "has a role 'reader': roles are admin, relay"),
    "a login that is none": ({"busLogins": {"relay": "topsecret"}}, "trimaran:busLogins.relay is an object"),
    "logins that are none": ({"busLogins": "topsecret"}, "trimaran:busLogins is no object"),
    "a number that is none": ({"partitions": "many"}, "trimaran:partitions is 'many': say a whole number"),
    "a truth that is none": ({"production": "yes"}, "trimaran:production is 'yes': say true or false"),
    "a choice that is none": ({"keda": "yes"}, "trimaran:keda is 'yes': it is present or install"),
}


@pytest.mark.parametrize(("changed", "told"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_cannot_be_read_is_refused_and_no_password_repeated(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(Refused) as refused:
        given(**changed)
    one_line(refused.value, told)


@pytest.mark.parametrize("name", sorted(SECRET))
def test_a_secret_in_plain_text_is_refused(name: str) -> None:
    value = json.dumps(LOGINS) if name == "busLogins" else "topsecret"
    with pytest.raises(Refused) as refused:
        given(secret=SECRET - {name}, **{name: value})
    one_line(refused.value, f"trimaran:{name} is in plain text: pulumi config set --secret trimaran:{name}")


def test_a_group_without_topic_or_consumer_group_is_refused() -> None:
    told = about()
    with pytest.raises(Refused, match=r"group 'rows' has no topic"):
        refuse(given(), replace(told, topic=""))
    with pytest.raises(Refused, match=r"group 'rows' has no consumer group"):
        refuse(given(), replace(told, groups=(replace(told.groups[0], watched=""),)))


def test_a_group_whose_name_no_object_can_bear_is_refused() -> None:
    told = about()
    for name in ("with_underscore", "Upper", "x" * 60):
        with pytest.raises(Refused, match=f"group '{name}': .* is no DNS label"):
            refuse(given(), replace(told, groups=(replace(told.groups[0], name=name),)))


def test_an_event_that_no_bus_holds_is_refused() -> None:
    told = about()
    with pytest.raises(Refused, match=r"bytes_per_event is 2000000, and a bus holds messages of 1000000 bytes"):
        refuse(given(), replace(told, limits={**told.limits, "bytes_per_event": 2_000_000}))


def program() -> None:
    deploy(describe, Misconfigured)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"app": "boats"}, "app 'boats' is not known"),
        ({"cloud": "moon"}, "trimaran:cloud is 'moon': it is k8s"),
        ({"partitions": "300"}, "trimaran:partitions is 300"),
        ({"partition": "4"}, "trimaran:partition is no setting: did you mean trimaran:partitions"),
        ({"zzz": "4"}, "trimaran:zzz is no setting: Pulumi.yaml has them all"),
        ({"bus": "kafka://u:topsecret@h:1"}, "login in plain text"),
    ],
)
def test_a_program_that_refuses_registers_nothing_and_ends_with_one_line(said: dict[str, str], told: str) -> None:
    run = recording(said)
    with pytest.raises(pulumi.RunError) as refused:
        run.run(program)
    one_line(refused.value, told)
    assert [each.type for each in run.resources if each.type != STACK] == []


def test_a_kubeconfig_that_is_not_there_is_refused_and_its_text_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = recording({})
    run.config["kubernetes:kubeconfig"] = str(tmp_path / "topsecret")
    with pytest.raises(pulumi.RunError) as refused:
        run.run(program)
    one_line(refused.value, "kubernetes:kubeconfig names no file")
    run = recording({})
    run.config["kubernetes:kubeconfig"] = '{"apiVersion": "v1", "kind": "Config"}'
    run.run(program)
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'missing'}{os.pathsep}{tmp_path / 'missing, too'}")
    with pytest.raises(pulumi.RunError, match="KUBECONFIG names no file"):
        recording({}).run(program)
    (tmp_path / "missing, too").write_text("kind: Config\n")
    recording({}).run(program)


def test_the_stacks_name_up_to_its_first_hyphen_chooses_the_hull() -> None:
    made = recording({"cloud": ""}, "k8s-staging").run(program)
    assert [each.type for each in made.resources].count("kubernetes:apps/v1:Deployment") == 4
    assert made.outputs["cloud"] == "k8s"
    with pytest.raises(pulumi.RunError, match="trimaran:cloud is 'moon'"):
        recording({"cloud": ""}, "moon-k8s").run(program)


def recording(said: dict[str, str], stack: str = "k8s") -> Recording:
    """A run of the program with settings that are fine but for what is said."""
    config = {f"trimaran:{name}": text for name, text in (CONFIG | said).items()}
    return Recording(stack, config, [f"trimaran:{name}" for name in SECRET])


def one_line(error: Exception, told: str) -> None:
    """An error is one line, says what it should, and repeats no password."""
    assert told in str(error)
    assert "\n" not in str(error)
    assert "topsecret" not in str(error)
