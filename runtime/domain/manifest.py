"""An application as plain data: everything that whoever builds a stack, a topic or a table needs to know, and no code.

The stacks are made from this description alone, so they import no app; a golden of it in the tests shows what a change would deploy.
"""

from typing import Any

from runtime.domain.api import Exposed, Sendable
from runtime.domain.app import App
from runtime.domain.folds import AggregationFold, Fold, SagaFold
from runtime.domain.messages import tag_of
from runtime.domain.plans import Plan
from runtime.domain.tables import Group
from runtime.domain.windows import Window
from runtime.limits import SHARDS, Limits

VERSION = 1  # of this shape; a reader refuses another one


def manifest(app: App) -> dict[str, Any]:
    """The app as JSON-able data. `Misconfigured` for parts that cannot work."""
    return {
        "manifest": VERSION,
        "app": app.name,
        "tenant": app.tenant,
        "topic": topic(app),
        "shards": SHARDS,
        "categories": [_category(plan) for plan in app.plans.values()],
        "upcasts": sorted(app.events.upcasts),
        "groups": [_group(app, group) for group in app.groups.values()],
        "sagas": [_saga(fold) for fold in app.folds.values() if isinstance(fold, SagaFold)],
        "api": {
            "read": [shown.part.name for shown in app.api if isinstance(shown, Exposed)],
            "send": [tag_of(shown.command) for shown in app.api if isinstance(shown, Sendable)],
            "fields": app.fields,
            "schema": app.schema if app.schema is None or isinstance(app.schema, str) else "an object",
        },
        "limits": {name: value for name, value in vars(Limits).items() if not name.startswith("_")},
    }


def topic(app: App) -> str:
    """The app's topic on the bus."""
    return f"trimaran.{app.name}"


def signals_topic(app: App) -> str:
    """The topic beside it on which read stores tell gateways of changed rows."""
    return f"{topic(app)}.signals"


def _category(plan: Plan) -> dict[str, Any]:
    return {
        "name": plan.decider.name,
        "id": plan.decider.id_field,
        "commands": [tag_of(command) for command in plan.commands],
        "events": [tag_of(event) for event in plan.events],
        "snapshot_every": plan.decider.snapshot_every,
    }


def _group(app: App, group: Group) -> dict[str, Any]:
    return {
        "name": group.name,
        "saga": group.saga,
        "schema": group.schema,
        "tables": [_table(app.folds[table.part]) for table in group.tables],
    }


def _table(fold: Fold) -> dict[str, Any]:
    keys = fold.part.key if isinstance(fold.part.key, tuple) else (fold.part.key,)
    return {
        "part": fold.part.name,
        "kind": type(fold.part).__name__.lower(),
        "key": [key.name if isinstance(key, Window) else key for key in keys],
        "windows": [
            {"column": key.name, "size": key.size, "on": key.on, "zone": key.zone}
            for key in (keys if isinstance(fold, AggregationFold) else ())
            if isinstance(key, Window)
        ],
        "many": fold.many,
        "events": sorted(fold.handles),
        "columns": [{"name": column.name, "kind": column.kind.value} for column in fold.table.columns],
    }


def _saga(fold: SagaFold) -> dict[str, Any]:
    return {
        "name": fold.part.name,
        "sends": sorted(tag_of(command) for command in fold.sends),  # those that react's annotation names
        "timers": fold.timers,
        "max_tries": fold.part.max_tries,
    }
