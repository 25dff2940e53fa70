"""How clients find the gateway: a Service, for a host name an Ingress or a Gateway API route, and the URLs that follow."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stacks.entrance import Entrance
from stacks.kube.names import Manifest, Place

SERVICE = "gateway"
QUIET_S = 3600  # how long a proxy keeps a WebSocket on which nothing is said; the gateway pings well below that


@dataclass(frozen=True)
class Urls:
    """What clients are told."""

    commands: str
    graphql: str
    health: str


def service(place: Place, labels: Mapping[str, str], ports: Mapping[str, int]) -> Manifest:
    """The service. It names the probes' port too, because KEDA finds a pod's load there; the network policy says who may ask."""
    said = [{"name": name, "port": port, "targetPort": name, "protocol": "TCP"} for name, port in ports.items()]
    return place.object("Service", SERVICE, labels, spec={"type": "ClusterIP", "selector": dict(labels), "ports": said})


def ingress(place: Place, labels: Mapping[str, str], entrance: Entrance) -> Manifest | None:
    """The Ingress of a host name; None without one, or where a Gateway's listener has it."""
    if not entrance.host or entrance.listener:
        return None
    backend = {"service": {"name": SERVICE, "port": {"name": "http"}}}
    spec: dict[str, Any] = {
        "rules": [{"host": entrance.host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]
    }
    if entrance.ingress_class:
        spec["ingressClassName"] = entrance.ingress_class
    if entrance.tls_secret:
        spec["tls"] = [{"hosts": [entrance.host], "secretName": entrance.tls_secret}]
    return place.object("Ingress", SERVICE, labels, _patience(), spec=spec)


def route(place: Place, labels: Mapping[str, str], entrance: Entrance, port: int) -> Manifest | None:
    """The route from a Gateway's listener, which must allow routes of this namespace; None without one."""
    if not (listener := entrance.listener):
        return None
    parent = {"namespace": listener.namespace, "name": listener.name, "sectionName": listener.section}
    everything = {"path": {"type": "PathPrefix", "value": "/"}}
    rule = {"matches": [everything], "backendRefs": [{"name": SERVICE, "port": port}]}
    return place.object("HTTPRoute", SERVICE, labels, spec={"parentRefs": [parent], "hostnames": [entrance.host], "rules": [rule]})


def load_url(place: Place, port: int, path: str) -> str:
    """Where KEDA asks for the load; it reads service and namespace out of the host name."""
    return f"http://{SERVICE}.{place.namespace}.svc:{port}{path}"


def urls(place: Place, entrance: Entrance, port: int) -> Urls:
    """From outside with a host name, else from inside the cluster."""
    where = entrance.host or f"{SERVICE}.{place.namespace}.svc:{port}"
    ends_tls = entrance.listener.secure if entrance.listener else entrance.tls_secret
    secure = "s" if entrance.host and ends_tls else ""
    return Urls(f"http{secure}://{where}/commands", f"ws{secure}://{where}/graphql", f"http{secure}://{where}/health")


def _patience() -> dict[str, str]:
    return {f"nginx.ingress.kubernetes.io/proxy-{way}-timeout": str(QUIET_S) for way in ("read", "send")}
