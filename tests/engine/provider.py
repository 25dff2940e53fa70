"""`pulumi-resource-kubernetes`: a provider plugin that lets Kubernetes itself judge, plan and carry out.

No registry serves the real plugin. This one speaks the same protocol for the same SDK:

    Check    required names; what this plugin cannot do is refused in one line
    Diff     a server-side dry run of the new object against the recorded one, through what is declared; what Kubernetes calls immutable is replaced
    Create, Update   server-side apply with strict field validation, in a preview as a dry run; then wait until it works
    Read     the object as it is, for refresh and `get`
    Delete   foreground, and wait until nothing of it is left

Like the real plugin it takes fields from another owner only when told to: annotation pulumi.com/patchForce, or PULUMI_K8S_ENABLE_PATCH_FORCE.
TRIMARAN_ENGINE_AWAIT=0 does not wait for Jobs and Deployments, on a cluster where no pod runs.
"""

import os
import sys
import threading
from collections.abc import Callable
from importlib import metadata
from typing import Any

import grpc
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from tests.engine import kubeconfig
from tests.engine.awaiting import NotReady, Waiting
from tests.engine.differences import Path, below, changed, spelled
from tests.engine.kube import Address, Cluster, Object, Refused
from tests.engine.plugins import serve
from tests.engine.values import addressable, declared, foreseen, plain, recorded, stood_in, struct, unknown

AWAIT_S = 600
TRUE = ("true", "1", "True", True)


class Failed(Exception):
    """The one line that the engine shows."""


class InitFailed(Failed):
    """Made, but not working: the engine records the object with its failure, and the next `up` tries again."""

    def __init__(self, line: str, id_: str, live: Object) -> None:
        super().__init__(line)
        self.id, self.live = id_, live


def answered[A, B](method: Callable[[Any, A], B]) -> Callable[[Any, A, grpc.ServicerContext], B]:
    """A method of the protocol; whatever was refused reaches the engine as one line."""

    def answer(self: Any, request: A, context: grpc.ServicerContext) -> B:
        try:
            return method(self, request)
        except InitFailed as failed:
            context.abort_with_status(_init_failed(failed))
        except (Refused, kubeconfig.Unusable, NotReady, Failed) as error:
            context.abort(grpc.StatusCode.UNKNOWN, str(error))
        raise AssertionError("abort raises")

    return answer


class _Status(grpc.Status):  # type: ignore[misc]
    """A gRPC status with a detail."""

    def __init__(self, line: str, detail: Any) -> None:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=line, details=[packed])
        self.code, self.details = grpc.StatusCode.UNKNOWN, line
        self.trailing_metadata = (("grpc-status-details-bin", status.SerializeToString()),)


