"""Kubernetes objects of tests, in as few words as they need: pods, Deployments, Jobs and Services of toy images."""

from collections.abc import Mapping
from typing import Any

from tests.cluster.api import Object

TOY = "toy@sha256:" + "0" * 64


def thing(version: str, kind: str, name: str, namespace: str, **rest: Any) -> Object:
    """An object of any kind."""
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **rest}


def container(*command: str, values: Mapping[str, str] | None = None, image: str = TOY, **rest: Any) -> Object:
    """A container that knows its address as IP."""
    own: Object = {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    env = [own, *({"name": name, "value": value} for name, value in (values or {}).items()), *rest.pop("env", [])]
    return {"name": "main", "image": image, "command": list(command), "env": env, **rest}


def pod_spec(*containers: Object, **rest: Any) -> Object:
    """What a pod runs; it gets no token."""
    return {"containers": list(containers), "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 5, **rest}


def pod(name: str, namespace: str, main: Object, **rest: Any) -> Object:
    """A pod by itself that is never restarted unless `restartPolicy` says so."""
    made = thing("v1", "Pod", name, namespace, spec=pod_spec(main, **({"restartPolicy": "Never"} | rest)))
    made["metadata"]["labels"] = {"app": name}
    return made


def deployment(name: str, namespace: str, main: Object, replicas: int | None = 1, **rest: Any) -> Object:
    """A Deployment whose pods are labelled `app=NAME`; without `replicas` when that is None."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod_spec(main, **rest)}
    spec = {"selector": {"matchLabels": labels}, "template": template} | ({} if replicas is None else {"replicas": replicas})
    return thing("apps/v1", "Deployment", name, namespace, spec=spec)


def job(name: str, namespace: str, main: Object, retries: int = 0) -> Object:
    """A Job of one pod."""
    template = {"spec": pod_spec(main, restartPolicy="Never")}
    return thing("batch/v1", "Job", name, namespace, spec={"backoffLimit": retries, "template": template})


def service(name: str, namespace: str, port: int, target: int | str = 8000) -> Object:
    """A Service for the pods labelled `app=NAME`."""
    return thing("v1", "Service", name, namespace, spec={"selector": {"app": name}, "ports": [{"port": port, "targetPort": target}]})
