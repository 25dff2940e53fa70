"""The one image of every role: given as it is, or built from the Dockerfile at the root and pushed; either way pods pin what they run."""

from pathlib import Path

import pulumi
import pulumi_docker_build as docker

from stacks.cloud import Image
from stacks.config import ImageFrom

ROOT = Path(__file__).parent.parent
PLATFORM = docker.Platform.LINUX_AMD64


def image(chosen: ImageFrom) -> Image:
    """The image; a built one is named by the digest that its registry gave."""
    if chosen.image:
        return Image(pulumi.Output.from_input(chosen.image))
    built = docker.Image(
        "image",
        context={"location": str(ROOT)},
        dockerfile={"location": str(ROOT / "Dockerfile")},
        build_args={"PYTHON": chosen.python},
        platforms=[PLATFORM],
        tags=[f"{chosen.repository}:{pulumi.get_stack()}"],
        push=True,
        opts=pulumi.ResourceOptions(provider=docker.Provider("docker-build")),
    )
    return Image(built.ref)
