"""The environment of a container: exactly what its image and its pod declare, and the few names that every kubelet sets.

References to Secrets and ConfigMaps are read through `Sources`, as the node's own user, which may read what its pods name
and nothing else.
"""

import base64
import re
from collections.abc import Callable, Mapping

from tests.cluster.api import Api, Object, Refused
from tests.cluster.kubelet.refusals import misconfigured

REFERENCE = re.compile(r"\$(\$)?\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)")


class Sources:
    """Secrets and ConfigMaps of one namespace, by name."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api, self._namespace = api, namespace

    def read(self, kind: str, name: str, optional: bool = False) -> dict[str, bytes]:
        """All keys of a Secret or ConfigMap; a missing one is `NotYet`, or empty when it is optional."""
        try:
            found = self._api.get("v1", kind, name, self._namespace)
        except Refused as refused:
            raise misconfigured(f"{kind.lower()} {name!r} cannot be read: {refused}") from refused
        if found is None and not optional:
            raise misconfigured(f'{kind.lower()} "{name}" not found')
        found = found or {}
        plain = {key: value.encode() for key, value in (found.get("data") or {}).items()} if kind == "ConfigMap" else {}
        coded = (found.get("data") or {}) if kind == "Secret" else (found.get("binaryData") or {})
        return plain | {key: base64.b64decode(value) for key, value in coded.items()}

    def key(self, kind: str, wanted: Object) -> str | None:
        """One key by a secretKeyRef or configMapKeyRef; None when it is optional and not there."""
        optional = bool(wanted.get("optional"))
        values = self.read(kind, wanted["name"], optional)
        if wanted["key"] in values:
            return values[wanted["key"]].decode()
        if optional:
            return None
        raise misconfigured(f"couldn't find key {wanted['key']} in {kind} {wanted['name']}")


def field(pod: Object, address: str, path: str) -> str:
    """What a fieldRef names, of those that can be used in an environment."""
    about, spec = pod["metadata"], pod["spec"]
    if match := re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path):
        return str((about.get(match.group(1)) or {}).get(match.group(2), ""))
    known = {
        "metadata.name": about["name"],
        "metadata.namespace": about["namespace"],
        "metadata.uid": about["uid"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "status.podIP": address,
        "status.podIPs": address,
        "status.hostIP": "127.0.0.1",
    }
    if path not in known:
        raise misconfigured(f"unsupported fieldPath: {path}")
    return str(known[path])


def environment(pod: Object, container: Object, image: Mapping[str, str], address: str, sources: Sources, user: int) -> dict[str, str]:
    """Names and values: what kubelets set, the image's, `envFrom`, then `env`, the later ones winning."""
    values = {"HOSTNAME": pod["metadata"]["name"], "HOME": "/root" if user == 0 else "/"} | dict(image)
    for source in container.get("envFrom") or []:
        kind = "Secret" if "secretRef" in source else "ConfigMap"
        wanted = source.get("secretRef") or source["configMapRef"]
        found = sources.read(kind, wanted["name"], bool(wanted.get("optional")))
        values |= {source.get("prefix", "") + key: value.decode() for key, value in found.items()}
    for each in container.get("env") or []:
        value = _value(pod, each, address, sources, lambda text: expanded(text, values))
        if value is not None:
            values[each["name"]] = value
    return values


def _value(pod: Object, each: Object, address: str, sources: Sources, expand: Callable[[str], str]) -> str | None:
    origin = each.get("valueFrom")
    if not origin:
        return expand(each.get("value", ""))
    if "secretKeyRef" in origin:
        return sources.key("Secret", origin["secretKeyRef"])
    if "configMapKeyRef" in origin:
        return sources.key("ConfigMap", origin["configMapKeyRef"])
    if "fieldRef" in origin:
        return field(pod, address, origin["fieldRef"]["fieldPath"])
    raise misconfigured(f"env {each['name']}: {', '.join(origin)} is not carried out here")


def expanded(text: str, values: Mapping[str, str]) -> str:
    """`$(NAME)` replaced by a value that is known, `$$(NAME)` by `$(NAME)`; what is unknown stays as it stands."""

    def replace(match: re.Match[str]) -> str:
        if match.group(1):
            return match.group(0)[1:]
        return values.get(match.group(2), match.group(0))

    return REFERENCE.sub(replace, text)
