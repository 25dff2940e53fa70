"""The GraphQL schema of an app: generated from `api=`, with fields of its own beside the generated ones, or wholly its own.

    expose(tickets, …) ─▶ Query.ticket · Query.ticketRows · Subscription.ticket · Subscription.ticketRows
    send(PlaceOrder, …) ─▶ Mutation.placeOrder
    App(fields="apps.shop_fields") ─▶ that module's graphene classes Query, Mutation, Subscription

graphene is met in the modules called `schema…` and nowhere else; everything after that is graphql-core.
"""

import importlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import graphene
from graphene.types.scalars import BigInt
from graphene.utils.str_converters import to_camel_case
from graphql import GraphQLInputObjectType, GraphQLObjectType, GraphQLSchema, validate_schema
from graphql import print_schema as print_graphql
from msgspec import Struct

from runtime.domain.api import Sendable
from runtime.domain.app import App
from runtime.errors import Misconfigured
from runtime.live.schema import fields
from runtime.live.schema.reads import Reads
from runtime.live.schema.rows import RowFields
from runtime.live.schema.scalars import sharpen
from runtime.live.schema.texts import described, joined, lowered
from runtime.live.schema.types import ROOTS, Types
from runtime.live.schema.views import View, views_of

WAY_OUT = "rename the part, the command or the field of your own"


class Built(Struct, frozen=True):
    """A schema, the exposed parts by name, and which subscriptions are async generators of the app's own."""

    schema: GraphQLSchema
    views: dict[str, View]
    generators: tuple[str, ...]
    generated: frozenset[str]  # subscription fields that answer with a Plan


def build(app: App) -> Built:
    """The schema of an app; `Misconfigured` names what GraphQL cannot have, and the way out."""
    views = views_of(app)
    if app.schema is not None:
        schema = _whole(app)
        return Built(schema, {view.part: view for view in views}, tuple(_names(schema.subscription_type)), frozenset())
    own = _own_classes(app)
    if not app.api and not own:
        raise Misconfigured(
            f"app {app.name!r} shows nothing: say api=(expose(part, allow=…), send(Command, allow=…)), fields='module', or schema='module:schema'"
        )
    return _Builder(app, views, own).build()


def print_schema(app: App) -> str:
    """The schema as SDL, for people, for client generators, and for a golden file that shows what a change does to clients."""
    return print_graphql(build(app).schema).rstrip() + "\n"


class _Builder:
    def __init__(self, app: App, views: tuple[View, ...], own: Mapping[str, Any]) -> None:
        self._app, self._views, self._own = app, views, own
        self._types = Types()
        self._rows = RowFields(self._types, app.tenant is not None)
        self._taken: dict[tuple[str, str], str] = {}

    def build(self) -> Built:
        queries: dict[str, Any] = {}
        subscriptions: dict[str, Any] = {}
        functions: dict[str, Callable[..., Any]] = {}
        for view in self._views:
            queries |= self._free("Query", self._rows.queries(view), f"part {view.part!r}")
            live, subscribe = self._rows.subscriptions(view)
            subscriptions |= live
            functions |= subscribe
        commands: dict[str, Any] = {}
        for sendable in self._app.api:
            if isinstance(sendable, Sendable):
                commands |= self._free("Mutation", self._command(sendable), f"command {sendable.command.__name__}")
        self._check_own({"Query": queries, "Mutation": commands, "Subscription": subscriptions})
        if not queries and "Query" not in self._own:
            name = self._app.name
            queries["app"] = graphene.Field(
                graphene.NonNull(graphene.String), name="app", description="The app's name.", resolver=Reads(lambda _: name)
            )
        schema = self._schema(
            self._root("Query", queries), self._root("Mutation", commands), self._root("Subscription", subscriptions, functions)
        )
        generators = tuple(name for name in _names(schema.subscription_type) if name not in subscriptions)
        return Built(schema, {view.part: view for view in self._views}, generators, frozenset(subscriptions))

    def _free(self, root: str, found: dict[str, Any], owner: str) -> dict[str, Any]:
        for name in found:
            other = self._taken.setdefault((root, name), owner)
            if other != owner:
                raise Misconfigured(f"{owner} and {other} would both be `{root}.{name}`: rename one of them")
        return found

    def _command(self, sendable: Sendable) -> dict[str, Any]:
        command, name = sendable.command, lowered(sendable.command.__name__)
        taken = self._types.sent(command, f"{command.__name__}Input")
        return {
            name: graphene.Field(
                graphene.NonNull(self._sent()),
                args={
                    "input": graphene.Argument(graphene.NonNull(taken), name="input"),
                    "key": graphene.Argument(
                        graphene.String,
                        name="key",
                        description="The idempotency key: the same command with the same key takes effect once, and is answered the same.",
                    ),
                },
                name=name,
                description=described(command, command.__struct_fields__)[0] or None,
                resolver=fields.send(command),
            )
        }

    def _sent(self) -> Any:
        def make() -> Any:
            return self._types.object(
                "Sent",
                {
                    "token": _answered("token", graphene.String, "Read with `after: token`, and see what this command did."),
                    "stream": _answered("stream", graphene.String, "The stream that the command was for."),
                    "first": _answered("first", BigInt, "The stream's version before …"),
                    "last": _answered("last", BigInt, "… and after it; the same where nothing had to happen."),
                    "replayed": _answered("replayed", graphene.Boolean, "Whether this key was used before: then it is that answer."),
                },
                "What a command did.",
                "the answer to commands",
            )

        return self._types.once("sent", make)

    def _check_own(self, generated: Mapping[str, Mapping[str, Any]]) -> None:
        """Fields of one's own never hide a generated one, whose rights they would not have."""
        for root, owned in self._own.items():
            for attribute, field in owned._meta.fields.items():
                name = getattr(field, "name", None) or to_camel_case(attribute)
                if name in generated[root]:
                    raise Misconfigured(
                        f"{self._app.fields}.{root}.{attribute} and {self._taken.get((root, name), 'a generated field')} "
                        f"would both be `{root}.{name}`: {WAY_OUT}"
                    )

    def _root(self, name: str, found: Mapping[str, Any], functions: Mapping[str, Any] | None = None) -> Any:
        owned = self._own.get(name)
        if not found and owned is None:
            return None
        body: dict[str, Any] = {f"generated_{number}": field for number, field in enumerate(found.values())}
        for number, field in enumerate(found):
            if functions:
                body[f"subscribe_generated_{number}"] = staticmethod(functions[field])
        body["Meta"] = type("Meta", (), {"description": ROOT_TEXTS[name]})
        return type(name, (graphene.ObjectType,) if owned is None else (owned, graphene.ObjectType), body)

    def _schema(self, query: Any, mutation: Any, subscription: Any) -> GraphQLSchema:
        try:
            schema: GraphQLSchema = graphene.Schema(query=query, mutation=mutation, subscription=subscription).graphql_schema
        except (TypeError, AssertionError, ValueError) as error:
            raise Misconfigured(f"app {self._app.name!r}: its schema cannot be built: {joined(str(error))}; {WAY_OUT}") from error
        _check(schema, self._app)
        sharpen(schema)
        _plain_page_info(schema.type_map.get("PageInfo"))
        for name, outs in self._types.outs.items():
            _plain(schema.type_map.get(name), outs)
        return schema


