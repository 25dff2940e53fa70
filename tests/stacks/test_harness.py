"""The harness catches each kind of mistake, and nothing in a program that is right. Each mistake is one change of the same small program."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pulumi
import pytest
from pulumi import Output, ResourceOptions
from pulumi_kubernetes import Provider, apiextensions, apps, core, networking, policy, rbac
from pulumi_kubernetes import yaml as kube_yaml

from stacks.recording import Program, Recording
from tests.stacks.harness import Examined, examine

PASSWORD = "correct-horse"
CONFIG = {"trimaran:password": PASSWORD, "kubernetes:kubeconfig": "apiVersion: v1"}
SECRETS = ["trimaran:password"]

type Change = Callable[["Small"], None]


class Small:
    """A namespace with a secret, a deployment that reads it, a service, and a ScaledObject: inputs to be changed before they are used."""

    def __init__(self) -> None:
        password = pulumi.Config().require_secret("password")
        self.labels = {"app": "shop"}
        self.selector: dict[str, Any] = dict(self.labels)
        self.secret: dict[str, Any] = {"string_data": {"events": password}}
        self.container: dict[str, Any] = {
            "name": "shop",
            "image": "shop@sha256:0",
            "env": [{"name": "EVENTS", "value_from": {"secret_key_ref": {"name": "stores", "key": "events"}}}],
            "ports": [{"name": "http", "container_port": 8000}],
            "readiness_probe": {"http_get": {"path": "/ready", "port": "http"}},
        }
        self.pod: dict[str, Any] = {"containers": [self.container], "service_account_name": "shop"}
        self.deployment: dict[str, Any] = {
            "selector": {"match_labels": self.labels},
            "template": {"metadata": {"labels": self.labels}, "spec": self.pod},
        }
        self.service: dict[str, Any] = {"selector": self.selector, "ports": [{"name": "http", "port": 80, "target_port": "http"}]}
        self.trigger: dict[str, Any] = {
            "type": "kafka",
            "metadata": {"bootstrapServers": "kafka:9092", "consumerGroup": "shop.rows", "topic": "trimaran.shop", "sasl": "plaintext"},
            "authenticationRef": {"name": "bus"},
        }
        self.scaled: dict[str, Any] = {"scaleTargetRef": {"name": "shop"}, "triggers": [self.trigger]}
        self.authentication: dict[str, Any] = {
            "secretTargetRef": [{"parameter": name, "name": "stores", "key": "events"} for name in ("password", "username")]
        }
        self.waits = True
        self.owned = True
        self.more: list[Callable[[ResourceOptions], object]] = []

    def build(self) -> None:
        """Register everything."""
        provider = Provider("cluster", kubeconfig=pulumi.Config("kubernetes").require("kubeconfig"))
        options = ResourceOptions(provider=provider if self.owned else None)
        namespace = core.v1.Namespace("shop", metadata={"name": "shop"}, opts=options)
        inside = {"namespace": namespace.metadata["name"]}
        secret = core.v1.Secret("stores", metadata={"name": "stores", **inside}, **self.secret, opts=options)
        account = core.v1.ServiceAccount("shop", metadata={"name": "shop", **inside}, opts=options)
        after = ResourceOptions.merge(options, ResourceOptions(depends_on=[secret, account] if self.waits else []))
        deployment = apps.v1.Deployment("shop", metadata={"name": "shop", **inside}, spec=self.deployment, opts=after)
        service = core.v1.Service("shop", metadata={"name": "shop", **inside}, spec=self.service, opts=options)
        for kind, name, spec in (("TriggerAuthentication", "bus", self.authentication), ("ScaledObject", "shop", self.scaled)):
            apiextensions.CustomResource(
                name, api_version="keda.sh/v1alpha1", kind=kind, metadata={"name": name, **inside}, spec=spec, opts=options
            )
        for register in self.more:
            register(ResourceOptions.merge(options, ResourceOptions(depends_on=[deployment])))
        pulumi.export("url", Output.concat("http://", service.metadata["name"]))


def program(change: Change = lambda small: None) -> Program:
    """The small program with one change."""

    def run() -> None:
        small = Small()
        change(small)
        small.build()

    return run


def examined(change: Change = lambda small: None, **told: Any) -> Examined:
    """The small program, held to everything."""
    return examine(program(change), CONFIG, SECRETS, **told)


def put(path: str, value: Any) -> Change:
    """A change: `put("container.image", 7)`."""

    def change(small: Small) -> None:
        first, *others = path.split(".")
        if not others:
            setattr(small, first, value)
            return
        target = getattr(small, first)
        for each in others[:-1]:
            target = target[int(each) if each.isdigit() else each]
        target[others[-1]] = value

    return change


def drop(name: str, key: str) -> Change:
    """A change: one input less."""
    return lambda small: getattr(small, name).pop(key)


def also(register: Callable[[ResourceOptions], object]) -> Change:
    """A change: one resource more."""
    return lambda small: small.more.append(register)


def inside(name: str) -> dict[str, Any]:
    """Metadata in the small program's namespace."""
    return {"name": name, "namespace": "shop"}


