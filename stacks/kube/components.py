"""What planners planned, made: each component renders the objects of one thing and knows what must be there before."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_kubernetes as k8s

from stacks.kube.jobs import deadline_s
from stacks.kube.names import Manifest, Place, namespace
from stacks.kube.network import nobody
from stacks.kube.render import render

CHART, CHART_VERSION, CHARTS = "keda", "2.21.0", "https://kedacore.github.io/charts"
SCALED_OBJECTS = "scaledobjects.keda.sh"
MISSING = (
    "KEDA (not in this cluster? pulumi config set trimaran:keda install)"  # a name, because it is what a failing read is reported under
)
ROLLOUT = pulumi.CustomTimeouts(create="6m", update="6m")  # more than the Deployment's own deadline, which says why
AWAIT_S = 60  # more than a Job's own deadline, which says why


class Workspace(pulumi.ComponentResource):
    """The namespace, in which nobody may talk to anybody. In production it is protected: with it, everything would go."""

    def __init__(self, place: Place, provider: pulumi.ProviderResource, production: bool) -> None:
        super().__init__("trimaran:kube:Workspace", place.namespace, None, pulumi.ResourceOptions(provider=provider))
        own = pulumi.ResourceOptions(parent=self, provider=provider)
        self.namespace: pulumi.Resource = render(
            "namespace", namespace(place), pulumi.ResourceOptions.merge(own, pulumi.ResourceOptions(protect=production))
        )
        render("nobody", nobody(place), pulumi.ResourceOptions.merge(own, pulumi.ResourceOptions(depends_on=[self.namespace])))
        self.register_outputs({"namespace": place.namespace})


class Keda(pulumi.ComponentResource):
    """KEDA: a Helm release of it, or a look whether the cluster has it; ScaledObjects wait for `ready`."""

    def __init__(self, install: bool, where: str, provider: pulumi.ProviderResource) -> None:
        super().__init__("trimaran:kube:Keda", "keda", None, pulumi.ResourceOptions(provider=provider))
        own = pulumi.ResourceOptions(parent=self, provider=provider)
        self.ready: pulumi.Resource = (
            k8s.helm.v3.Release(
                "keda",
                chart=CHART,
                version=CHART_VERSION,
                repository_opts={"repo": CHARTS},
                name="keda",
                namespace=where,
                create_namespace=True,
                atomic=True,
                timeout=300,
                opts=own,
            )
            if install
            else k8s.apiextensions.v1.CustomResourceDefinition.get(MISSING, SCALED_OBJECTS, opts=own)
        )
        self.register_outputs({})


class Workload(pulumi.ComponentResource):
    """A role that runs: account, network policy, Deployment, budget, and what scales it or leads to it."""

    def __init__(
        self,
        name: str,
        before: Sequence[Manifest],
        deployment: Manifest,
        behind: Mapping[str, Manifest],
        base: pulumi.Resource,
        after: Sequence[pulumi.Resource],
        scaled: Sequence[pulumi.Resource],
        provider: pulumi.ProviderResource,
    ) -> None:
        super().__init__("trimaran:kube:Workload", name, None, pulumi.ResourceOptions(provider=provider))
        own = pulumi.ResourceOptions(parent=self, provider=provider)

        def with_(*needed: pulumi.Resource, timeouts: pulumi.CustomTimeouts | None = None) -> pulumi.ResourceOptions:
            return pulumi.ResourceOptions.merge(own, pulumi.ResourceOptions(depends_on=list(needed), custom_timeouts=timeouts))

        needed = [render(f"{name}-{_word(each)}", each, with_(base)) for each in before]
        self.deployment: pulumi.Resource = render(name, deployment, with_(*after, *needed, timeouts=ROLLOUT))
        for word, each in behind.items():
            scaling = scaled if each["kind"] == "ScaledObject" else ()
            render(f"{name}-{word}", each, with_(self.deployment, *scaling))
        self.register_outputs({"deployment": name})


class Work(pulumi.ComponentResource):
    """Something done once: an account and a policy of its own, and the Job, whose end is waited for."""

    def __init__(
        self,
        task: str,
        before: Sequence[Manifest],
        job: Manifest,
        base: pulumi.Resource,
        after: Sequence[pulumi.Resource],
        provider: pulumi.ProviderResource,
    ) -> None:
        super().__init__("trimaran:kube:Work", task, None, pulumi.ResourceOptions(provider=provider))
        own = pulumi.ResourceOptions(parent=self, provider=provider)
        based = pulumi.ResourceOptions.merge(own, pulumi.ResourceOptions(depends_on=[base]))
        needed = [render(f"{task}-{_word(each)}", each, based) for each in before]
        seconds = f"{deadline_s(task) + AWAIT_S}s"
        awaited = pulumi.ResourceOptions(
            depends_on=[*after, *needed], custom_timeouts=pulumi.CustomTimeouts(create=seconds, update=seconds)
        )
        self.job: pulumi.Resource = render(task, job, pulumi.ResourceOptions.merge(own, awaited))
        self.register_outputs({"job": job["metadata"]["name"]})


def _word(manifest: Manifest) -> str:
    return {"ServiceAccount": "account", "NetworkPolicy": "policy"}[manifest["kind"]]