def _init_failed(failed: InitFailed) -> _Status:
    detail = provider_pb2.ErrorResourceInitFailed(id=failed.id, properties=struct(recorded(failed.live)), reasons=[str(failed)])
    return _Status(str(failed), detail)


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """One configured cluster; methods are named by the protocol."""

    def __init__(self) -> None:
        self._configured: Cluster | None = None
        self._secrets_mutable = False
        self._cancelled = threading.Event()

    @property
    def _cluster(self) -> Cluster:
        if self._configured is None:
            raise Failed("the provider's kubeconfig is not known yet")
        return self._configured

    @property
    def _waiting(self) -> Waiting:
        return Waiting(self._cluster, self._cancelled)

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi_kubernetes"))

    def Attach(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def Cancel(self, request: Any, context: Any) -> Any:
        self._cancelled.set()
        return empty_pb2.Empty()

    @answered
    def CheckConfig(self, request: Any) -> Any:
        told = plain(request.news)
        if not unknown(told):
            try:
                _connect(told).check()
            except kubeconfig.Unusable as error:
                return provider_pb2.CheckResponse(failures=[provider_pb2.CheckFailure(property="kubeconfig", reason=str(error))])
        return provider_pb2.CheckResponse(inputs=request.news)

    @answered
    def DiffConfig(self, request: Any) -> Any:
        old, new = plain(request.old_inputs or request.olds), plain(request.news)
        keys = [key for key in {*old, *new} if old.get(key) != new.get(key)]
        changes = provider_pb2.DiffResponse.DIFF_SOME if keys else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=changes, diffs=keys)

    @answered
    def Configure(self, request: Any) -> Any:
        told = plain(request.args)
        if not unknown(told):
            self._configured = _connect(told)
            self._configured.check()
        self._secrets_mutable = told.get("enableSecretMutable") in TRUE
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    @answered
    def Check(self, request: Any) -> Any:
        thing = plain(request.news)
        failures = [provider_pb2.CheckFailure(property=key, reason=reason) for key, reason in _faults(_type(request.urn), thing)]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    @answered
    def Diff(self, request: Any) -> Any:
        old, before, new = declared(plain(request.old_inputs)), plain(request.olds), declared(plain(request.news))
        moved = [key for key in _identity(new) if _identity(new)[key] != _identity(old or before).get(key)]
        if moved or not addressable(new):
            return _diff([(key,) for key in moved] or [("metadata",)], replaced=[(key,) for key in moved], first=False)
        paths, replaced = self._compared(new, old, before)
        if _again(new, before):
            replaced = paths = paths or [("metadata", "annotations", REPLACE_UNREADY)]
        return _diff(paths, replaced, first=True)

    def _compared(self, new: Object, old: Object, before: Object) -> tuple[list[Path], list[Path]]:
        """The paths that differ, and those of them for which the object has to be made anew."""
        thing = stood_in(new)
        try:
            after = self._cluster.apply(self._cluster.address(thing), thing, dry_run=True, force=True)
        except Refused as refused:
            if refused.reason == "NoKind" or (refused.status == 404):
                return [], []  # gone: a refresh finds that, as it would with any provider
            fields = [below(field) for field in refused.immutable()]
            if not fields:
                raise
            return fields, fields
        paths = changed(new, old, before, after)
        if new["kind"] == "Secret" and not self._secrets_mutable:
            return paths, [path for path in paths if path[0] in ("data", "type")]
        return paths, []

    @answered
    def Create(self, request: Any) -> Any:
        thing = declared(plain(request.properties))
        if request.preview:
            return provider_pb2.CreateResponse(properties=struct(self._judged(thing)))
        address = self._cluster.address(thing)
        live = self._ready(address, self._applied(address, thing, dry_run=False), request.timeout)
        return provider_pb2.CreateResponse(id=_id(address), properties=struct(recorded(live)))

    @answered
    def Update(self, request: Any) -> Any:
        thing = declared(plain(request.news))
        if request.preview:
            return provider_pb2.UpdateResponse(properties=struct(self._judged(thing)))
        address = self._cluster.address(thing)
        live = self._ready(address, self._applied(address, thing, dry_run=False), request.timeout)
        return provider_pb2.UpdateResponse(properties=struct(recorded(live)))

    def _judged(self, thing: Object) -> Object:
        """What Kubernetes would make of it. An object whose namespace is made by the same program is judged in `default` meanwhile, and one
        that is about to be made anew under its old name is judged under another."""
        if self._configured is None or not addressable(thing):
            return thing
        asked = stood_in(thing)
        address = self._cluster.address(asked)
        try:
            return foreseen(self._applied(address, asked, dry_run=True))
        except Refused as refused:
            if refused.immutable():
                other = Address(address.version, address.kind, address.namespace, f"{address.name[:50].rstrip('-.')}-again")
            elif refused.status == 404 and address.namespace and refused.reason != "NoKind":
                other = Address(address.version, address.kind, "default", address.name)
            else:
                raise
        space = {"namespace": other.namespace} if other.namespace else {}
        moved = {**asked, "metadata": {**asked["metadata"], **space, "name": other.name}}
        told = foreseen(self._applied(other, moved, dry_run=True))
        return told | ({"metadata": thing["metadata"]} if isinstance(told["metadata"], dict) else {})

    def _applied(self, address: Address, thing: Object, *, dry_run: bool) -> Object:
        try:
            return self._cluster.apply(address, thing, dry_run=dry_run, force=_force(thing))
        except Refused as refused:
            if refused.status == 409 and refused.causes:
                fields = ", ".join(str(cause.get("field")) for cause in refused.causes)
                whose = "; ".join(sorted({str(cause.get("message")) for cause in refused.causes}))
                raise Failed(f"{address}: {fields}: {whose}: to take it back, PULUMI_K8S_ENABLE_PATCH_FORCE=true pulumi up") from None
            raise

    def _ready(self, address: Address, live: Object, timeout_s: float) -> Object:
        if os.environ.get("TRIMARAN_ENGINE_AWAIT") == "0":
            return live
        try:
            return self._waiting.ready(address, live, timeout_s or AWAIT_S)
        except NotReady as error:
            raise InitFailed(str(error), _id(address), self._cluster.get(address) or live) from None

    @answered
    def Read(self, request: Any) -> Any:
        kept, inputs = plain(request.properties), plain(request.inputs)
        version, kind = kept.get("apiVersion"), kept.get("kind")
        if not version or not kind:
            version, kind = _type(request.urn)
        space, _, name = request.id.rpartition("/")
        address = Address(str(version), str(kind), space, name)
        try:
            live = self._cluster.get(address)
        except Refused as refused:
            if refused.reason != "NoKind":
                raise
            live = None
        if live is None:
            return provider_pb2.ReadResponse()
        told = {"apiVersion": version, "kind": kind, "metadata": {"name": name, **({"namespace": space} if space else {})}}
        return provider_pb2.ReadResponse(id=request.id, properties=struct(recorded(live)), inputs=struct(inputs or told))

    @answered
    def Delete(self, request: Any) -> Any:
        kept = plain(request.properties)
        space, _, name = request.id.rpartition("/")
        address = Address(str(kept["apiVersion"]), str(kept["kind"]), space, name)
        try:
            self._cluster.delete(address)
            self._waiting.gone(address, request.timeout or AWAIT_S)
        except Refused as refused:
            if refused.reason != "NoKind":
                raise
        return empty_pb2.Empty()

    @answered
    def Invoke(self, request: Any) -> Any:
        line = f"{request.tok} is not offered by this plugin, which knows objects only"
        return provider_pb2.InvokeResponse(failures=[provider_pb2.CheckFailure(reason=line)])


