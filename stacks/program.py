"""The program that Pulumi runs: read the settings, refuse what cannot be right, then make the system on the hull that was chosen."""

from collections.abc import Callable, Mapping
from typing import Any

import pulumi

from stacks.cloud import Cloud
from stacks.config import Settings, read
from stacks.description import Description, description
from stacks.errors import Refused
from stacks.refusals import refuse
from stacks.system import compose

HULLS = ("k8s",)


def deploy(describe: Callable[[str], Mapping[str, Any]], misconfigured: type[Exception] = Refused) -> None:
    """Make the stack of an app that `describe` describes; its errors, and refusals, end a run with one line."""
    try:
        settings = read()
        about = description(describe(settings.app))
        cloud = hull(settings)
        refuse(settings, about)
    except (Refused, misconfigured) as error:
        raise pulumi.RunError(str(error)) from None
    gateway = compose(cloud(settings, about), about, settings.bus.retention_h)
    pulumi.export("cloud", settings.cloud)
    pulumi.export("commandUrl", gateway.command_url)
    pulumi.export("graphqlUrl", gateway.graphql_url)
    pulumi.export("graphqlProtocol", gateway.protocol)
    pulumi.export("health", gateway.health)


def hull(settings: Settings) -> Callable[[Settings, Description], Cloud]:
    """The hull of a name, and no other's packages: importing one costs seconds. Raises `Refused`."""
    match settings.cloud:
        case "k8s":
            from stacks.kubernetes import Kubernetes

            return Kubernetes
        case unknown:
            raise Refused(f"trimaran:cloud is {unknown!r}: it is {', '.join(HULLS)}; without it, the stack's name up to its first - counts")
