"""The engine of a gateway: a request in, an answer or a plan out, on graphql-core, knowing nothing of sockets.

prepare ─▶ execute                    query, mutation: one answer
        ─▶ subscribe ─▶ Plan          a generated subscription; `render` makes each update's payload
                     ─▶ generator     one of the app's own
"""

import re
from collections.abc import AsyncGenerator, AsyncIterable
from hashlib import blake2b
from inspect import isawaitable
from typing import Any

from graphql import ExecutionResult, GraphQLError, ValueNode, execute
from graphql.execution.subscribe import create_source_event_stream
from msgspec.structs import replace

from runtime.domain.api import Identity
from runtime.domain.app import App
from runtime.flow.reading import Reading
from runtime.flow.telemetry import SILENT, Telemetry
from runtime.flow.world import WORLD
from runtime.live.answers.context import Context, Sender, Site, Threads
from runtime.live.answers.documents import Documents, Prepared
from runtime.live.answers.executing import Execution
from runtime.live.answers.rendering import Intricate, compiled, encode
from runtime.live.callers.waits import Waits
from runtime.live.errors import Refused, refusal, told
from runtime.live.limits import Limits
from runtime.live.plans import Plan, Update
from runtime.live.requests import Request
from runtime.live.schema.building import build

__all__ = ["Engine", "Prepared", "Sender"]

DEFAULTS = Limits()
ARGUMENT = re.compile(r"Argument '(\w+)'")
TRACE = re.compile(r"^[0-9a-f]{2}-([0-9a-f]{32})-")


class Engine:
    """An app's GraphQL on its rows and its commands."""

    def __init__(
        self,
        app: App,
        reading: Reading,
        sender: Sender | None,
        *,
        limits: Limits = DEFAULTS,
        production: bool = False,
        telemetry: Telemetry = SILENT,
    ) -> None:
        built = build(app)
        self.app, self.schema, self.generators = app, built.schema, built.generators
        self._generated = built.generated
        self._documents = Documents(built.schema, limits, production=production)
        self._production, self._telemetry = production, telemetry
        self._site = Site(app, reading, sender, limits, Threads(), built.views, Waits(limits.waits))

    def prepare(self, request: Request) -> Prepared:
        """The operation of a request, guarded, valid and with its variables; CPU only. Raises `Refused`."""
        try:
            return self._documents.prepare(request)
        except Refused:
            raise
        except Exception as error:
            raise Refused([told(error, trace_id(""))]) from error

    async def execute(self, prepared: Prepared, identity: Identity, trace: str = "") -> dict[str, Any]:
        """The response to a query or mutation, ready for JSON; whatever goes wrong is in its `errors`."""
        if prepared.kind == "subscription":
            return {"errors": [refusal("a subscription needs a WebSocket: connect with graphql-transport-ws", "BAD_REQUEST")]}
        span = self._telemetry.begin(f"graphql {prepared.kind}", trace)
        if span is not None:
            trace = self._telemetry.carry(span, trace)
        try:
            return await self._executed(prepared, Context(self._site, identity, trace, prepared.memo), None)
        finally:
            if span is not None:
                self._telemetry.end(span)

    async def _executed(self, prepared: Prepared, context: Context, root: Any) -> dict[str, Any]:
        try:
            result = execute(
                self.schema,
                prepared.document,
                root,
                context,
                prepared.request.variables,
                prepared.request.operation_name,
                execution_context_class=Execution,
                hide_suggestions=self._production,
            )
            if isawaitable(result):
                result = await result
        except Exception as error:  # noqa: BLE001  a fault of ours, masked
            return {"data": None, "errors": [told(error, trace_id(context.trace))]}
        return self._response(result, context)

    def _response(self, result: ExecutionResult, context: Context) -> dict[str, Any]:
        response: dict[str, Any] = {"data": result.data}
        if result.errors:
            response["errors"] = [told_of(error, context.trace) for error in result.errors]
        notes = {name: sorted(paths, key=repr) for name in ("stale", "parked") if (paths := getattr(context.notes, name))}
        if notes:
            response["extensions"] = notes
        return response

    async def subscribe(self, prepared: Prepared, identity: Identity, trace: str = "") -> Plan | AsyncGenerator[dict[str, Any]]:
        """What a subscription wants to see: a plan, or the responses of a generator of the app's own. Raises `Refused`."""
        if prepared.kind != "subscription":
            raise Refused([refusal(f"a {prepared.kind} is no subscription", "BAD_REQUEST")])
        context = Context(self._site, identity, trace, prepared.memo)
        source: Any
        try:
            source = await create_source_event_stream(
                self.schema,
                prepared.document,
                None,
                context,
                prepared.request.variables,
                prepared.request.operation_name,
                hide_suggestions=self._production,
            )
        except Exception as error:
            raise Refused([told(error, trace_id(trace))]) from error
        if isinstance(source, ExecutionResult):
            raise Refused([told_of(error, trace) for error in source.errors or ()])
        if isinstance(source, Plan):
            return replace(source, cohort=cohort_of(prepared, source))
        return self._responses(prepared, context, source)

    async def _responses(self, prepared: Prepared, context: Context, source: AsyncIterable[Any]) -> AsyncGenerator[dict[str, Any]]:
        try:
            async for payload in source:
                yield await self._executed(prepared, context, payload)
        except Refused:
            raise
        except Exception as error:
            shown = error if isinstance(error, GraphQLError) else GraphQLError(str(error), original_error=error)
            raise Refused([told_of(shown, context.trace)]) from error
        finally:
            close = getattr(source, "aclose", None)
            if close is not None:
                await close()

    def render(self, prepared: Prepared, update: Update) -> bytes:
        """The payload of a `next` for an update of a plan; the same for everybody in its cohort."""
        renderer = prepared.memo.get("render")
        if renderer is None:
            try:
                renderer = compiled(self.schema, prepared)
            except Intricate:
                renderer = lambda update: self._walked(prepared, update)  # noqa: E731
            prepared.memo["render"] = renderer
        try:
            payload: bytes = renderer(update)
        except Exception:  # noqa: BLE001  graphql-core says which field it was
            payload = self._walked(prepared, update)
        return payload

    def _walked(self, prepared: Prepared, update: Update) -> bytes:
        """As graphql-core renders it."""
        result = execute(self.schema, prepared.document, update, None, prepared.request.variables, prepared.request.operation_name)
        assert isinstance(result, ExecutionResult)
        response: dict[str, Any] = {"data": result.data}
        if result.errors:
            response["errors"] = [told_of(error, "") for error in result.errors]
        return encode(response)

    def close(self) -> None:
        """Let the threads end."""
        self._site.threads.close()


