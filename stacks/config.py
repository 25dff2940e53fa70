"""The settings of a stack, read once: what `pulumi config set trimaran:…` says, with defaults, and which of it was given as a secret.

Pulumi.yaml has the same names with the same defaults and says what each is for. Secrets are in the clear in these objects, never in their
`repr`: they leave them only as `Output.secret`.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import pulumi
from pulumi.runtime import config as kept
from pulumi.runtime import is_config_secret

from stacks.addresses import Brokers, Database, brokers, database
from stacks.entrance import Entrance, entrance
from stacks.errors import Refused

BUS_ROLES = ("admin", "relay", "projector", "gateway", "scaler")
SECRETS = ("eventsPassword", "rowsPassword", "scalerPassword", "busLogins", "busCert", "busKey")
DEFAULTS: dict[str, Any] = {
    "cloud": "", "app": "shop", "image": "", "imageRepository": "", "pythonImage": "", "production": False, "namespace": "", "partitions": 8,
    "retentionHours": 168, "keda": "present", "kedaNamespace": "keda", "events": "", "eventsPassword": "", "rows": "",
    "rowsPassword": "", "scalerUser": "", "scalerPassword": "", "bus": "", "busLogins": {}, "busCa": "", "busCert": "", "busKey": "", "acls": False, "jwks": "", "issuer": "",
    "audience": "", "origins": "", "revoked": "", "limits": "", "host": "", "ingressClass": "", "tlsSecret": "", "route": "", "gatewayMin": 2, "gatewayMax": 10,
    "socketsPerReplica": 500, "lagThreshold": 1000, "pollingSeconds": 30, "cooldownSeconds": 300, "minimum": 0, "maximum": 0,
    "syncEvery": "hourly", "allowFrom": ["ingress-nginx"], "storesCidr": "0.0.0.0/0", "busCidr": "0.0.0.0/0", "priorityClass": "", "busRole": "",
}  # fmt: skip


@dataclass(frozen=True)
class Login:
    """A user of the bus and what proves it."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Files:
    """PEM texts: the authority that signed the brokers' certificates, and our own certificate with its key."""

    ca: str = ""
    cert: str = field(default="", repr=False)
    key: str = field(default="", repr=False)


@dataclass(frozen=True)
class Bus:
    """The bus and who logs in to it."""

    brokers: Brokers
    logins: Mapping[str, Login]  # by role, or "all"
    files: Files
    acls: bool
    partitions: int
    retention_h: int
    role: str  # the cloud's identity that pods and KEDA take on, where the bus asks for one (MSK IAM)

    def login(self, role: str) -> Login | None:
        """The login of a role."""
        return self.logins.get(role) or self.logins.get("all")


@dataclass(frozen=True)
class Store:
    """A database and its password."""

    database: Database
    password: str = field(repr=False)

    @property
    def url(self) -> str:
        """The whole URL, which is a secret."""
        return self.database.url(self.password)


@dataclass(frozen=True)
class Callers:
    """Who may call the gateway, by tokens and by page."""

    jwks: str
    issuer: str
    audience: str
    origins: str
    revoked: str
    limits: str


@dataclass(frozen=True)
class Scaling:
    """How many pods, when; seconds, events, and open sockets."""

    lag: int
    polling_s: int
    cooldown_s: int
    minimum: int
    maximum: int
    sync: Literal["hourly", "never"]
    gateway_minimum: int
    gateway_maximum: int
    sockets: int


@dataclass(frozen=True)
class ImageFrom:
    """A finished image, or where to push one that is built here."""

    image: str
    repository: str
    python: str


@dataclass(frozen=True)
class Settings:
    """Everything that a stack is told."""

    cloud: str
    app: str
    production: bool
    namespace: str
    image: ImageFrom
    events: Store
    rows: Store
    counter: Store | None  # the read database as KEDA's own login sees it
    bus: Bus
    callers: Callers
    scaling: Scaling
    entrance: Entrance
    keda: Literal["present", "install"]
    keda_namespace: str
    stores_cidr: str
    bus_cidr: str
    priority_class: str
    kubeconfig: str | None = field(default=None, repr=False)
    context: str | None = None


def read() -> Settings:
    """The settings of the stack that runs. Raises `Refused`."""
    config, kubernetes = pulumi.Config("trimaran"), pulumi.Config("kubernetes")
    _known({*kept.CONFIG.get(), *kept.get_config_env()})
    given = {name: text for name in DEFAULTS if (text := config.get(name)) is not None}
    secret = {name for name in given if is_config_secret(f"trimaran:{name}")}
    cloud = given.get("cloud") or pulumi.get_stack().partition("-")[0]
    kubeconfig, ambient = kubernetes.get("kubeconfig"), os.environ.get("KUBECONFIG", "")
    _exists("kubernetes:kubeconfig", kubeconfig) if kubeconfig else _exists("KUBECONFIG", ambient)
    return settings(given | {"cloud": cloud}, secret, kubeconfig, kubernetes.get("context"))


def _known(keys: set[str]) -> None:
    """A misspelt setting is no default that nobody notices."""
    for key in sorted(keys):
        name = key.removeprefix("trimaran:")
        if name != key and name not in DEFAULTS:
            near = get_close_matches(name, DEFAULTS, 1)
            raise Refused(f"{key} is no setting: {f'did you mean trimaran:{near[0]}' if near else 'Pulumi.yaml has them all'}")


