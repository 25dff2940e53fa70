"""How clients find the gateway: a Service, an Ingress where there is a host name, and the URLs that follow."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stacks.config import Entrance
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
    """The Ingress of a host name; None without one."""
    if not entrance.host:
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


def load_url(place: Place, port: int, path: str) -> str:
    """Where KEDA asks for the load; it reads service and namespace out of the host name."""
    return f"http://{SERVICE}.{place.namespace}.svc:{port}{path}"


def urls(place: Place, entrance: Entrance, port: int) -> Urls:
    """From outside with a host name, else from inside the cluster."""
    where = entrance.host or f"{SERVICE}.{place.namespace}.svc:{port}"
    secure = "s" if entrance.host and entrance.tls_secret else ""
    return Urls(f"http{secure}://{where}/commands", f"ws{secure}://{where}/graphql", f"http{secure}://{where}/health")


def _patience() -> dict[str, str]:
    return {f"nginx.ingress.kubernetes.io/proxy-{way}-timeout": str(QUIET_S) for way in ("read", "send")}