def conditional(opts: ResourceOptions) -> None:
    """A resource that no preview shows."""
    made = core.v1.ConfigMap("first", metadata=inside("first"), data={}, opts=opts)
    made.id.apply(lambda _: core.v1.ConfigMap("second", metadata=inside("second"), data={}, opts=opts))


def looking(opts: ResourceOptions) -> None:
    """A program that reads an output while it runs."""
    made = core.v1.ConfigMap("first", metadata=inside("first"), data={}, opts=opts)
    made.metadata["name"].apply(lambda name: 1 / 0 if name else None)


def failing(opts: ResourceOptions) -> None:
    """A program that stops."""
    raise ValueError("no such app")


def ingress(port: str) -> Callable[[ResourceOptions], object]:
    """A route to a port of the service."""
    backend = {"service": {"name": "shop", "port": {"name": port}}}
    path = {"path": "/", "path_type": "Prefix", "backend": backend}
    return lambda opts: networking.v1.Ingress("shop", metadata=inside("shop"), spec={"rules": [{"http": {"paths": [path]}}]}, opts=opts)


def in_base64(text: str) -> str:
    """As an object's data has it."""
    return base64.b64encode(text.encode()).decode()


def volume(source: dict[str, Any]) -> Change:
    """A change: the pod has a volume."""
    return put("pod.volumes", [{"name": "files", **source}])


