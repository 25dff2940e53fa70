"""How the world comes in: by an Ingress, by a route of the Gateway API, or not at all."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stacks.errors import Refused

LISTENER = re.compile(r"(https?)://([a-z0-9][a-z0-9-]*)/([a-z0-9][a-z0-9.-]*)/([a-z0-9][a-z0-9.-]*)")
OF_AN_INGRESS = {"ingressClass": "the Gateway's own class decides", "tlsSecret": "the listener has the certificate"}


@dataclass(frozen=True)
class Listener:
    """A listener of a Gateway that others run; `secure` where it ends TLS."""

    namespace: str
    name: str
    section: str
    secure: bool


@dataclass(frozen=True)
class Entrance:
    """A host name with an Ingress or a listener, or nothing but the service."""

    host: str
    ingress_class: str
    tls_secret: str
    listener: Listener | None
    allow: tuple[str, ...]  # CIDRs, or namespaces' names


def entrance(said: Mapping[str, Any]) -> Entrance:
    """From settings. Raises `Refused`."""
    return Entrance(said["host"], said["ingressClass"], said["tlsSecret"], _listener(said), tuple(said["allowFrom"]))


def _listener(said: Mapping[str, Any]) -> Listener | None:
    if not said["route"]:
        return None
    found = LISTENER.fullmatch(said["route"])
    if not found:
        raise Refused(f"trimaran:route is {said['route']!r}: name a Gateway's listener, https://NAMESPACE/GATEWAY/LISTENER")
    if not said["host"]:
        raise Refused("trimaran:route needs a host name: pulumi config set trimaran:host board.example.com")
    for name, instead in OF_AN_INGRESS.items():
        if said[name]:
            raise Refused(f"trimaran:{name} is for an Ingress, and trimaran:route is set: remove one of the two ({instead})")
    scheme, namespace, name, section = found.groups()
    return Listener(namespace, name, section, scheme == "https")