def _exists(name: str, kubeconfig: str) -> None:
    """Where a file is named, it is there. Its text, which is a secret, may stand in its place and is not repeated."""
    text = "\n" in kubeconfig or kubeconfig.lstrip().startswith("{")
    if kubeconfig and not text and not any(Path(each).expanduser().is_file() for each in kubeconfig.split(os.pathsep)):
        raise Refused(f"{name} names no file that is here: give the path of a kubeconfig, or its text")


def settings(given: Mapping[str, str], secret: set[str], kubeconfig: str | None = None, context: str | None = None) -> Settings:
    """From texts as Pulumi keeps them. Raises `Refused` for what cannot be read or stands in plain text."""
    for name in SECRETS:
        if given.get(name) not in (None, "", "{}") and name not in secret:
            raise Refused(f"trimaran:{name} is in plain text: pulumi config set --secret trimaran:{name} …")
    said = {name: _parsed(name, given[name], default) if name in given else default for name, default in DEFAULTS.items()}
    events = _store(said, "events", said["events"], said["eventsPassword"])
    rows = _store(said, "rows", said["rows"] or said["events"], said["rowsPassword"] or said["eventsPassword"])
    return Settings(
        cloud=said["cloud"],
        app=said["app"],
        production=said["production"],
        namespace=said["namespace"],
        image=ImageFrom(said["image"], said["imageRepository"], said["pythonImage"]),
        events=events,
        rows=rows,
        counter=_counter(said, rows),
        bus=_bus(said),
        callers=Callers(said["jwks"], said["issuer"], said["audience"], said["origins"], said["revoked"], said["limits"]),
        scaling=_scaling(said),
        entrance=entrance(said),
        keda=_one_of(said, "keda", ("present", "install")),
        keda_namespace=said["kedaNamespace"],
        stores_cidr=said["storesCidr"],
        bus_cidr=said["busCidr"],
        priority_class=said["priorityClass"],
        kubeconfig=kubeconfig,
        context=context,
    )


def _parsed(name: str, text: str, default: object) -> Any:
    """A text as the type of its default: bool before int, because a bool is an int."""
    match default:
        case bool():
            if text.lower() not in ("true", "false"):
                raise Refused(f"trimaran:{name} is {text!r}: say true or false")
            return text.lower() == "true"
        case int():
            if not text.isdecimal():
                raise Refused(f"trimaran:{name} is {text!r}: say a whole number, 0 or more")
            return int(text)
        case dict() | list():
            return _document(name, text, type(default))
        case _:
            return text


def _document(name: str, text: str, kind: type) -> Any:
    try:
        found = json.loads(text)
    except ValueError:
        found = None  # the text may be a secret: it is not repeated
    if not isinstance(found, kind):
        raise Refused(f"trimaran:{name} is no {'object' if kind is dict else 'list'}: set it with pulumi config set --path")
    return found


def _store(said: Mapping[str, Any], name: str, url: str, password: str) -> Store:
    if not url:
        raise Refused(f"trimaran:{name} is not set: pulumi config set trimaran:{name} postgresql://user@host:5432/database")
    return Store(database(url, f"trimaran:{name}"), password)


def _counter(said: Mapping[str, Any], rows: Store) -> Store | None:
    user, password = said["scalerUser"], said["scalerPassword"]
    if user and user == rows.database.user:
        raise Refused(f"trimaran:scalerUser is {user!r}, the login of every role: name one that may do less, or remove it")
    if password and not user:
        raise Refused("trimaran:scalerPassword is set and trimaran:scalerUser is not: set it, or remove the password")
    return Store(replace(rows.database, user=user), password) if user else None


def _bus(said: Mapping[str, Any]) -> Bus:
    if not said["bus"]:
        raise Refused("trimaran:bus is not set: pulumi config set trimaran:bus kafka://host:9092")
    return Bus(
        brokers=brokers(said["bus"]),
        logins={role: _login(role, login) for role, login in said["busLogins"].items()},
        files=Files(said["busCa"], said["busCert"], said["busKey"]),
        acls=said["acls"],
        partitions=said["partitions"],
        retention_h=said["retentionHours"],
        role=said["busRole"],
    )


def _login(role: str, login: object) -> Login:
    if role not in (*BUS_ROLES, "all"):
        raise Refused(f"trimaran:busLogins has a role {role!r}: roles are {', '.join(BUS_ROLES)}, or all")
    match login:
        case {"user": str(user), "password": str(password)} if user and password:
            return Login(user, password)
        case {"user": str(user), **more} if user and not more:
            return Login(user, "")  # a certificate's name: nothing to prove it with but the certificate
        case _:
            raise Refused(f"trimaran:busLogins.{role} is an object with user and password: set both with pulumi config set --secret --path")


def _scaling(said: Mapping[str, Any]) -> Scaling:
    return Scaling(
        lag=said["lagThreshold"],
        polling_s=said["pollingSeconds"],
        cooldown_s=said["cooldownSeconds"],
        minimum=said["minimum"],
        maximum=said["maximum"] or said["partitions"],
        sync=_one_of(said, "syncEvery", ("hourly", "never")),
        gateway_minimum=said["gatewayMin"],
        gateway_maximum=said["gatewayMax"],
        sockets=said["socketsPerReplica"],
    )


def _one_of(said: Mapping[str, Any], name: str, known: tuple[str, ...]) -> Any:
    if said[name] not in known:
        raise Refused(f"trimaran:{name} is {said[name]!r}: it is {' or '.join(known)}")
    return said[name]