MISTAKES: dict[str, tuple[Change, str]] = {
    "an unknown input": (put("deployment.replica", 3), "spec.replica: unknown, DeploymentSpecArgs has"),
    "an unknown input deep inside": (
        lambda small: small.container["env"].append({"name": "A", "valu": "b"}),
        "spec.template.spec.containers[0].env[1].valu: unknown, EnvVarArgs has",
    ),
    "a missing input": (drop("deployment", "selector"), "spec.selector: missing"),
    "a missing input deep inside": (drop("container", "name"), "spec.template.spec.containers[0].name: missing"),
    "a number for a text": (put("container.image", 7), "containers[0].image: is 7, must be str"),
    "a text for a number": (put("container.ports.0.container_port", "http"), "containerPort: is 'http', must be int"),
    "a half for a whole number": (put("deployment.min_ready_seconds", 2.5), "spec.minReadySeconds: is 2.5, must be int"),
    "an object for a list": (put("pod.containers", {"name": "shop"}), "spec.template.spec.containers: is {'name': 'shop'}, must be a list"),
    "a text for an object": (put("deployment.template", "shop"), "spec.template: is 'shop', must be an object"),
    "an object that Kubernetes no longer takes": (
        also(lambda opts: policy.v1beta1.PodDisruptionBudget("a", metadata=inside("a"), spec={"min_available": 1}, opts=opts)),
        "PodDisruptionBudget/a: Couldn't find schema for kind PodDisruptionBudget with api version policy/v1beta1",
    ),
    "a missing role": (
        also(
            lambda opts: rbac.v1.RoleBinding("a", metadata=inside("a"), role_ref={"kind": "Role", "name": "a", "api_group": ""}, opts=opts)
        ),
        "RoleBinding/a: roleRef names Role/a, which is not there",
    ),
    "a missing Secret": (
        put("container.env.0.value_from.secret_key_ref.name", "store"),
        "env EVENTS names Secret/store with a key 'events', which",
    ),
    "a missing key of a Secret": (put("container.env.0.value_from.secret_key_ref.key", "rows"), "'rows', which has events"),
    "a missing ConfigMap": (
        put("container.env_from", [{"config_map_ref": {"name": "app"}}]),
        "envFrom names ConfigMap/app, which is not there",
    ),
    "a missing ServiceAccount": (
        put("pod.service_account_name", "shopp"),
        "serviceAccountName names ServiceAccount/shopp, which is not there",
    ),
    "a missing PriorityClass": (put("pod.priority_class_name", "high"), "priorityClassName names PriorityClass/high, which is not there"),
    "a missing pull secret": (
        put("pod.image_pull_secrets", [{"name": "registry"}]),
        "imagePullSecrets names Secret/registry, which is not there",
    ),
    "a volume of a missing Secret": (volume({"secret": {"secret_name": "tls"}}), "volume files names Secret/tls, which is not there"),
    "a volume of a missing key": (
        volume({"secret": {"secret_name": "stores", "items": [{"key": "ca", "path": "ca"}]}}),
        "volume files names Secret/stores with a key 'ca', which has events",
    ),
    "a mount of a missing volume": (put("container.volume_mounts", [{"name": "tmp", "mount_path": "/tmp"}]), "mounts a volume 'tmp'"),
    "a probe of a missing port": (put("container.readiness_probe.http_get.port", "probes"), "readinessProbe asks port 'probes'"),
    "a service without pods": (put("selector.app", "store"), "Service/shop: its selector matches the pods of nothing"),
    "a service of a missing port": (put("service.ports.0.target_port", 9000), "goes to 9000, and Deployment/shop has http 8000"),
    "a route to a missing port": (also(ingress("https")), "Ingress/shop: / goes to port {'name': 'https'} of Service/shop"),
    "a missing Deployment": (put("scaled.scaleTargetRef.name", "store"), "scaleTargetRef names Deployment/store, which is not there"),
    "a missing TriggerAuthentication": (put("trigger.authenticationRef.name", "b"), "names TriggerAuthentication/b, which is not there"),
    "a missing key for KEDA": (
        put("authentication.secretTargetRef.0.key", "password"),
        "parameter password names Secret/stores with a key",
    ),
    "a parameter that no scaler reads": (
        put("authentication.secretTargetRef.0.parameter", "pass"),
        "kafka reads no parameter 'pass' from it",
    ),
    "an unknown key of a trigger": (put("trigger.metadata.lagTreshold", "10"), "metadata.lagTreshold: kafka has no such key"),
    "a missing key of a trigger": (
        lambda small: small.trigger["metadata"].pop("consumerGroup"),
        "metadata.consumerGroup: missing, kafka needs",
    ),
    "a value that no scaler takes": (put("trigger.metadata.sasl", "plain"), "metadata.sasl: is 'plain', must be one of none, plaintext"),
    "a secret in a trigger": (put("trigger.metadata.password", "x"), "metadata.password: kafka reads it from a TriggerAuthentication only"),
    "a number in a trigger": (put("trigger.metadata.lagThreshold", 10), "10 is not of type 'string'"),
    "a login without a user": (lambda small: small.authentication["secretTargetRef"].pop(), "metadata.sasl: no username given"),
    "an unknown scaler": (put("trigger.type", "kafkaa"), "no scaler 'kafkaa'"),
    "an unknown key of a ScaledObject": (put("scaled.minReplicas", 0), "'minReplicas' was unexpected"),
    "a name without a dependency": (put("waits", False), "names Secret/stores with a key 'events', but does not depend on it"),
    "the default provider": (put("owned", False), "kubernetes:core/v1:Secret stores: no provider of its own"),
    "a resource twice": (
        also(lambda opts: [core.v1.ConfigMap("twice", metadata=inside(name), data={}, opts=opts) for name in ("a", "b")]),
        "ConfigMap::twice: registered 2 times",
    ),
    "an object twice": (
        also(lambda opts: [core.v1.ConfigMap(name, metadata=inside("same"), data={}, opts=opts) for name in ("a", "b")]),
        "ConfigMap/same: 2 objects of this name in shop",
    ),
    "a missing namespace": (
        also(lambda opts: core.v1.ConfigMap("a", metadata={"name": "a", "namespace": "store"}, data={}, opts=opts)),
        "ConfigMap/a: metadata.namespace names Namespace/store, which is not there",
    ),
    "a kind that nobody knows": (
        also(lambda opts: apiextensions.CustomResource("a", api_version="acme.dev/v1", kind="Anvil", metadata=inside("a"), opts=opts)),
        "no SDK and no schema here knows this type",
    ),
    "a deprecated resource": (
        also(lambda opts: kube_yaml.ConfigGroup("a", yaml=["apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}"], opts=opts)),
        "calls kubernetes:yaml:decode",
    ),
    "a secret in the clear": (
        put("container.args", [f"--password={PASSWORD}"]),
        "kubernetes:apps/v1:Deployment shop: spec.template.spec.containers[0].args[0] has a secret in the clear",
    ),
    "a secret in base64": (
        also(lambda opts: core.v1.ConfigMap("a", metadata=inside("a"), binary_data={"it": in_base64(PASSWORD)}, opts=opts)),
        "kubernetes:core/v1:ConfigMap a: binaryData.it has a secret in the clear",
    ),
    "an output turned into text": (
        also(lambda opts: core.v1.ConfigMap("a", metadata=inside("a"), data={"it": f"{Output.from_input('x')}"}, opts=opts)),
        "data.it is an output turned into text",
    ),
    "a resource that no preview shows": (also(conditional), "ConfigMap::second: an update makes it, and no preview shows it"),
    "an output looked at": (also(looking), "as an update the program raises ZeroDivisionError"),
    "a program that fails": (also(failing), "as a preview the program raises ValueError: no such app"),
}


