"""A namespace with a secret, a setting, a Job that must end well, and a Deployment behind it."""

import pulumi
import pulumi_kubernetes as k8s

config = pulumi.Config("toy")
space, image, message = config.require("namespace"), config.require("image"), config.require("message")
labels = {"app": "toy", "color": config.require("label")}
fault = config.get("fault") or ""


def named(name: str, annotations: dict[str, str] | None = None) -> dict[str, object]:
    return {"name": name, "namespace": space, "labels": {"app": "toy"}, "annotations": annotations or {}}


def pod(command: list[str], restart: str) -> dict[str, object]:
    containers = [
        {
            "name": "toy",
            "image": image,
            "command": command,
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "env": [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "login", "key": "password"}}}],
        }
    ]
    return {
        "metadata": {"labels": labels},
        "spec": {"automountServiceAccountToken": False, "containers": containers, "restartPolicy": restart},
    }


namespace = k8s.core.v1.Namespace(
    "namespace", metadata={"name": space, "labels": {"app": "toy"}}, opts=pulumi.ResourceOptions(protect=config.require_bool("protect"))
)
inside = pulumi.ResourceOptions(depends_on=[namespace])
secret = k8s.core.v1.Secret("login", metadata=named("login"), string_data={"password": config.require_secret("password")}, opts=inside)
settings = k8s.core.v1.ConfigMap("settings", metadata=named("settings"), data={"message": message}, opts=inside)

work = [
    "import os, sys, time",
    "assert os.environ['PASSWORD']",
    f"time.sleep({config.require_int('seconds')})",
    f"print('{message}', file=sys.stderr)",
    f"sys.exit({config.require_int('status')})",
]
job = k8s.batch.v1.Job(
    "work",
    metadata=named("work", {"pulumi.com/replaceUnready": "true"}),
    spec={"backoffLimit": 0, "template": pod(["python", "-c", "\n".join(work)], "Never")},
    opts=pulumi.ResourceOptions(depends_on=[secret], custom_timeouts=pulumi.CustomTimeouts(create="60s")),
)
sleeping = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); time.sleep(3600)"
k8s.apps.v1.Deployment(
    "server",
    metadata=named("server", {"seen": settings.metadata.apply(lambda about: about.resource_version or "")}),
    spec={
        "replicas": config.require_int("replicas"),
        "selector": {"matchLabels": labels},
        "template": pod(["python", "-c", sleeping], "Always"),
    }
    | ({"replica": 3} if fault == "field" else {}),
    opts=pulumi.ResourceOptions(depends_on=[job], custom_timeouts=pulumi.CustomTimeouts(create="60s", update="60s")),
)
if fault == "definition":
    k8s.apiextensions.v1.CustomResourceDefinition.get("scaled objects", "scaledobjects.keda.sh")
if fault == "custom":
    k8s.apiextensions.CustomResource("scaler", api_version="keda.sh/v1alpha1", kind="ScaledObject", metadata=named("scaler"), spec={})
if fault == "helm":
    k8s.helm.v3.Release("keda", chart="keda")
pulumi.export("namespace", namespace.metadata["name"])
