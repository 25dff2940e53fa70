"""Plain data into Pulumi's resources: one object, one resource, as it stands."""

from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from stacks.kube.names import Manifest

DEFINED = ("keda.sh/", "gateway.networking.k8s.io/")  # by CustomResourceDefinitions that the cluster has
SNAKE = {"automountServiceAccountToken": "automount_service_account_token"}


def render(name: str, manifest: Manifest, options: pulumi.ResourceOptions) -> Any:
    """The resource of an object. Keys are Kubernetes' own: they go out as they are."""
    kind = manifest["kind"]
    rest = {SNAKE.get(key, key): value for key, value in manifest.items() if key not in ("apiVersion", "kind")}
    if manifest["apiVersion"].startswith(DEFINED):
        return k8s.apiextensions.CustomResource(name, api_version=manifest["apiVersion"], kind=kind, opts=options, **rest)
    return _class(kind)(name, opts=options, **rest)


def _class(kind: str) -> Any:
    match kind:
        case "Namespace" | "Secret" | "Service" | "ServiceAccount":
            return getattr(k8s.core.v1, kind)
        case "Deployment":
            return k8s.apps.v1.Deployment
        case "Job":
            return k8s.batch.v1.Job
        case "Ingress" | "NetworkPolicy":
            return getattr(k8s.networking.v1, kind)
        case "PodDisruptionBudget":
            return k8s.policy.v1.PodDisruptionBudget
        case _:
            raise TypeError(f"no resource for a {kind}")