REPLACE_UNREADY = "pulumi.com/replaceUnready"


def _connect(told: Object) -> Cluster:
    return Cluster(kubeconfig.load(str(told.get("kubeconfig", "")), str(told.get("context", ""))))


def _type(urn: str) -> tuple[str, str]:
    """apiVersion and kind of a type token: kubernetes:core/v1:Secret is v1, Secret."""
    _, version, kind = urn.split("::")[2].split("$")[-1].split(":")
    return version.removeprefix("core/"), kind


def _faults(type_: tuple[str, str], thing: Object) -> list[tuple[str, str]]:
    """Why this plugin cannot make it; Kubernetes says all the rest."""
    version, kind = type_
    if version.startswith("helm.sh/"):
        return [("", "Helm charts are rendered by the real plugin only: install KEDA beforehand and set trimaran:keda to present")]
    if thing.get("kind") != kind:
        return [("kind", f"{kind} is not offered by this plugin, which makes one object for one resource")]
    if not (thing.get("metadata") or {}).get("name"):
        return [("metadata.name", "an object needs a name: this plugin makes none up")]
    return []


def _identity(thing: Object) -> dict[str, Any]:
    about = thing.get("metadata")
    about = about if isinstance(about, dict) else {}
    group = str(thing.get("apiVersion", "")).rpartition("/")[0]
    return {"apiVersion": group, "kind": thing.get("kind"), "metadata": (about.get("name"), about.get("namespace"))}


def _again(new: Object, before: Object) -> bool:
    """Whether this is a Job that has not ended well and says that it is to be made anew then."""
    if new["kind"] != "Job" or (new["metadata"].get("annotations") or {}).get(REPLACE_UNREADY) != "true":
        return False
    conditions = before.get("status", {}).get("conditions", [])
    return not any(condition["type"] == "Complete" and condition["status"] == "True" for condition in conditions)


def _force(thing: Object) -> bool:
    asked = (thing["metadata"].get("annotations") or {}).get("pulumi.com/patchForce")
    return asked == "true" or os.environ.get("PULUMI_K8S_ENABLE_PATCH_FORCE", "") in TRUE


def _diff(paths: list[Path], replaced: list[Path], *, first: bool) -> provider_pb2.DiffResponse:
    """The engine's answer; `first` deletes before it makes, for an object that keeps its name."""
    kinds = provider_pb2.PropertyDiff
    detail = {spelled(path): kinds(kind=kinds.UPDATE_REPLACE if path in replaced else kinds.UPDATE) for path in [*paths, *replaced]}
    return provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME if detail else provider_pb2.DiffResponse.DIFF_NONE,
        diffs=sorted({str(path[0]) for path in [*paths, *replaced]}),
        replaces=sorted({str(path[0]) for path in replaced}),
        deleteBeforeReplace=first and bool(replaced),
        detailedDiff=detail,
        hasDetailedDiff=True,
    )


def _id(address: Address) -> str:
    return f"{address.namespace}/{address.name}" if address.namespace else address.name


def register(server: grpc.Server) -> None:
    """One provider for one process."""
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(), server)


if __name__ == "__main__":
    sys.stderr.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    serve(register)
