"""The volumes of a pod: secret, configMap, emptyDir and projected, as directories here that a container sees where it mounts them."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.api import Api, Object
from tests.cluster.kubelet.environment import Sources, field
from tests.cluster.kubelet.refusals import NotYet, misconfigured


@dataclass(frozen=True)
class Mount:
    """A directory or file here, seen at `target` inside."""

    source: Path
    target: str
    read_only: bool = False


class Volumes:
    """The volumes of one pod below `folder`; `api` is the node's."""

    def __init__(self, pod: Object, address: str, api: Api, folder: Path) -> None:
        self._pod, self._address, self._api, self._folder = pod, address, api, folder
        self._sources = Sources(api, pod["metadata"]["namespace"])
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)

    def mounts(self, container: Object) -> list[Mount]:
        """What the container mounts, with the contents as of now; raises `NotYet` when something is missing."""
        volumes = {each["name"]: each for each in self._pod["spec"].get("volumes") or []}
        found = []
        for wanted in container.get("volumeMounts") or []:
            volume = volumes[wanted["name"]]
            try:
                source = self._made(volume)
            except NotYet as missing:
                raise NotYet("ContainerCreating", f'MountVolume.SetUp failed for volume "{volume["name"]}": {missing.message}') from missing
            source = source / str(wanted["subPath"]) if wanted.get("subPath") else source
            found.append(Mount(source, wanted["mountPath"], bool(wanted.get("readOnly")) or "emptyDir" not in volume))
        return found

    def _made(self, volume: Object) -> Path:
        folder = self._folder / str(volume["name"])
        folder.mkdir(exist_ok=True)
        group = (self._pod["spec"].get("securityContext") or {}).get("fsGroup")
        if "emptyDir" in volume:
            folder.chmod(0o777)
        elif "projected" in volume:
            mode = volume["projected"].get("defaultMode", 0o644)
            for source in volume["projected"].get("sources") or []:
                _write(folder, self._projected(source), mode, group)
        elif "secret" in volume or "configMap" in volume:
            self._keys(folder, volume, group)
        else:
            raise misconfigured(f"volumes of kind {', '.join(set(volume) - {'name'})} are not carried out here")
        return folder

    def _keys(self, folder: Path, volume: Object, group: int | None) -> None:
        kind = "Secret" if "secret" in volume else "ConfigMap"
        wanted = volume.get("secret") or volume["configMap"]
        values = self._sources.read(kind, wanted.get("secretName") or wanted["name"], bool(wanted.get("optional")))
        _write(folder, _chosen(values, wanted), wanted.get("defaultMode", 0o644), group)

    def _projected(self, source: Object) -> dict[str, bytes]:
        if "serviceAccountToken" in source:
            return {source["serviceAccountToken"]["path"]: self._token(source["serviceAccountToken"]).encode()}
        if "downwardAPI" in source:
            items = source["downwardAPI"].get("items") or []
            return {each["path"]: field(self._pod, self._address, each["fieldRef"]["fieldPath"]).encode() for each in items}
        kind = "Secret" if "secret" in source else "ConfigMap"
        wanted = source.get("secret") or source["configMap"]
        return _chosen(self._sources.read(kind, wanted["name"], bool(wanted.get("optional"))), wanted)

    def _token(self, wanted: Object) -> str:
        """A token bound to this pod, as only its node may ask for."""
        about, account = self._pod["metadata"], self._pod["spec"].get("serviceAccountName", "default")
        bound = {"apiVersion": "v1", "kind": "Pod", "name": about["name"], "uid": about["uid"]}
        audiences = [wanted["audience"]] if wanted.get("audience") else []
        spec = {"expirationSeconds": wanted.get("expirationSeconds", 3600), "boundObjectRef": bound, "audiences": audiences}
        path = self._api.path("v1", "ServiceAccount", about["namespace"], account) + "/token"
        told = self._api.call("POST", path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec})
        token: str = told["status"]["token"]
        return token


def _chosen(values: dict[str, bytes], wanted: Object) -> dict[str, bytes]:
    items = wanted.get("items")
    if not items:
        return values
    for each in items:
        if each["key"] not in values and not wanted.get("optional"):
            raise misconfigured(f"references non-existent key: {each['key']} (there are {json.dumps(sorted(values))})")
    return {each["path"]: values[each["key"]] for each in items if each["key"] in values}


def _write(folder: Path, files: dict[str, bytes], mode: int, group: int | None) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        near = path.with_name(f".{path.name}")
        near.write_bytes(content)
        near.chmod(mode | (0o040 if group is not None else 0))
        if group is not None and os.geteuid() == 0:
            os.chown(near, 0, group)
        near.rename(path)