def cohort_of(prepared: Prepared, plan: Plan) -> str:
    """Equal for plans whose updates render to the same bytes.

    All other variables are in the plan already: in its filter or its key, or in `after`, which is where one begins and no other cohort.
    """
    conditions = [(name, prepared.variables.get(name)) for name in sorted(prepared.conditions)]
    asked = (prepared.request.query, prepared.request.operation_name or "", conditions, plan.part, plan.where, plan.tenant, plan.key)
    return blake2b(repr(asked).encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()


def trace_id(trace: str) -> str:
    """The trace's own id, or a new one for an operation that has none."""
    match = TRACE.match(trace)
    return match[1] if match else trace or WORLD.token()


def told_of(error: GraphQLError, trace: str) -> dict[str, Any]:
    """An error of an execution as the response holds it: coded, and masked where it is ours."""
    shown = _shown(error, trace)
    if error.locations:
        shown["locations"] = [location.formatted for location in error.locations]
    if error.path is not None:
        shown["path"] = error.path
    return shown


def _shown(error: GraphQLError, trace: str) -> dict[str, Any]:
    original: Exception | None = error
    while isinstance(original, GraphQLError):  # graphql-core wraps its own errors as well
        error, original = original, original.original_error
    if isinstance(original, Refused):
        return dict(original.errors[0])
    if isinstance(error.extensions, dict) and "code" in error.extensions:  # a resolver of the app's own speaks to the client
        return {"message": error.message, "extensions": error.extensions}
    if original is None and error.nodes and isinstance(error.nodes[0], ValueNode):  # an argument that a variable made null
        argument = ARGUMENT.search(error.message)
        return refusal(error.message, "BAD_INPUT", **({"field": argument[1]} if argument else {}))
    shown = told(original or error, trace_id(trace))
    field = getattr(original, "field", None)
    if isinstance(field, str):
        shown["extensions"]["field"] = field
    return shown
