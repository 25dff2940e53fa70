"""From what a pod declares to what is run: its image, user, environment, command and mounts; or why not (yet)."""

import tempfile
from pathlib import Path

from tests.cluster.api import Api, Object
from tests.cluster.kubelet import images
from tests.cluster.kubelet.environment import Sources, environment, expanded
from tests.cluster.kubelet.images import Image
from tests.cluster.kubelet.refusals import NotYet, misconfigured
from tests.cluster.kubelet.sandbox import Plan, Rights
from tests.cluster.kubelet.volumes import Mount, Volumes
from tests.cluster.names import hosts_file


def refuse_what_we_cannot(pod: Object) -> None:
    """Raises `NotYet` for pods with more than one container, or with hooks after the start: nobody carries them out here."""
    spec = pod["spec"]
    if len(spec["containers"]) > 1 or spec.get("initContainers"):
        raise misconfigured("this kubelet runs pods with one container and without init containers")
    if "postStart" in (spec["containers"][0].get("lifecycle") or {}):
        raise misconfigured("this kubelet has no postStart")


def grace_s(pod: Object) -> float:
    """How long it may take to end."""
    return float(pod["spec"].get("terminationGracePeriodSeconds", 30))


def planned(api: Api, pod: Object, container: Object, address: str, work: Path, folder: Path) -> Plan:
    """The next run of a container whose files lie in `folder`; raises `NotYet`."""
    reference, namespace = container.get("image", ""), pod["metadata"]["namespace"]
    image = images.find(work, reference)
    if image is None:
        raise NotYet("ImagePullBackOff", f'Back-off pulling image "{reference}": not found')
    rights = allowed(pod, container, image)
    host, port = api.where
    given_to_all = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": str(port), **image.environment}
    values = environment(pod, container, given_to_all, address, Sources(api, namespace), rights.user)
    declared = Volumes(pod, address, api, folder / "volumes").mounts(container)
    command = [expanded(word, values) for word in [*(container.get("command") or []), *(container.get("args") or [])]]
    if not command:
        raise misconfigured("no command: images here have none of their own")
    termination = folder / "termination-log"
    termination.write_bytes(b"")
    termination.chmod(0o666)
    given = [
        Mount(Path(source), target, read_only=source != image.environment.get("PYTHONPYCACHEPREFIX"))
        for target, source in image.mounts.items()
    ]
    own = [
        Mount(hosts_file(work, namespace), "/etc/hosts"),
        Mount(termination, container.get("terminationMessagePath", "/dev/termination-log")),
    ]
    scratch = Path(tempfile.mkdtemp(prefix="root-", dir=folder))
    return Plan(command, values, container.get("workingDir") or image.directory, [*given, *own, *declared], image.hidden, rights, scratch)


def allowed(pod: Object, container: Object, image: Image) -> Rights:
    """User, groups and privileges: the container's word before the pod's, before the image's."""
    outer, inner = pod["spec"].get("securityContext") or {}, container.get("securityContext") or {}
    context = outer | inner
    user = int(context.get("runAsUser", image.user))
    if context.get("runAsNonRoot") and user == 0:
        raise misconfigured("container has runAsNonRoot and image will run as root")
    groups = [*outer.get("supplementalGroups", []), *([outer["fsGroup"]] if "fsGroup" in outer else [])]
    return Rights(
        user=user,
        group=int(context.get("runAsGroup", 0)),
        groups=tuple(groups),
        new_privileges=bool(inner.get("allowPrivilegeEscalation", True)),
        drop_capabilities="ALL" in ((inner.get("capabilities") or {}).get("drop") or []),
        read_only_root=bool(inner.get("readOnlyRootFilesystem")),
    )
