"""The portable hull: any Kubernetes, any Kafka and any PostgreSQL, the latter two given as URLs with their secrets."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import pulumi
import pulumi_kubernetes as k8s

from stacks.cloud import Autoscaler, Bus, Credentials, EventStore, FromSecret, Gateway, Grant, Identity, Reach, ReadDatabase, Task, Value
from stacks.config import Settings, Store
from stacks.description import Description, Group
from stacks.grants import Needs, needs
from stacks.images import image
from stacks.kube import authentication, disruption, jobs, network, routes, scaling
from stacks.kube.components import Keda, Work, Workload, Workspace
from stacks.kube.names import Manifest, Place
from stacks.kube.pods import Pod, secrets_of, template
from stacks.kube.render import render
from stacks.kube.secrets import bus_files, bus_secret
from stacks.kube.vault import Vault
from stacks.rights import Right, Use, rights

STORES, COUNTER, BUS_FILES = "stores", "rows-scaler", "bus-files"
ROLLOUT_S = 300  # an image is pulled within it, or is not there
CLOUD_ROLE = "eks.amazonaws.com/role-arn"
ANYWHERE, HTTP, HTTPS = ("0.0.0.0/0", "::/0"), 80, 443
AWS = (  # where a pod's role comes from: STS, or EKS' Pod Identity agent
    *(Reach(each, (HTTPS,)) for each in ANYWHERE),
    Reach("169.254.170.23/32", (HTTP,)),
    Reach("fd00:ec2::23/128", (HTTP,)),
)


class Kubernetes:
    """Capabilities of a cluster; what nobody asks for is not made."""

    def __init__(self, settings: Settings, about: Description) -> None:
        self._settings, self._about = settings, about
        self._place = Place(about.name, settings.namespace or f"trimaran-{about.name}")
        self._provider = k8s.Provider(
            "kubernetes",
            kubeconfig=None if settings.kubeconfig is None else pulumi.Output.secret(settings.kubeconfig),
            context=settings.context,
            enable_server_side_apply=True,
            enable_secret_mutable=True,  # a changed password is an update, not another secret under the same name
        )
        self._workspace = Workspace(self._place, self._provider, settings.production)
        self._vault = Vault(self._place, self._provider, self._workspace.namespace, settings.production)
        self._image = image(settings.image).ref
        self._common: dict[str, Value] = {"TRIMARAN_APP": settings.app}

    # what is used

    def event_store(self) -> EventStore:
        """PostgreSQL at a URL."""
        self._keep_stores()
        return EventStore({"TRIMARAN_EVENTS": self._vault.value(STORES, "events")}, self._reach(self._settings.events))

    def read_database(self) -> ReadDatabase:
        """PostgreSQL at a URL, perhaps the same."""
        self._keep_stores()
        env, reach = {"TRIMARAN_ROWS": self._vault.value(STORES, "rows")}, self._reach(self._settings.rows)
        counter = self._settings.counter
        if counter is None or not self._sagas():
            return ReadDatabase(env, reach)
        self._vault.keep(COUNTER, {"rows": counter.url})
        return ReadDatabase(env, reach, counter.database.user, {"TRIMARAN_ROWS": self._vault.value(COUNTER, "rows")})

    def bus(self) -> Bus:
        """Kafka at a URL; each role has a secret of its own, made when it is granted something."""
        bus = self._settings.bus
        files = None
        if texts := bus_files(bus):
            self._vault.keep(BUS_FILES, texts)
            files = self._vault.value(BUS_FILES)
        reach = [Reach(self._settings.bus_cidr, tuple({server.port for server in bus.brokers.servers}))]
        if endpoint := bus.brokers.options.get("oauth_endpoint"):
            reach += _reach_of(endpoint)
        if bus.brokers.mechanism == "AWS_MSK_IAM":
            reach += AWS
        return Bus({"TRIMARAN_PARTITIONS": str(bus.partitions)}, tuple(reach), files, bus.role, self._login)

    def identity(self) -> Identity:
        """Who signs callers' tokens, wherever that is."""
        callers = self._settings.callers
        said = {
            "JWKS": callers.jwks,
            "ISSUER": callers.issuer,
            "AUDIENCE": callers.audience,
            "ORIGINS": callers.origins,
            "REVOKED": callers.revoked,
            "LIMITS": callers.limits,
            "PRODUCTION": "1" if self._settings.production else "0",
        }
        reach = tuple(each for url in (callers.jwks, callers.revoked) if url for each in _reach_of(url))
        return Identity({f"TRIMARAN_{name}": text for name, text in said.items() if text}, reach)

    def autoscaler(self, watch: Grant, due: Grant) -> Autoscaler:
        """KEDA, which logs in to the bus, and to the read database where a saga's work is counted there."""
        keda = Keda(self._settings.keda == "install", self._settings.keda_namespace, self._provider)
        labels, bus = self._place.labels("projector"), self._settings.bus
        plans = [authentication.bus_authentication(self._place, labels, bus, _secret(watch, "TRIMARAN_BUS"), watch.files)]
        if self._sagas():
            plans.append(authentication.rows_authentication(self._place, labels, _secret(due, "TRIMARAN_ROWS")))
        options = pulumi.ResourceOptions(
            parent=keda, provider=self._provider, depends_on=[self._workspace.namespace, *self._vault.made, keda.ready]
        )
        made = [render(f"{plan['metadata']['name']}-authentication", plan, options) for plan in plans]
        return Autoscaler({"TRIMARAN_WATCHED": "1"}, (keda.ready, *made))

    # what is done and what runs

    def job(self, task: Task, grants: Sequence[Grant], after: Sequence[pulumi.Resource]) -> pulumi.Resource:
        """A Job; what was done once is not done again, and something else is another Job."""
        needed, role = needs(grants), self._about.roles[task.role]
        labels = self._place.labels("prepare", task.group.name if task.group else "", task.name)
        pod = Pod(
            "prepare",
            task.name,
            labels,
            self._image,
            role,
            self._common | dict(needed.env),
            task.arguments,
            needed.files,
            self._settings.priority_class,
            "Never",
        )
        name = _named(task, pod)
        before = self._before(task.name, labels, needed, ())
        base = self._workspace.namespace
        return Work(task.name, before, jobs.job(self._place, name, task.name, pod), base, after, self._provider).job

    def relay(self, grants: Sequence[Grant], after: Sequence[pulumi.Resource]) -> pulumi.Resource:
        """Two relays: a row of the outbox is taken by one of them, and one is there while the other's node is drained."""
        labels = self._place.labels("relay")
        return self._runs("relay", "relay", labels, grants, after, (), {}, (), replicas=2)

    def projector(self, group: Group, grants: Sequence[Grant], scaler: Autoscaler, after: Sequence[pulumi.Resource]) -> pulumi.Resource:
        """A projector of a group, from none to as many as there are partitions."""
        name, labels = f"projector-{group.name}", self._place.labels("projector", group.name)
        bus = authentication.kafka(self._settings.bus)
        scaled = scaling.projector(self._place, name, labels, group, self._about.topic, bus, self._settings.scaling)
        return self._runs(name, "projector", labels, grants, after, scaler.ready, {"scaling": scaled}, (f"--group={group.name}",))

    def gateway(self, grants: Sequence[Grant], scaler: Autoscaler, after: Sequence[pulumi.Resource]) -> Gateway:
        """Gateways behind a service, and behind an Ingress or a route where there is a host name."""
        place, entrance, labels, role = self._place, self._settings.entrance, self._place.labels("gateway"), self._about.roles["gateway"]
        http, probes = role.ports["http"], role.ports["probes"]
        load = routes.load_url(place, probes, role.probes["load"])
        behind = {
            "service": routes.service(place, labels, role.ports),
            "ingress": routes.ingress(place, labels, entrance),
            "route": routes.route(place, labels, entrance, http),
            "scaling": scaling.gateway(place, "gateway", labels, load, self._settings.scaling),
        }
        called = (*network.callers(entrance.allow, http), *network.callers((self._settings.keda_namespace,), probes))
        found = {word: plan for word, plan in behind.items() if plan}
        running = self._runs("gateway", "gateway", labels, grants, after, scaler.ready, found, (), called)
        told = routes.urls(place, entrance, http)
        return Gateway(running, told.commands, told.graphql, told.health)

    # how

    def _runs(
        self,
        name: str,
        component: str,
        labels: Mapping[str, str],
        grants: Sequence[Grant],
        after: Sequence[pulumi.Resource],
        scaled: Sequence[pulumi.Resource],
        behind: Mapping[str, Manifest],
        arguments: tuple[str, ...],
        called: Sequence[Manifest] = (),
        replicas: int | None = None,
    ) -> pulumi.Resource:
        needed, role = needs(grants), self._about.roles[component]
        pod = Pod(
            component,
            name,
            labels,
            self._image,
            role,
            self._common | dict(needed.env),
            arguments,
            needed.files,
            self._settings.priority_class,
        )
        plan = _deployment(self._place, name, pod, replicas)
        budget = {"budget": disruption.budget(self._place, name, labels)}
        before = self._before(name, labels, needed, called)
        base = self._workspace.namespace
        return Workload(name, before, plan, budget | dict(behind), base, after, scaled, self._provider).deployment

    def _before(self, name: str, labels: Mapping[str, str], needed: Needs, called: Sequence[Manifest]) -> list[Manifest]:
        annotations = {CLOUD_ROLE: needed.identity} if needed.identity else None
        account = self._place.object("ServiceAccount", name, labels, annotations, automountServiceAccountToken=False)
        return [account, network.policy(self._place, name, labels, needed.reach, called)]

    def _login(self, role: str) -> Credentials:
        bus, about = self._settings.bus, self._about
        login, secret = bus.login(role), f"bus-{role}"
        self._vault.keep(secret, bus_secret(bus, role))

        def allowed(use: Use) -> tuple[Right, ...]:
            return rights(use, login.user, about.name, about.topic, about.signals) if bus.acls and login else ()

        return Credentials({"TRIMARAN_BUS": self._vault.value(secret, "url")}, allowed)

    def _sagas(self) -> bool:
        return any(group.due for group in self._about.groups)

    def _keep_stores(self) -> None:
        self._vault.keep(STORES, {"events": self._settings.events.url, "rows": self._settings.rows.url})

    def _reach(self, store: Store) -> tuple[Reach, ...]:
        return (Reach(self._settings.stores_cidr, tuple({server.port for server in store.database.servers})),)


