"""What a stack refuses before any resource is registered: one line each, with the field, the limit and the way out."""

import json
import re

from stacks.config import BUS_ROLES, Settings
from stacks.description import Description
from stacks.errors import Refused
from stacks.kube.network import network

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")  # RFC 1123
LABEL_CHARACTERS = 63
HASH_CHARACTERS = 8
DIGEST = re.compile(r".+@sha256:[0-9a-f]{64}")
MESSAGE_BYTES = 1_000_000  # Event Hubs Standard; Kafka's message.max.bytes is 1,048,588 where nobody set it
LIMITS = {"bytes_per_event": MESSAGE_BYTES}  # law 5, as far as this hull knows of it: an event is one message
NEEDS_LOGIN = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
BUILT_IN_PYTHON = "docker.io/library/python:3.13-slim@sha256:…"


def refuse(settings: Settings, about: Description) -> None:
    """Raise `Refused` for the first thing that cannot be right."""
    _names(settings, about)
    _topics(settings, about)
    _image(settings)
    _logins(settings)
    _files(settings)
    _acls(settings)
    _scaling(settings)
    _callers(settings)
    _networks(settings)
    _limits(about)


def _names(settings: Settings, about: Description) -> None:
    said = {"trimaran:namespace": settings.namespace or f"trimaran-{about.name}"}
    said |= {f"the name of group {group.name!r}": f"projector-{group.name}" for group in about.groups}
    said |= {f"a job of group {group.name!r}": f"rebuild-{group.name}-{'0' * HASH_CHARACTERS}" for group in about.groups}
    for field, name in said.items():
        if not _label(name):
            raise Refused(f"{field}: {name!r} is no DNS label: at most {LABEL_CHARACTERS} of a-z, 0-9 and -, so give it another name")


def _topics(settings: Settings, about: Description) -> None:
    partitions = settings.bus.partitions
    if not 1 <= partitions <= about.shards:
        raise Refused(f"trimaran:partitions is {partitions}: it is 1 to {about.shards}, since streams hash to {about.shards} shards")
    if settings.bus.retention_h < 1:
        raise Refused("trimaran:retentionHours is 0: events stay on the bus for at least 1 hour")
    for group in about.groups:
        if not about.topic or not group.watched:
            what = "topic" if not about.topic else "consumer group"
            raise Refused(f"group {group.name!r} has no {what}: without one nothing wakes its projector; describe it with one")


def _image(settings: Settings) -> None:
    image = settings.image
    if bool(image.image) == bool(image.repository):
        raise Refused("trimaran:image names a finished image, trimaran:imageRepository where to push one built here: set one of the two")
    if image.repository and not DIGEST.fullmatch(image.python):
        raise Refused(f"trimaran:pythonImage is {image.python!r}: name the base image with its digest, as in {BUILT_IN_PYTHON}")
    if settings.production and image.image and not DIGEST.fullmatch(image.image):
        raise Refused(f"trimaran:image {image.image!r} has no digest, and trimaran:production is true: name it as repository@sha256:…")


def _logins(settings: Settings) -> None:
    bus = settings.bus
    if bus.brokers.mechanism in NEEDS_LOGIN:
        for role in BUS_ROLES:
            login = bus.login(role)
            if login is None or not login.password:
                way = f"pulumi config set --secret --path trimaran:busLogins.{role}.user … and .password …"
                raise Refused(f"trimaran:bus logs in by {bus.brokers.mechanism}, and role {role} has no login: {way}")
    elif not bus.brokers.mechanism and any(login.password for login in bus.logins.values()):
        raise Refused(
            f"trimaran:busLogins has passwords, but {bus.brokers.protocol} sends none: add ?security_protocol=SASL_SSL to trimaran:bus"
        )
    if bus.brokers.event_hubs and bus.brokers.mechanism == "PLAIN":
        for role, login in bus.logins.items():
            if login.user != "$ConnectionString":
                raise Refused(f"trimaran:busLogins.{role}.user: Event Hubs' user is $ConnectionString, its password the connection string")
    if bus.brokers.mechanism == "OAUTHBEARER" and not bus.brokers.options.get("oauth_endpoint", "").startswith("https://"):
        raise Refused("trimaran:bus logs in by OAUTHBEARER and names no https token endpoint: add &oauth_endpoint=https://…")
    if bus.brokers.mechanism == "AWS_MSK_IAM" and bus.logins:
        raise Refused(
            "trimaran:bus logs in by AWS_MSK_IAM, as the role that pods run under: take trimaran:busLogins away, set trimaran:busRole"
        )
    if bus.brokers.mechanism == "AWS_MSK_IAM" and not bus.brokers.options.get("region"):
        raise Refused("trimaran:bus logs in by AWS_MSK_IAM and names no region: add &region=eu-central-1")


