"""What a pod may be on its node: nobody, with nothing but its own files to read."""

import re
from collections.abc import Iterator
from typing import Any

from tests.stacks.objects import Object, Objects

DIGEST = re.compile(r".+@sha256:[0-9a-f]{64}")


def nobody_is_root(objects: Objects) -> Iterator[str]:
    """Every container runs as a user that is not root, and the kubelet is told to refuse another."""
    for each, container in _containers(objects):
        said = each.pod.get("securityContext", {}) | container.get("securityContext", {})
        if not said.get("runAsNonRoot") or not said.get("runAsUser"):
            yield f"{each}: {container['name']} may run as root: {said}"


def nothing_is_written(objects: Objects) -> Iterator[str]:
    """The root file system is read-only; what must be written has a volume with a bound."""
    for each, container in _containers(objects):
        if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
            yield f"{each}: {container['name']} may write its root file system"
    for each in objects.workloads():
        for volume in each.pod.get("volumes", []):
            if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
                yield f"{each}: volume {volume['name']} has no size limit, so it may fill the node"


def nothing_is_gained(objects: Objects) -> Iterator[str]:
    """No capability, no privilege, no way to gain one, and the runtime's own filter of system calls."""
    for each, container in _containers(objects):
        said = container.get("securityContext", {})
        capabilities = said.get("capabilities", {})
        if capabilities.get("drop") != ["ALL"] or capabilities.get("add"):
            yield f"{each}: {container['name']} has capabilities: {capabilities}"
        if said.get("privileged") or said.get("allowPrivilegeEscalation") is not False:
            yield f"{each}: {container['name']} may gain privileges"
        if (each.pod.get("securityContext", {}) | said).get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{each}: {container['name']} may make any system call"


def nothing_of_the_node_is_seen(objects: Objects) -> Iterator[str]:
    """No path, network, process or port of the node."""
    for each in objects.workloads():
        for volume in each.pod.get("volumes", []):
            if "hostPath" in volume:
                yield f"{each}: volume {volume['name']} is a path of the node"
        for shared in ("hostNetwork", "hostPID", "hostIPC"):
            if each.pod.get(shared):
                yield f"{each}: {shared}"
    for each, container in _containers(objects):
        if any("hostPort" in port for port in container.get("ports", [])):
            yield f"{each}: {container['name']} has a port of the node"


def images_are_named_by_digest(objects: Objects) -> Iterator[str]:
    """An image is what was tested: a tag may be another one tomorrow."""
    for each, container in _containers(objects):
        if not DIGEST.fullmatch(container.get("image", "")):
            yield f"{each}: image {container.get('image')} is named by a tag"


def _containers(objects: Objects) -> Iterator[tuple[Object, dict[str, Any]]]:
    return ((each, container) for each in objects.workloads() for container in each.containers)


RULES = (nobody_is_root, nothing_is_written, nothing_is_gained, nothing_of_the_node_is_seen, images_are_named_by_digest)
