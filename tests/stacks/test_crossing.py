"""What two sides must agree on, looked at from both: the stacks' side is the recorded graph, the code's side the code itself.

Environment read ↔ set; commands ↔ entry points; ScaledObject ↔ Deployment ↔ topic ↔ group ↔ TriggerAuthentication ↔ Secret; selectors ↔
labels; ports ↔ policies; rights ↔ roles; settings ↔ their defaults and those of `trimaran scale simulate`.
"""

import argparse
import ast
import json
from collections.abc import Iterator
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from costs.scaling.workload import Sync, Trigger
from costs.scaling.workload import Workload as Simulated
from hosts.deployment import describe
from hosts.gateway_settings import gateway_settings
from hosts.settings import bus_settings
from hosts.settings import settings as host_settings
from providers.kafka.rights import rights_of
from stacks.config import DEFAULTS
from stacks.recording import Recording
from tests.stacks import reading
from tests.stacks.crossing import keys
from tests.stacks.deployed import APPS, CONFIG, ROOT, SECRETS, deployed, program
from tests.stacks.objects import Object, Objects, references

LEFT_OUT = {  # what the code reads and this hull sets nowhere, each with the reason
    "TRIMARAN_COMMANDS": "gateways carry commands out themselves",
    "TRIMARAN_KAFKA_USERNAME": "the bus's URL has the login",
    "TRIMARAN_KAFKA_PASSWORD": "the bus's URL has the login",
    "TRIMARAN_TELEMETRY": "the operator's, by an image of their own",
    "TRIMARAN_TERMINATION_LOG": "the kubelet's own place is the default",
    "TRIMARAN_WEDGED_S": "the default is what the liveness probe counts on",
    "AWS_REGION": "the bus's URL has the region",
    "AWS_DEFAULT_REGION": "the bus's URL has the region",
    "AWS_ACCESS_KEY_ID": "DynamoDB and API Gateway belong to another hull",
    "AWS_SECRET_ACCESS_KEY": "DynamoDB and API Gateway belong to another hull",
    "AWS_SESSION_TOKEN": "DynamoDB and API Gateway belong to another hull",
}
URLS = {"events": "TRIMARAN_EVENTS", "rows": "TRIMARAN_ROWS", "bus": "TRIMARAN_BUS"}
PORTS = {"TRIMARAN_EVENTS": {5432}, "TRIMARAN_ROWS": {5433}, "TRIMARAN_BUS": {9093}, "TRIMARAN_JWKS": {443}, "TRIMARAN_REVOKED": {443}}
DNS = 53


@pytest.fixture(params=APPS, scope="module")
def app(request: pytest.FixtureRequest) -> str:
    """Each app."""
    return str(request.param)


@pytest.fixture(scope="module")
def objects(app: str) -> Objects:
    """Its objects, every setting said."""
    found = deployed(app, limits='{"depth": 15}', revoked="https://login.example/revoked")
    assert found.problems == []
    return found.objects


@pytest.fixture(scope="module")
def about(app: str) -> dict[str, Any]:
    """What the code says of the app."""
    return describe(app)


def module_of(workload: Object) -> str:
    """The module that its command runs."""
    assert workload.command[:2] == ["python", "-m"], workload.command
    return workload.command[2]


def role_of(workload: Object) -> str:
    """Its role, by its command."""
    module = module_of(workload).removeprefix("hosts.")
    return f"prepare-{workload.command[3]}" if module == "prepare" else module


# --- environment


def test_what_is_set_is_read_by_the_code_that_it_is_set_for(objects: Objects) -> None:
    for workload in objects.workloads():
        read = {each.variable for each in reading.reads(reading.process(module_of(workload)))}
        assert set(workload.env) <= read, f"{workload} is told {set(workload.env) - read}, and nothing that it runs reads it"


def test_what_is_read_is_set_somewhere_or_left_out_for_a_reason(objects: Objects) -> None:
    processes = {module for workload in objects.workloads() for module in reading.process(module_of(workload))}
    read = {each.variable for each in reading.reads(processes)}
    told = {name for workload in objects.workloads() for name in workload.env}
    assert read - told - LEFT_OUT.keys() == set()
    assert told & LEFT_OUT.keys() == set(), "said to be left out, and set"


def test_reasons_are_given_for_variables_that_there_are() -> None:
    assert LEFT_OUT.keys() <= {each.variable for each in reading.everything()}


