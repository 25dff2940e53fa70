"""Who may talk to whom: nobody, but for what a grant says. Deny by default, in both directions."""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stacks.cloud import Reach
from stacks.kube.names import INSTANCE, NAME, Manifest, Place

DNS = {  # the cluster's, and NodeLocal DNSCache's fixed address
    "to": [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}},
        {"ipBlock": {"cidr": "169.254.20.10/32"}},
    ],
    "ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")],
}


def nobody(place: Place) -> Manifest:
    """Every pod of the namespace, ours or not: nothing in, nothing out."""
    labels = {NAME: "trimaran", INSTANCE: place.app}
    return place.object("NetworkPolicy", "nobody", labels, spec={"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})


def policy(place: Place, name: str, labels: Mapping[str, str], reach: Iterable[Reach], ingress: Sequence[Manifest] = ()) -> Manifest:
    """What the pods of these labels may: resolve names, reach what they were granted, be called as `ingress` says."""
    egress = [DNS, *({"to": [{"ipBlock": {"cidr": cidr}}], "ports": _ports(ports)} for cidr, ports in _merged(reach).items())]
    spec: dict[str, Any] = {"podSelector": {"matchLabels": dict(labels)}, "policyTypes": ["Ingress", "Egress"], "egress": egress}
    return place.object("NetworkPolicy", name, labels, spec=spec | ({"ingress": list(ingress)} if ingress else {}))


def callers(allowed: Sequence[str], port: int) -> list[Manifest]:
    """From these networks and namespaces to one port; nothing for nobody."""
    return [{"from": [_peer(each) for each in allowed], "ports": _ports((port,))}] if allowed else []


def network(text: str) -> bool:
    """Whether a text is a CIDR."""
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return "/" in text


def _peer(text: str) -> Manifest:
    if network(text):
        return {"ipBlock": {"cidr": text}}
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": text}}}


def _merged(reach: Iterable[Reach]) -> dict[str, tuple[int, ...]]:
    found: dict[str, set[int]] = {}
    for each in reach:
        found.setdefault(each.cidr, set()).update(each.ports)
    return {cidr: tuple(sorted(ports)) for cidr, ports in sorted(found.items())}


def _ports(ports: tuple[int, ...]) -> list[Manifest]:
    return [{"protocol": "TCP", "port": port} for port in ports]