def _files(settings: Settings) -> None:
    bus = settings.bus
    if bool(bus.files.cert) != bool(bus.files.key):
        raise Refused("trimaran:busCert and trimaran:busKey belong together: set both, or none")
    if (bus.files.ca or bus.files.cert) and not bus.brokers.encrypted:
        raise Refused(
            f"trimaran:busCa or trimaran:busCert is set, but {bus.brokers.protocol} has no TLS: add ?security_protocol=SSL to trimaran:bus"
        )


def _acls(settings: Settings) -> None:
    bus = settings.bus
    if not bus.acls:
        return
    if bus.brokers.event_hubs or bus.brokers.mechanism == "AWS_MSK_IAM":
        raise Refused("trimaran:acls is true, but Event Hubs and MSK with IAM keep rights elsewhere: set trimaran:acls to false")
    for role in BUS_ROLES:
        if role not in bus.logins:
            raise Refused(
                f"trimaran:acls is true, but role {role} has no user of its own: set trimaran:busLogins.{role}.user, or trimaran:acls to false"
            )


def _scaling(settings: Settings) -> None:
    scaling, partitions = settings.scaling, settings.bus.partitions
    if scaling.maximum > partitions:
        raise Refused(
            f"trimaran:maximum is {scaling.maximum}: a topic of {partitions} partitions keeps at most {partitions} projectors busy"
        )
    if scaling.minimum > scaling.maximum:
        raise Refused(f"trimaran:minimum is {scaling.minimum}, more than the maximum of {scaling.maximum}: lower it")
    if not 1 <= scaling.gateway_minimum <= scaling.gateway_maximum:
        raise Refused(f"trimaran:gatewayMin is {scaling.gateway_minimum}: it is 1 to trimaran:gatewayMax, {scaling.gateway_maximum}")
    for field, number in (("lagThreshold", scaling.lag), ("pollingSeconds", scaling.polling_s), ("socketsPerReplica", scaling.sockets)):
        if number < 1:
            raise Refused(f"trimaran:{field} is {number}: it is 1 or more")


def _callers(settings: Settings) -> None:
    callers = settings.callers
    if settings.production and not callers.jwks:
        raise Refused("trimaran:jwks is not set, and trimaran:production is true: nobody could sign in; set jwks, issuer and audience")
    if callers.jwks and not (callers.issuer and callers.audience):
        raise Refused("trimaran:jwks needs trimaran:issuer and trimaran:audience: without them any token of that provider would do")
    if (callers.issuer or callers.audience) and not callers.jwks:
        raise Refused("trimaran:issuer and trimaran:audience do nothing without trimaran:jwks, the keys that tokens are signed with")

    for field, url in (("jwks", callers.jwks), ("revoked", callers.revoked)):
        if url and not url.startswith(("https://", "http://")):
            raise Refused(f"trimaran:{field} is {url!r}: name it by its URL, https://…")
    if callers.limits and not _object(callers.limits):
        raise Refused('trimaran:limits is no JSON object: write it as {"depth": 15}')


def _object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _networks(settings: Settings) -> None:
    for field, cidr in (("storesCidr", settings.stores_cidr), ("busCidr", settings.bus_cidr)):
        if not network(cidr):
            raise Refused(f"trimaran:{field} is {cidr!r}: write a network as 10.0.0.0/8")
    for each in settings.entrance.allow:
        if not (network(each) or _label(each)):
            raise Refused(f"trimaran:allowFrom has {each!r}: it is a namespace, or a network as 10.0.0.0/8")
    if _label(settings.keda_namespace) is None:
        raise Refused(f"trimaran:kedaNamespace is {settings.keda_namespace!r}, which is no DNS label: name KEDA's namespace")
    host = settings.entrance.host
    if host and not all(_label(part) for part in host.split(".")):
        raise Refused(f"trimaran:host is {host!r}: write a host name, such as board.example.com, without scheme and path")
    if settings.entrance.tls_secret and not host:
        raise Refused("trimaran:tlsSecret is a certificate for trimaran:host, which is not set: set it")


def _label(text: str) -> re.Match[str] | None:
    return LABEL.fullmatch(text) if len(text) <= LABEL_CHARACTERS else None


def _limits(about: Description) -> None:
    for name, most in LIMITS.items():
        if about.limits[name] > most:
            raise Refused(f"{name} is {about.limits[name]}, and a bus holds messages of {most} bytes: lower it in runtime/limits.py")
