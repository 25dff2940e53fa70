"""APIs that another program answers for the API server: how it is told where they are, and whether it reaches them."""

import base64
from pathlib import Path

from tests.cluster.api import Api, Object


def told(group: str, version: str, service: str, namespace: str, port: int, authority: Path) -> list[Object]:
    """The objects that say: `group` is served on loopback at `port`, with a certificate for `service.namespace.svc` by `authority`."""
    outside = {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]}
    bundle = base64.b64encode(authority.read_bytes()).decode()
    spec = {
        "group": group,
        "version": version,
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "service": {"name": service, "namespace": namespace, "port": port},
        "caBundle": bundle,
    }
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": service, "namespace": namespace}, "spec": outside},
        {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": f"{version}.{group}"}, "spec": spec},
    ]


def reached(api: Api, group: str, version: str) -> bool:
    """Whether the API server gets answers."""
    return holds(api.get("apiregistration.k8s.io/v1", "APIService", f"{version}.{group}"), "Available")


def holds(thing: Object | None, condition: str) -> bool:
    """Whether an object is there and has a condition."""
    conditions = (thing or {}).get("status", {}).get("conditions") or []
    return any(each["type"] == condition and each["status"] == "True" for each in conditions)
