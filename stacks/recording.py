"""Runs a Pulumi program without an engine, a provider or a cloud, and keeps what it asked for: the recorded graph.

`trimaran graph` prints it, the tests hold it against the argument types of the SDKs, a golden and a rule pack. A program runs as an
update (what it set is echoed as its outputs, what a provider would compute comes from `COMPUTED`) or as a preview, which is stricter
than any real one: every output is unknown. A value that Pulumi holds as a secret is shown as "[secret]", key by key in an object.
"""

import asyncio
import contextvars
import threading
import warnings
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

from google.protobuf import empty_pb2
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime import config as pulumi_config
from pulumi.runtime import settings, stack
from pulumi.runtime.mocks import MockCallArgs, MockEngine, MockMonitor, MockResourceArgs, Mocks, MockSettings
from pulumi.runtime.proto import engine_pb2, resource_pb2

SECRET, UNKNOWN = "[secret]", "[unknown]"
STACK = "pulumi:pulumi:Stack"

_KIND = "4dabf18193072939515e22adb298388d"  # these marks of Pulumi's wire are in pulumi.runtime.rpc, and in no public name
_SECRET = "1b47061264138c4ac30d75fd1eb44270"
_RESOURCE = "5cf8f73096256a8f31e491e813e4eb8e"
_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

type Program = Callable[[], object]
type Outputs = Callable[[str, dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Registered:
    """A resource as the program asked for it. `inputs` have the provider's own names; `dependencies`, `parent` and `provider` are URNs."""

    type: str
    name: str
    urn: str
    inputs: dict[str, Any]
    dependencies: tuple[str, ...] = ()
    parent: str = ""
    provider: str = ""  # "" is the default provider: whatever cluster the machine's kubeconfig happens to name
    protect: bool = False
    options: dict[str, Any] = field(default_factory=dict)  # the others that were given; "read": the id of one that others made
    custom: bool = True  # False: a component, which is a folder and nothing else

    def data(self) -> dict[str, Any]:
        """As JSON-able data, options and kind left out where they say nothing."""
        whole = asdict(self) | {"dependencies": list(self.dependencies)}
        return {key: value for key, value in whole.items() if (key, value) not in (("options", {}), ("custom", True))}


def image(name: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """A built image has a digest."""
    tags = inputs.get("tags") or [name]
    digest = f"sha256:{'0' * 64}"
    return {"digest": digest, "ref": f"{tags[0]}@{digest}", "contextHash": "0" * 64}


def service(name: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """A load balancer has an address; 192.0.2.0/24 is for documents (RFC 5737)."""
    return {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}


COMPUTED: Mapping[str, Outputs] = {
    "docker-build:index:Image": image,
    "kubernetes:core/v1:Service": service,
    "kubernetes:networking.k8s.io/v1:Ingress": service,
}


class Recording:
    """One run of a program. What it raises comes out of `run`; what it had registered by then is here all the same."""

    def __init__(
        self,
        stack: str,
        config: Mapping[str, str] | None = None,
        secrets: Collection[str] = (),
        *,
        project: str = "trimaran",
        preview: bool = False,
        computed: Mapping[str, Outputs] = COMPUTED,
    ) -> None:
        """`config` has whole keys ("trimaran:app"), text or JSON text as values; `secrets` are the keys of it that Pulumi keeps secret."""
        self.stack, self.project, self.preview = stack, project, preview
        self.config, self.secrets, self.computed = dict(config or {}), list(secrets), computed
        self.resources: list[Registered] = []
        self.calls: list[str] = []  # functions of providers that were called; nothing answers them
        self.outputs: dict[str, Any] = {}
        self.warnings: list[str] = []
        self.hidden: set[str] = set()  # texts that were secrets on their way; never printed

    def run(self, program: Program) -> "Recording":
        """Run the program to its end, on a thread and an event loop of its own: Pulumi keeps its state in both."""
        failed: list[BaseException] = []

        def work() -> None:
            try:
                self._run(program)
            except BaseException as error:  # noqa: BLE001  raised again below, by the caller's thread
                failed.append(error)

        thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), name="program")
        thread.start()
        thread.join()
        self.resources.sort(key=lambda each: each.urn)
        if failed:
            raise failed[0]
        return self

    def data(self) -> dict[str, Any]:
        """The whole graph as JSON-able data, in one order whatever the order of registration."""
        return {
            "project": self.project,
            "stack": self.stack,
            "resources": [each.data() for each in self.resources],
            "outputs": dict(sorted(self.outputs.items())),
        }

    def _run(self, program: Program) -> None:
        loop = asyncio.new_event_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))  # each registration goes to one: modules of an SDK are loaded by one thread, too
        loop.set_exception_handler(lambda *_: None)  # an output of a failed program is no news: the failure itself is raised
        asyncio.set_event_loop(loop)
        try:
            with warnings.catch_warnings(record=True) as heard:
                warnings.simplefilter("always", DeprecationWarning)
                self._configure()
                loop.run_until_complete(stack.run_in_stack(lambda: _nothing(program())))
        finally:
            self.warnings += [str(each.message) for each in heard if issubclass(each.category, DeprecationWarning)]
            loop.close()
            asyncio.set_event_loop(None)

    def _configure(self) -> None:
        pulumi_config.set_all_config(self.config, self.secrets)
        monitor = _Monitor(self)
        settings.configure(
            MockSettings(  # type: ignore[no-untyped-call]
                monitor=monitor,
                monitor_features=monitor.features(),
                engine=_Engine(self),
                project=self.project,
                stack=self.stack,
                dry_run=self.preview,
                organization="organization",
                callbacks=None,
                outputs=set(),
                lock=threading.Lock(),
            )
        )
        settings.ROOT.set(None)

    def plain(self, value: Any) -> Any:
        """A value of the wire as JSON, secrets hidden and remembered."""
        match value:
            case {"4dabf18193072939515e22adb298388d": str() as kind}:
                return self._marked(kind, value)
            case dict():
                return {key: self.plain(each) for key, each in sorted(value.items())}
            case list():
                return [self.plain(each) for each in value]
            case float() if value.is_integer():
                return int(value)
            case _:
                return UNKNOWN if value == _UNKNOWN else value

    def _marked(self, kind: str, value: dict[str, Any]) -> Any:
        if kind == _SECRET:
            return self._hide(self.plain(value.get("value")))
        if kind == _RESOURCE:
            return f"[resource {value['urn']}]"
        return {key: self.plain(each) for key, each in value.items() if key != _KIND}  # an asset or an archive

    def _hide(self, value: Any) -> Any:
        match value:
            case dict():
                return {key: self._hide(each) for key, each in value.items()}
            case list():
                return [self._hide(each) for each in value]
            case None:
                return None
            case _:
                self.hidden.add(str(value))
                return SECRET