def test_each_role_is_told_what_its_description_says(objects: Objects, about: dict[str, Any]) -> None:
    for workload in objects.workloads():
        assert set(workload.env) == set(about["roles"][role_of(workload)]["environment"]), str(workload)


def test_each_process_has_the_stores_that_its_code_opens_and_no_other(objects: Objects) -> None:
    told: dict[str, set[str]] = {}
    for workload in objects.workloads():
        told.setdefault(module_of(workload), set()).update(name for name in URLS.values() if name in workload.env)
    for module, names in told.items():
        tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text())
        used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)}
        assert names == {URLS[name] for name in URLS if name in used}, module


def test_the_code_takes_every_value_that_is_set(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    for workload in objects.workloads():
        with monkeypatch.context() as patch:
            for name, entry in workload.env.items():
                patch.setenv(name, entry.get("value", "10.0.0.1"))
            told = host_settings()
            rules = bus_settings()
            assert gateway_settings(production=False).production == (workload.env.get("TRIMARAN_PRODUCTION", {}).get("value") == "1")
            rights_of(rules.rights)
        assert told.app == workload.env["TRIMARAN_APP"]["value"]
        assert rules.given is ("TRIMARAN_TOPICS" in workload.env)


def test_the_whole_stack_agrees_on_the_number_of_partitions(objects: Objects) -> None:
    told = {workload.env["TRIMARAN_PARTITIONS"]["value"] for workload in objects.workloads() if "TRIMARAN_BUS" in workload.env}
    assert told == {"8"}


# --- commands


def test_each_command_is_an_entry_point_that_takes_its_arguments(objects: Objects, about: dict[str, Any]) -> None:
    for workload in objects.workloads():
        module = import_module(module_of(workload))
        parser = argparse.ArgumentParser(exit_on_error=False)
        getattr(module, "options", lambda _: None)(parser)
        asked = parser.parse_args(workload.command[3:])
        assert '__name__ == "__main__"' in (ROOT / f"{module.__name__.replace('.', '/')}.py").read_text()
        assert getattr(asked, "group", "rows") in about["groups"]


def test_every_role_that_the_code_describes_is_deployed_with_its_command(objects: Objects, about: dict[str, Any]) -> None:
    seen = set()
    for workload in objects.workloads():
        role = role_of(workload)
        command = about["roles"][role]["command"]
        assert workload.command[: len(command)] == command
        seen.add(role)
    assert seen == set(about["roles"])


def test_every_group_has_its_projector_and_what_rebuilds_it(objects: Objects, about: dict[str, Any]) -> None:
    assert {f"projector-{name}" for name in about["groups"]} == {each.name for each in objects.of("Deployment")} - {"gateway", "relay"}
    for name in about["groups"]:
        projector = objects.get("Deployment", f"projector-{name}")
        assert f"--group={name}" in projector.command
        jobs = [job.command[3] for job in objects.of("Job") if f"--group={name}" in job.command]
        assert sorted(jobs) == ["finish", "start"]


# --- scaling


def test_each_projector_is_woken_by_the_lag_of_its_own_group_on_the_apps_topic(objects: Objects, about: dict[str, Any]) -> None:
    for name, group in about["groups"].items():
        scaled = objects.get("ScaledObject", f"projector-{name}")
        assert scaled.spec["scaleTargetRef"]["name"] == f"projector-{name}"
        (lag,) = [each for each in scaled.spec["triggers"] if each["type"] == "kafka"]
        assert (lag["metadata"]["consumerGroup"], lag["metadata"]["topic"]) == (group["watched"], about["topics"]["events"])
        assert lag["metadata"]["bootstrapServers"] == urlsplit(CONFIG["trimaran:bus"]).netloc


def test_a_saga_is_woken_by_what_is_due_too_and_nothing_else_is(objects: Objects, about: dict[str, Any]) -> None:
    for name, group in about["groups"].items():
        triggers = objects.get("ScaledObject", f"projector-{name}").spec["triggers"]
        due = [each["metadata"]["query"] for each in triggers if each["type"] == "postgresql"]
        assert due == ([group["due"]] if group["due"] else [])
        assert bool(group["due"]) == group["saga"]


def test_every_trigger_authentication_is_named_by_a_trigger(objects: Objects) -> None:
    named = {each.name for each in references(objects) if each.kind == "TriggerAuthentication"}
    assert named == {each.name for each in objects.of("TriggerAuthentication")} != set()


def test_every_key_of_a_secret_is_read_by_somebody(objects: Objects) -> None:
    read = {(each.name, each.key) for each in references(objects) if each.kind == "Secret" and each.key}
    whole = {each.name for each in references(objects) if each.kind == "Secret" and not each.key}
    for secret in objects.of("Secret"):
        left = {key for key in keys(secret) if (secret.name, key) not in read}
        if secret.name.startswith("bus-") and secret.name != "bus-scaler":
            left -= {"username", "password"}  # beside the URL that has both, for whoever looks from outside
        if secret.name == "bus-scaler":
            left -= {"url"}
        assert not left or secret.name in whole, f"{secret} has {left}, which nobody reads"


def test_everything_that_is_made_is_used(objects: Objects) -> None:
    named = {(each.kind, each.name) for each in references(objects)}
    for kind in ("Secret", "ServiceAccount", "ConfigMap"):
        assert {each.name for each in objects.of(kind)} == {name for of, name in named if of == kind} - {"board-tls"}


# --- selectors and ports


def test_each_selector_matches_the_pods_of_its_own_workload_and_no_others(objects: Objects) -> None:
    for each in objects.of("Service", "PodDisruptionBudget", "NetworkPolicy"):
        selector = _selector(each)
        matched = {workload.name.rpartition("-")[0] if workload.kind == "Job" else workload.name
                   for workload in objects.workloads() if selector.items() <= workload.pod_labels.items()}  # fmt: skip
        if selector:
            assert matched == {each.name}, f"{each} selects {matched}"


def _selector(each: Object) -> dict[str, str]:
    spec = each.spec
    found = spec.get("selector", spec.get("podSelector", {}))
    return dict(found.get("matchLabels", {} if "matchLabels" in found or each.kind != "Service" else found))


def test_each_pod_may_reach_the_ports_of_what_it_is_told_and_no_others(objects: Objects) -> None:
    for workload in objects.workloads():
        name = workload.name.rpartition("-")[0] if workload.kind == "Job" else workload.name
        policy = objects.get("NetworkPolicy", name)
        allowed = {port["port"] for rule in policy.spec["egress"] for port in rule["ports"]} - {DNS}
        assert allowed == {port for variable in workload.env for port in PORTS.get(variable, ())}, str(workload)


def test_whoever_is_called_is_called_on_ports_that_it_has(objects: Objects) -> None:
    called = {
        each.name: {port["port"] for rule in each.spec.get("ingress", []) for port in rule["ports"]} for each in objects.of("NetworkPolicy")
    }
    gateway = objects.get("Deployment", "gateway")
    assert called.pop("gateway") == {port["containerPort"] for port in gateway.containers[0]["ports"]}
    assert set().union(*called.values()) == set()


def test_a_container_listens_where_it_says(objects: Objects) -> None:
    for workload in objects.running():
        ports = {port["name"]: str(port["containerPort"]) for port in workload.containers[0]["ports"]}
        said = {"http": "TRIMARAN_PORT", "probes": "TRIMARAN_PROBES"}
        assert ports == {name: workload.env[variable]["value"] for name, variable in said.items() if variable in workload.env}
        assert workload.env["TRIMARAN_HOST"]["valueFrom"]["fieldRef"]["fieldPath"] == "status.podIP"


# --- rights


def lines(objects: Objects) -> list[dict[str, str]]:
    """The access control list that the Job grants."""
    (job,) = [each for each in objects.of("Job") if role_of(each) == "prepare-bus"]
    found: list[dict[str, str]] = json.loads(job.env["TRIMARAN_RIGHTS"]["value"])
    return found


def test_rights_are_those_of_the_users_that_roles_log_in_as(objects: Objects) -> None:
    roles = {each.name.removeprefix("bus-") for each in references(objects) if each.kind == "Secret" and each.name.startswith("bus-")}
    users = {f"User:{json.loads(CONFIG['trimaran:busLogins'])[role]['user']}" for role in roles - {"admin", "files"}}
    assert {line["principal"] for line in lines(objects)} == users


def test_rights_are_on_the_apps_topics_and_groups_and_never_on_everything(objects: Objects, about: dict[str, Any], app: str) -> None:
    for line in lines(objects):
        match line["resource"]:
            case "topic":
                assert line["name"] in about["topics"].values() and line["pattern"] == "literal"
            case "group":
                assert (line["name"], line["pattern"]) == (f"{app}.", "prefixed")
            case other:
                pytest.fail(f"a right on {other}")
        assert line["operation"] in ("read", "write", "describe")


def test_rights_cover_the_groups_that_projectors_are_in_and_keda_watches(objects: Objects, about: dict[str, Any]) -> None:
    def may(user: str, operation: str, resource: str, name: str) -> bool:
        return any(
            (line["principal"], line["operation"], line["resource"]) == (f"User:trimaran-{user}", operation, resource)
            and (name == line["name"] or (line["pattern"] == "prefixed" and name.startswith(line["name"])))
            for line in lines(objects)
        )

    for group in about["groups"].values():
        assert may("projector", "read", "group", group["first"]) and may("projector", "read", "group", group["watched"])
        assert may("scaler", "describe", "group", group["watched"])
    events, signals = about["topics"]["events"], about["topics"]["signals"]
    assert (
        may("relay", "write", "topic", events) and may("projector", "read", "topic", events) and may("scaler", "describe", "topic", events)
    )
    assert may("projector", "write", "topic", signals) and may("gateway", "read", "topic", signals)


def test_no_rights_are_declared_where_they_are_kept_elsewhere() -> None:
    recording = Recording("k8s", CONFIG | {"trimaran:acls": "false"}, SECRETS).run(program)
    (job,) = [each for each in Objects(recording.resources).of("Job") if role_of(each) == "prepare-bus"]
    assert job.env.get("TRIMARAN_RIGHTS", {}).get("value", "[]") == "[]"


# --- defaults


def declared() -> Iterator[tuple[str, Any]]:
    """Name and default of everything that Pulumi.yaml declares."""
    for key, told in msgspec.yaml.decode((ROOT / "Pulumi.yaml").read_bytes())["config"].items():
        yield key.removeprefix("trimaran:"), told["default"]


def test_settings_have_the_same_defaults_in_the_project_file_and_in_the_code() -> None:
    project = dict(declared())
    secret = {"eventsPassword", "rowsPassword", "scalerPassword", "busLogins", "busCert", "busKey"}
    assert project.keys() | secret == DEFAULTS.keys()
    assert not project.keys() & secret, "a default in plain text for a secret"
    assert {name: value for name, value in DEFAULTS.items() if name in project} == project


def test_scaling_is_what_the_simulation_supposes(objects: Objects) -> None:
    simulated = Simulated(projector=msgspec.convert({"events_per_s": 1}, type=Simulated.__annotations__["projector"]), partitions=8)
    scaled = objects.get("ScaledObject", "projector-rows").spec
    supposed = simulated.scaling
    assert (scaled["pollingInterval"], scaled["cooldownPeriod"]) == (supposed.polling_s, supposed.cooldown_s)
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (supposed.minimum, supposed.maximum)
    assert "idleReplicaCount" not in scaled and supposed.idle is None
    assert "fallback" not in scaled and supposed.fallback is None
    assert scaled.get("initialCooldownPeriod", 0) == supposed.initial_cooldown_s


def test_the_trigger_is_what_the_simulation_supposes(objects: Objects) -> None:
    said = objects.get("ScaledObject", "projector-rows").spec["triggers"][0]["metadata"]
    renamed = {"".join(word if not number else word.capitalize() for number, word in enumerate(name.split("_"))): name
               for name in Trigger.__struct_fields__}  # fmt: skip
    for key, name in renamed.items():
        if key != "topic":
            supposed = getattr(Trigger(), name)
            shown = str(supposed).lower() if isinstance(supposed, bool) else str(supposed)
            assert said.get(key, shown) == shown, key
    assert said["offsetResetPolicy"] == Trigger().offset_reset_policy and int(said["lagThreshold"]) == Trigger().lag_threshold


def test_sync_is_what_the_simulation_supposes(objects: Objects) -> None:
    (cron,) = [each["metadata"] for each in objects.get("ScaledObject", "projector-rows").spec["triggers"] if each["type"] == "cron"]
    start, end = (cron[edge].split() for edge in ("start", "end"))
    assert start[1:] == end[1:] == ["*"] * 4, "every hour"
    assert Sync() == Sync(every_s=3600, lasts_s=60 * (int(end[0]) - int(start[0])), replicas=int(cron["desiredReplicas"]))
    assert cron["timezone"] == "Etc/UTC"