ROOT_TEXTS = {
    "Query": "What can be read.",
    "Mutation": "What can be sent.",
    "Subscription": "What can be followed: each begins with a snapshot, then tells what changes.",
}


def _answered(name: str, type_: Any, text: str) -> Any:
    return graphene.Field(graphene.NonNull(type_), name=name, description=text, resolver=Reads(lambda answer: getattr(answer, name)))


def _plain(found: Any, outs: Mapping[str, str]) -> None:
    """Make inputs of a generated type arrive as plain dicts with our own keys."""
    if isinstance(found, GraphQLInputObjectType):
        for name, field in found.fields.items():
            field.out_name = outs[name]
        found.out_type = dict  # type: ignore[method-assign,assignment]


PAGE_INFO = {
    "hasNextPage": "has_next_page",
    "hasPreviousPage": "has_previous_page",
    "startCursor": "start_cursor",
    "endCursor": "end_cursor",
}


def _plain_page_info(found: Any) -> None:
    """Let a page's own fields be only looked into like all others; connections of one's own hold objects instead of dicts."""
    for name, field in found.fields.items() if isinstance(found, GraphQLObjectType) else ():
        field.resolve = Reads(partial(_looked_up, PAGE_INFO[name]))


def _looked_up(key: str, page: Any) -> Any:
    return page.get(key) if isinstance(page, dict) else getattr(page, key, None)


def _names(root: Any) -> list[str]:
    return [] if root is None else list(root.fields)


def _own_classes(app: App) -> dict[str, Any]:
    """The graphene classes of `App(fields=…)` by root; `Misconfigured` for a module without any."""
    if app.fields is None:
        return {}
    module = _imported(app, app.fields, "fields")
    found = {name: getattr(module, name) for name in ROOTS if hasattr(module, name)}
    for name, owned in found.items():
        if not (isinstance(owned, type) and issubclass(owned, graphene.ObjectType)):
            raise Misconfigured(f"{app.fields}.{name} is not a graphene.ObjectType: class {name}(graphene.ObjectType)")
    if not found:
        raise Misconfigured(f"App(fields={app.fields!r}): that module has no graphene class Query, Mutation or Subscription")
    return found


def _whole(app: App) -> GraphQLSchema:
    """The schema that `App(schema=…)` names, or is."""
    found: Any = app.schema
    if isinstance(found, str):
        module, _, name = found.partition(":")
        found = getattr(_imported(app, module, "schema"), name, None)
    schema = getattr(found, "graphql_schema", found)
    if not isinstance(schema, GraphQLSchema):
        raise Misconfigured(f"App(schema={app.schema!r}): that is no graphene.Schema or GraphQLSchema")
    _check(schema, app)
    return schema


def _imported(app: App, module: str, option: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and module.startswith(error.name):
            raise Misconfigured(f"App({option}={getattr(app, option)!r}): there is no module {module!r}") from error
        raise


def _check(schema: GraphQLSchema, app: App) -> None:
    problems = validate_schema(schema)
    if problems:
        raise Misconfigured(f"app {app.name!r}: its schema is not valid GraphQL: {'; '.join(problem.message for problem in problems)}")