def _deployment(place: Place, name: str, pod: Pod, replicas: int | None) -> Manifest:
    spec: dict[str, Any] = {
        "selector": {"matchLabels": dict(pod.labels)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "progressDeadlineSeconds": ROLLOUT_S,
        "revisionHistoryLimit": 3,
        "template": template(pod),
    }
    return place.object("Deployment", name, pod.labels, spec=spec | ({"replicas": replicas} if replicas else {}))


def _secret(grant: Grant, name: str) -> FromSecret:
    """The secret behind a variable that a grant gives; only what was granted can be found."""
    found = grant.env[name]
    if not isinstance(found, FromSecret):
        raise TypeError(f"{name} is in no secret")
    return found


def _named(task: Task, pod: Pod) -> pulumi.Output[str]:
    """A Job's name, by what it does: with which image, with which words, and with which secrets, whose versions say nothing of them."""
    plain = {name: value for name, value in pod.env.items() if isinstance(value, str)}
    does = {"command": [*pod.role.command, *pod.arguments], "env": plain, "schema": task.group.schema if task.group else ""}
    later = pulumi.Output.all(pod.image, *(value.version for value in secrets_of(pod)))
    return later.apply(lambda known: jobs.job_name(task.name, does | {"later": known}))


def _reach_of(url: str) -> tuple[Reach, ...]:
    parts = urlsplit(url)
    port = parts.port or (HTTP if parts.scheme == "http" else HTTPS)
    return tuple(Reach(each, (port,)) for each in ANYWHERE)
