"""GET /admin/model: the app as a page for people needs it, so that no browser has to guess what a part or a command is called.

What is exposed has the names and types of the GraphQL schema itself, read from the built one; what is not has none there, and is
described by its columns alone.
"""

import sys
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from graphql import GraphQLSchema
from msgspec import structs

from hosts.admin import Admin
from hosts.admin.fields import Described, column_fields, command_fields, measures_of
from hosts.http import known
from hosts.pages.examples import owner_fields
from runtime.domain import App
from runtime.domain.api import Sendable
from runtime.domain.folds import Fold, SagaFold
from runtime.domain.looks import Chart, Look, Timetable, looks_of
from runtime.domain.messages import tag_of
from runtime.domain.parts import Aggregation
from runtime.domain.windows import Window
from runtime.live.schema.building import build
from runtime.live.schema.texts import camel, described, lowered, pascal
from runtime.live.schema.views import View, views_of

VISITOR = "ann"


def model(admin: Admin, asked: Mapping[str, str]) -> object:
    """The whole of it, made once."""
    known(asked, ())
    return admin.one(Model).told


class Model:
    """An app described. Raises `Misconfigured` for looks that do not fit it."""

    def __init__(self, admin: Admin) -> None:
        self._app: App = admin.app

    @cached_property
    def told(self) -> dict[str, Any]:
        """As JSON-able data."""
        app = self._app
        return {
            "app": app.name,
            "tenant": app.tenant,
            "doc": _doc(app),
            "kinds": [
                {
                    "name": name,
                    "id": plan.decider.id_field,
                    "events": [tag_of(event) for event in plan.events],
                    "commands": [tag_of(command) for command in plan.commands],
                }
                for name, plan in app.plans.items()
            ],
            "commands": [self._command(command) for plan in app.plans.values() for command in plan.commands],
            "rows": [self._rows(fold) for fold in app.folds.values() if not isinstance(fold, SagaFold)],
            "sagas": [_saga(fold, app) for fold in app.folds.values() if isinstance(fold, SagaFold)],
            "groups": [
                {"name": group.name, "parts": [table.part for table in group.tables], "saga": group.saga} for group in app.groups.values()
            ],
            "looks": [self._look(look) for look in looks_of(app)],
        }

    @cached_property
    def _schema(self) -> GraphQLSchema | None:
        """The generated schema; none where nothing is shown, or where the app brings a whole one of its own."""
        return build(self._app).schema if self._app.api and self._app.schema is None else None

    @cached_property
    def _views(self) -> dict[str, View]:
        return {view.part: view for view in views_of(self._app)} if self._schema is not None else {}

    @cached_property
    def _mine(self) -> dict[str, str]:
        return dict.fromkeys(owner_fields(self._app, VISITOR), VISITOR)

    def _command(self, command: type[Any]) -> dict[str, Any]:
        mutation = lowered(command.__name__)
        root = self._schema.mutation_type if self._schema is not None else None
        sent = any(isinstance(one, Sendable) and one.command is command for one in self._app.api)
        field = root.fields[mutation] if root is not None and sent else None
        plan = self._app.plan_of(command)
        input_ = Described(field.args["input"].type) if field is not None else None
        return {
            "name": tag_of(command),
            "kind": plan.decider.name,
            "mutation": mutation if field is not None else None,
            "input": input_.name if input_ is not None else None,
            "doc": described(command, command.__struct_fields__)[0],
            "fields": command_fields(command, input_, plan.decider.id_field, self._mine),
        }

    def _rows(self, fold: Fold) -> dict[str, Any]:
        part, view = fold.part.name, self._views.get(fold.part.name)
        measures, window = measures_of(fold), _window(fold)
        arguments: dict[str, str | None] = {"filter": None, "order": None, "range": None}
        if view is not None and self._schema is not None and self._schema.query_type is not None:
            args = self._schema.query_type.fields[view.many].args
            for name, argument in (("filter", "where"), ("order", "orderBy"), ("range", "window")):
                arguments[name] = Described(args[argument].type).name if argument in args else None
        return {
            "part": part,
            "type": view.type if view is not None else pascal(part),
            "one": view.one if view is not None else None,
            "many": view.many if view is not None else None,
            "group": next(group.name for group in self._app.groups.values() if fold.table in group.tables),
            "aggregation": bool(measures),
            "window": None if window is None else {"field": camel(window.name), "step": window.size, "zone": window.zone},
            "key": [camel(name) for name in _key(fold)],
            "fields": column_fields(fold, view, self._schema, measures),
            "doc": view.text if view is not None else _folded_doc(fold),
            **arguments,
        }

    def _look(self, look: Look) -> dict[str, Any]:
        view = self._views.get(look.part)
        told: dict[str, Any] = {"kind": type(look).__name__.lower(), "one": view.one if view else None, "many": view.many if view else None}
        for name, value in structs.asdict(look).items():
            told[name] = _in_graphql(value) if name in FIELDS else value
        if isinstance(look, Chart):
            window = _window(self._app.folds[look.part])
            told["by"] = look.by if look.by in ("window", "hour_of_day") else camel(look.by)
            told["window"] = None if window is None else camel(window.name)
        return told


FIELDS = {*Timetable.__struct_fields__, "value", "per"} - {"part", "title"}


def _in_graphql(field: str | tuple[str, ...] | None) -> Any:
    return camel(field) if isinstance(field, str) else field and [camel(one) for one in field]


def _key(fold: Fold) -> tuple[str, ...]:
    keys = fold.part.key if isinstance(fold.part.key, tuple) else (fold.part.key,)
    return tuple(key.name if isinstance(key, Window) else key for key in keys)


def _window(fold: Fold) -> Window | None:
    keys = fold.part.key if isinstance(fold.part.key, tuple) else (fold.part.key,)
    return next((key for key in keys if isinstance(key, Window)), None)


def _saga(fold: SagaFold, app: App) -> dict[str, Any]:
    part = fold.part
    return {
        "name": part.name,
        "key": ", ".join(fold.key_fields),
        "group": next(group.name for group in app.groups.values() if fold.table in group.tables),
        "compensates": [tag_of(command) for command in part.compensates],
    }


def _folded_doc(fold: Fold) -> str | None:
    return described(fold.part.measure if isinstance(fold.part, Aggregation) else fold.part.evolve)[0] or None


def _doc(app: App) -> str:
    """The first line of the module in which the app's functions live."""
    for plan in app.plans.values():
        text = sys.modules[plan.decider.decide.__module__].__doc__ or ""
        return text.strip().partition("\n")[0]
    return ""