def _nothing(_: object) -> None:
    """What a program returns is nobody's."""


class _Nobody(Mocks):
    """The monitor below answers by itself."""

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        return {}, None

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        return "", {}


class _Engine(MockEngine):
    """Keeps what a program says that it should not do any more."""

    def __init__(self, recording: Recording) -> None:
        super().__init__(None)
        self._recording = recording

    def Log(self, request: engine_pb2.LogRequest) -> None:
        if request.severity >= engine_pb2.WARNING:
            self._recording.warnings.append(request.message)


class _Monitor(MockMonitor):
    """The engine's half of the conversation. It never raises: Pulumi would bury the reason under thousands of lines."""

    def __init__(self, recording: Recording) -> None:
        super().__init__(_Nobody())
        self._recording = recording

    def features(self) -> set[int]:
        """What Pulumi's mocks say that an engine can do."""
        return set(super().GetDeploymentInfo(empty_pb2.Empty()).supportedFeatures)  # type: ignore[no-untyped-call]

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        """As the engine makes it: the types of all parents but the stack's."""
        above = parent.split("::")[2] if parent else STACK
        whole = type_ if above == STACK else f"{above}${type_}"
        return "::".join((f"urn:pulumi:{self._recording.stack}", self._recording.project, whole, name))

    def RegisterResource(self, request: resource_pb2.RegisterResourceRequest) -> resource_pb2.RegisterResourceResponse:
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type == STACK:
            return resource_pb2.RegisterResourceResponse(urn=urn)
        inputs = self._recording.plain(MessageToDict(request.object))
        self._keep(request, urn, inputs, _options(request), request.protect, request.custom)
        return self._answer(urn, request.name, request.type, request.object, inputs, custom=request.custom)

    def ReadResource(self, request: resource_pb2.ReadResourceRequest) -> resource_pb2.ReadResourceResponse:
        urn = self.make_urn(request.parent, request.type, request.name)
        self._keep(request, urn, {}, {"read": request.id})
        return resource_pb2.ReadResourceResponse(urn=urn, properties=Struct() if self._recording.preview else request.properties)

    def Invoke(self, request: resource_pb2.ResourceInvokeRequest) -> resource_pb2.ResourceInvokeResponse:
        self._recording.calls.append(request.tok)
        return resource_pb2.ResourceInvokeResponse(**{"return": Struct()})

    def RegisterResourceOutputs(self, request: resource_pb2.RegisterResourceOutputsRequest) -> empty_pb2.Empty:
        if f"::{STACK}::" in request.urn:
            self._recording.outputs = self._recording.plain(MessageToDict(request.outputs))
        return empty_pb2.Empty()

    def _keep(
        self,
        request: resource_pb2.RegisterResourceRequest | resource_pb2.ReadResourceRequest,
        urn: str,
        inputs: dict[str, Any],
        options: dict[str, Any],
        protect: bool = False,
        custom: bool = True,
    ) -> None:
        parent = "" if f"::{STACK}::" in request.parent else request.parent
        provider, dependencies = request.provider.rpartition("::")[0], tuple(sorted(request.dependencies))
        self._recording.resources.append(
            Registered(request.type, request.name, urn, inputs, dependencies, parent, provider, protect, options, custom)
        )

    def _answer(
        self, urn: str, name: str, type_: str, asked: Struct, inputs: dict[str, Any], *, custom: bool
    ) -> resource_pb2.RegisterResourceResponse:
        if not custom or self._recording.preview:
            return resource_pb2.RegisterResourceResponse(urn=urn)
        state = Struct()
        state.CopyFrom(asked)
        if type_ in self._recording.computed:
            state.update(self._recording.computed[type_](name, inputs))
        if type_.startswith("kubernetes:") and "name" not in inputs.get("metadata", {}):
            state.get_or_create_struct("metadata")["name"] = f"{name}-12345678"  # the provider's own ending
        return resource_pb2.RegisterResourceResponse(urn=urn, id=f"{name}-id", object=state)


def _options(request: resource_pb2.RegisterResourceRequest) -> dict[str, Any]:
    given = {
        "ignoreChanges": list(request.ignoreChanges),
        "replaceOnChanges": list(request.replaceOnChanges),
        "deleteBeforeReplace": request.deleteBeforeReplace,
        "retainOnDelete": request.retainOnDelete,
        "import": request.importId,
        "timeouts": {name: value for name in ("create", "update", "delete") if (value := getattr(request.customTimeouts, name))},
    }
    return {name: value for name, value in given.items() if value}