@pytest.fixture(scope="module")
def clean() -> Iterator[Examined]:
    """The small program as it is."""
    yield examined()


def test_nothing_is_wrong_with_a_program_that_is_right(clean: Examined) -> None:
    assert clean.problems == []
    assert len(clean.update.resources) == 8


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_kind_of_mistake_is_caught_and_named(mistake: str) -> None:
    change, expected = MISTAKES[mistake]
    found = examined(change, previews="preview" in expected).problems
    assert any(expected in each for each in found), f"{expected!r} is not among {found}"


def test_what_an_sdk_warns_about_is_collected() -> None:
    def deprecated(opts: ResourceOptions) -> None:
        # named so, a package warns as Python does; one that is generated warns in Pulumi's log
        apiextensions.CustomResource(
            "a", api_version="keda.sh/v1alpha1", kind="TriggerAuthentication", metadata=inside("a"), spec={}, __opts__=opts
        )
        pulumi.log.warn("Ingress is deprecated: extensions/v1beta1/Ingress is not served any more")

    found = examined(also(deprecated)).problems
    assert "deprecated or warned about: explicit use of __opts__ is deprecated, use 'opts' instead" in found
    assert any("extensions/v1beta1/Ingress is not served any more" in each for each in found)


def test_what_others_make_is_no_mistake_when_it_is_said() -> None:
    change = put("pod.image_pull_secrets", [{"name": "registry"}])
    assert examined(change, external=["Secret/registry"]).problems == []


def test_a_secret_is_shown_key_by_key_and_never_as_it_is(clean: Examined) -> None:
    shown = str(clean.update.data())
    assert "'stringData': {'events': '[secret]'}" in shown
    assert PASSWORD not in shown and PASSWORD in clean.update.hidden


def test_a_secret_stays_one_when_it_is_part_of_another_text() -> None:
    change = put("secret", {"string_data": {"events": "placeholder"}})

    def url(small: Small) -> None:
        change(small)
        small.secret["string_data"]["events"] = Output.concat("postgresql://shop:", pulumi.Config().require_secret("password"), "@db/shop")

    found = examined(url)
    assert found.problems == [] and f"postgresql://shop:{PASSWORD}@db/shop" in found.update.hidden


def test_an_update_knows_what_was_set_and_a_preview_knows_nothing(clean: Examined) -> None:
    assert clean.update.outputs == {"url": "http://shop"}
    assert clean.preview.outputs == {"url": "[unknown]"}
    namespaces = {each.inputs["metadata"]["namespace"] for each in clean.preview.resources if each.type.endswith(":Deployment")}
    assert namespaces == {"[unknown]"}


def test_resources_are_recorded_with_what_they_wait_for_and_who_owns_them() -> None:
    def nested() -> None:
        above = pulumi.ComponentResource("trimaran:shop:Part", "part")
        provider = Provider("cluster", kubeconfig="x")
        made = core.v1.Namespace("shop", metadata={"name": "shop"}, opts=ResourceOptions(parent=above, provider=provider, protect=True))
        core.v1.ConfigMap(
            "after", metadata={"namespace": made.metadata["name"]}, opts=ResourceOptions(provider=provider, retain_on_delete=True)
        )

    found = {each.name: each for each in Recording("k8s").run(nested).resources}
    part, shop, after = found["part"], found["shop"], found["after"]
    assert part.urn == "urn:pulumi:k8s::trimaran::trimaran:shop:Part::part" and not part.custom
    assert shop.urn == "urn:pulumi:k8s::trimaran::trimaran:shop:Part$kubernetes:core/v1:Namespace::shop"
    assert (shop.parent, shop.provider, shop.protect) == (part.urn, found["cluster"].urn, True)
    assert (after.dependencies, after.protect, after.options) == ((shop.urn,), False, {"retainOnDelete": True})


def test_what_a_program_raises_is_raised_with_what_it_had_registered_kept() -> None:
    recording = Recording("k8s", CONFIG, SECRETS)
    with pytest.raises(ValueError, match="no such app"):
        recording.run(program(also(failing)))
    assert {each.name for each in recording.resources} >= {"stores", "shop"}


def test_a_program_runs_again_as_if_for_the_first_time(clean: Examined) -> None:
    assert Recording("k8s", CONFIG, SECRETS).run(program()).data() == clean.update.data()
