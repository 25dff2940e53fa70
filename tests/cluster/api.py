"""A small client of the Kubernetes API: what kubectl does, on plain objects as they stand in YAML.

One `Api` is one identity (a kubeconfig). Objects are applied server-side; every answer but success is a `Refused` with the
server's own words. Threads may share a client.
"""

import base64
import http.client
import json
import ssl
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

type Object = dict[str, Any]

MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"


class Refused(Exception):
    """The API server said no: `status` is the HTTP status, the text its message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


def kubeconfig(path: Path, server: str, authority: Path, user: Object) -> Path:
    """Write a kubeconfig (JSON is YAML) for one user: `client-certificate` and `client-key` files, or a `token`."""
    cluster = {"server": server, "certificate-authority": str(authority)}
    told = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tests", "cluster": cluster}],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "user"}}],
        "current-context": "tests",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(told))
    return path


class Api:
    """The API server as the user of a kubeconfig written by `kubeconfig`."""

    def __init__(self, path: Path) -> None:
        told = json.loads(path.read_text())
        cluster, user = told["clusters"][0]["cluster"], told["users"][0]["user"]
        self._server = urlsplit(cluster["server"])
        self._context = ssl.create_default_context(cafile=cluster["certificate-authority"])
        self._headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
        if "client-certificate" in user:
            self._context.load_cert_chain(user["client-certificate"], user["client-key"])
        self._idle: list[http.client.HTTPSConnection] = []
        weakref.finalize(self, _close, self._idle)
        self._known: dict[tuple[str, str], tuple[str, bool]] = {}

    def _connect(self, timeout_s: float) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self._server.hostname or "", self._server.port, timeout=timeout_s, context=self._context)

    @property
    def where(self) -> tuple[str, int]:
        """Host and port of the API server."""
        return self._server.hostname or "", self._server.port or 443

    def call(self, method: str, path: str, body: object = None, kind: str = "application/json") -> Object:
        """One request, its answer as an object; raises `Refused`, or `OSError` when nobody answers."""
        data = None if body is None else json.dumps(body).encode()
        while True:
            kept = bool(self._idle)
            connection = self._idle.pop() if kept else self._connect(30)
            try:
                connection.request(method, path, data, {"Content-Type": kind, "Accept": "application/json", **self._headers})
                response = connection.getresponse()
                status, text = response.status, response.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if not kept or isinstance(error, TimeoutError):  # a kept connection may have been closed meanwhile
                    raise OSError(f"the API server does not answer: {error!r}") from error
            else:
                self._idle.append(connection)
                return _answer(status, text)

    def _resources(self, version: str) -> dict[str, tuple[str, bool]]:
        """Kind -> (plural, whether it has a namespace) of an apiVersion."""
        told = self.call("GET", f"/api/{version}" if "/" not in version else f"/apis/{version}")
        return {each["kind"]: (each["name"], each["namespaced"]) for each in told["resources"] if "/" not in each["name"]}

    def path(self, version: str, kind: str, namespace: str = "", name: str = "") -> str:
        """The path of an object, or of all of its kind."""
        if (version, kind) not in self._known:
            self._known |= {(version, each): found for each, found in self._resources(version).items()}
        if (version, kind) not in self._known:
            raise Refused(404, f"{version} knows no {kind}")
        plural, namespaced = self._known[version, kind]
        words = [f"/api/{version}" if "/" not in version else f"/apis/{version}"]
        words += [f"namespaces/{quote(namespace)}"] if namespaced and namespace else []
        return "/".join([*words, plural, *([quote(name)] if name else [])])

    def of(self, thing: Object) -> str:
        """The path of an object that is given whole; its namespace is `default` unless it says otherwise."""
        about = thing["metadata"]
        return self.path(thing["apiVersion"], thing["kind"], about.get("namespace", "default"), about["name"])

    def apply(self, things: Iterable[Object], *, manager: str = "tests", dry_run: bool = False) -> list[Object]:
        """Apply objects server-side in the order given; the objects as they are now."""
        query = urlencode({"fieldManager": manager, "force": "true", **({"dryRun": "All"} if dry_run else {})})
        return [self.call("PATCH", f"{self.of(thing)}?{query}", thing, APPLY) for thing in things]

    def get(self, version: str, kind: str, name: str, namespace: str = "default") -> Object | None:
        """One object; None when it is not there."""
        try:
            return self.call("GET", self.path(version, kind, namespace, name))
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def list(self, version: str, kind: str, namespace: str = "", selector: str = "", field: str = "") -> list[Object]:
        """All objects of a kind, in one namespace or in all, by label or field selector."""
        query = urlencode({"labelSelector": selector, "fieldSelector": field})
        items: list[Object] = self.call("GET", f"{self.path(version, kind, namespace)}?{query}")["items"]
        return [{"apiVersion": version, "kind": kind, **item} for item in items]

    def patch(self, thing: Object, body: Object, *, subresource: str = "") -> Object:
        """Merge `body` into an object or its `status`."""
        return self.call("PATCH", self.of(thing) + (f"/{subresource}" if subresource else ""), body, MERGE)

    def delete(self, thing: Object, *, body: Object | None = None) -> None:
        """Ask for an object's end; nothing when it is gone already. What it owns goes too, afterwards."""
        try:
            self.call("DELETE", self.of(thing), {"propagationPolicy": "Background", **(body or {})})
        except Refused as refused:
            if refused.status != 404:
                raise

    def events(self, namespace: str = "") -> Iterator[str]:
        """What was told about objects: one line each, oldest first."""
        told = self.list("v1", "Event", namespace)
        for event in sorted(told, key=lambda each: str(each.get("lastTimestamp") or each.get("eventTime") or "")):
            about = event["involvedObject"]
            yield f"{about.get('kind')}/{about.get('name')} {event.get('reason')}: {event.get('message')}"

    def token(self, account: str, namespace: str, seconds: int = 86_400) -> str:
        """A token of a service account, as pods get it (TokenRequest)."""
        path = self.path("v1", "ServiceAccount", namespace, account) + "/token"
        wanted = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": seconds}}
        token: str = self.call("POST", path, wanted)["status"]["token"]
        return token

    def watch(self, version: str, kind: str, field: str = "") -> Iterator[tuple[str, Object]]:
        """What is there as ADDED, then what happens (ADDED, MODIFIED, DELETED), until the server ends it after some minutes."""
        base = self.path(version, kind)
        told = self.call("GET", f"{base}?{urlencode({'fieldSelector': field})}")
        yield from (("ADDED", {"apiVersion": version, "kind": kind, **item}) for item in told["items"])
        yield "LISTED", {}
        query = {"watch": "true", "fieldSelector": field, "resourceVersion": told["metadata"]["resourceVersion"], "timeoutSeconds": "300"}
        connection = self._connect(330)
        try:
            connection.request("GET", f"{base}?{urlencode(query)}", headers={"Accept": "application/json", **self._headers})
            response = connection.getresponse()
            if response.status != 200:
                _answer(response.status, response.read())
            while line := response.readline():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                yield event["type"], event["object"]
        finally:
            connection.close()


def _close(connections: list[http.client.HTTPSConnection]) -> None:
    for connection in connections:
        connection.close()


def _answer(status: int, text: bytes) -> Object:
    try:
        told = json.loads(text) if text else {}
    except ValueError:
        told = {"message": text.decode(errors="replace")}
    if status >= 400:
        raise Refused(status, str(told.get("message", "")))
    answer: Object = told if isinstance(told, dict) else {"value": told}
    return answer


def wait[T](look: Callable[[], T], what: str, timeout_s: float = 60, every_s: float = 0.1) -> T:
    """The first true answer of `look`; refusals and silence count as not yet. Raises `TimeoutError` that says `what` was waited for."""
    deadline = time.monotonic() + timeout_s
    last: object = None
    while True:
        try:
            if found := look():
                return found
            last = found
        except (Refused, OSError) as error:
            last = error
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not after {timeout_s:.0f} s ({last!r})")
        time.sleep(every_s)


def secret(name: str, namespace: str, values: dict[str, str]) -> Object:
    """A Secret with these texts."""
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "data": data}
