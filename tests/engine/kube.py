"""Objects of a Kubernetes API server: server-side apply, for real or as a dry run, with Kubernetes' own words when it says no."""

import http.client
import json
import ssl
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from tests.engine.kubeconfig import WAY_OUT, Connection, Unusable

type Object = dict[str, Any]

MANAGER = "pulumi-kubernetes"  # who the fields that a stack declares belong to
TIMEOUT_S = 30


class Refused(Exception):
    """The API server's answer when it is no success: its message, HTTP status, reason and causes."""

    def __init__(self, status: int, told: Object) -> None:
        super().__init__(" ".join(str(told.get("message") or f"HTTP {status}").split()))
        self.status = status
        self.reason = str(told.get("reason", ""))
        self.causes: list[Object] = (told.get("details") or {}).get("causes") or []

    def immutable(self) -> list[str]:
        """Fields that cannot be changed in place; empty unless that is all that is wrong."""
        if self.status != 422 or not self.causes:
            return []
        fields = [str(cause.get("field", "")) for cause in self.causes if "immutable" in str(cause.get("message", ""))]
        return fields if len(fields) == len(self.causes) else []


@dataclass(frozen=True)
class Address:
    """Which object: what its URL is made of."""

    version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


class Cluster:
    """One API server as one user; threads may share it."""

    def __init__(self, connection: Connection) -> None:
        self._to = connection
        self._own = threading.local()
        self._lock = threading.Lock()
        self._kinds: dict[str, dict[str, tuple[str, bool]]] = {}

    def where(self) -> str:
        """Its URL, for messages."""
        return self._to.server.geturl()

    def check(self) -> None:
        """Raise `Unusable` when the API server is not there, is another one, or does not know us."""
        try:
            told = self.call("GET", "/version")
            if "gitVersion" not in told:
                raise Unusable(f"{self.where()} answers, but is no Kubernetes API server: {WAY_OUT}")
            self.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", _RULES, {})
        except Refused as refused:
            if refused.status == 401:
                raise Unusable(f"the cluster at {self.where()} does not know the user of this kubeconfig (401): {WAY_OUT}") from None
            raise Unusable(f"the cluster at {self.where()} refuses the user of this kubeconfig ({refused.status}): {WAY_OUT}") from None

    def call(
        self, method: str, path: str, body: object = None, query: dict[str, str] | None = None, kind: str = "application/json"
    ) -> Object:
        """One request, its answer; raises `Refused`, and `Unusable` when nobody answers. A connection that had gone idle is made again."""
        target = f"{self._to.server.path.rstrip('/')}{path}" + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": kind, "Accept": "application/json", **self._to.headers}
        for fresh in (False, True):
            connection = self._connection(fresh)
            try:
                connection.request(method, target, data, headers)
                answer = connection.getresponse()
                return _object(answer.status, answer.read())
            except ssl.SSLCertVerificationError as error:
                raise Unusable(
                    f"the cluster at {self.where()} shows a certificate of another authority ({error.verify_message}): {WAY_OUT}"
                ) from None
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if fresh:
                    raise Unusable(
                        f"no cluster answers at {self.where()} ({' '.join(str(error).split()) or type(error).__name__}): {WAY_OUT}"
                    ) from None
        raise AssertionError("two attempts")

    def _connection(self, fresh: bool) -> http.client.HTTPConnection:
        known: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if known is None or fresh:
            to = self._to.server
            known = (
                http.client.HTTPSConnection(to.hostname or "", to.port, timeout=TIMEOUT_S, context=self._to.tls)
                if to.scheme == "https"
                else http.client.HTTPConnection(to.hostname or "", to.port, timeout=TIMEOUT_S)
            )
            self._own.connection = known
        return known

    def address(self, thing: Object) -> Address:
        """The address of an object as a program gives it; the kubeconfig's namespace counts where it says none. Raises `Refused` (404)."""
        about = thing.get("metadata") or {}
        namespaced = self._kind(thing["apiVersion"], thing["kind"])[1]
        space = str(about.get("namespace") or self._to.namespace) if namespaced else ""
        return Address(str(thing["apiVersion"]), str(thing["kind"]), space, str(about.get("name", "")))

    def _kind(self, version: str, kind: str) -> tuple[str, bool]:
        """Plural and whether it lives in a namespace; asked again when unknown, for a definition may be new."""
        with self._lock:
            if kind not in self._kinds.get(version, {}):
                base = f"/apis/{version}" if "/" in version else f"/api/{version}"
                try:
                    told = self.call("GET", base)["resources"]
                except Refused as refused:
                    if refused.status != 404:
                        raise
                    told = []
                self._kinds[version] = {each["kind"]: (each["name"], each["namespaced"]) for each in told if "/" not in each["name"]}
            if kind not in self._kinds[version]:
                raise Refused(404, {"message": f"this cluster knows no {kind} of {version}: {_definition(version)}", "reason": "NoKind"})
            return self._kinds[version][kind]

    def _path(self, address: Address) -> str:
        plural, _ = self._kind(address.version, address.kind)
        base = f"/apis/{address.version}" if "/" in address.version else f"/api/{address.version}"
        space = f"/namespaces/{quote(address.namespace)}" if address.namespace else ""
        return f"{base}{space}/{plural}/{quote(address.name)}"

    def get(self, address: Address) -> Object | None:
        """The object; None when it is not there."""
        try:
            return self.call("GET", self._path(address))
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def apply(self, address: Address, thing: Object, *, dry_run: bool, force: bool) -> Object:
        """The object as it is, or would be, after this. Unknown and double fields are refused; what others own only `force` takes from them."""
        query = {"fieldManager": MANAGER, "fieldValidation": "Strict", "force": str(force).lower()}
        if dry_run:
            query["dryRun"] = "All"
        return self.call("PATCH", self._path(address), thing, query, "application/apply-patch+yaml")

    def delete(self, address: Address) -> None:
        """Ask for its end, after the end of all that it owns; nothing when it is gone."""
        try:
            self.call("DELETE", self._path(address), {"propagationPolicy": "Foreground"})
        except Refused as refused:
            if refused.status != 404:
                raise

    def pods(self, namespace: str, selector: str) -> list[Object]:
        """Pods of a namespace by label."""
        items: list[Object] = self.call("GET", f"/api/v1/namespaces/{quote(namespace)}/pods", query={"labelSelector": selector})["items"]
        return items


_RULES = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": "default"}}


def _definition(version: str) -> str:
    if version.startswith("keda.sh/"):
        return "install KEDA first, or `pulumi config set trimaran:keda install`"
    return "install what defines it first"


def _object(status: int, text: bytes) -> Object:
    try:
        told = json.loads(text) if text else {}
    except ValueError:
        told = {"message": text.decode(errors="replace")[:300]}
    answer: Object = told if isinstance(told, dict) else {"value": told}
    if status >= 400:
        raise Refused(status, answer)
    return answer
