"""The fields and types of one exposed part: a row, a page of rows, and both of them live."""

from collections.abc import Callable
from typing import Any

import graphene
from graphene.relay import PageInfo
from graphene.types.scalars import BigInt

from runtime.live.schema import fields
from runtime.live.schema.fields import Connection
from runtime.live.schema.filters import Inputs
from runtime.live.schema.reads import Item, Reads
from runtime.live.schema.types import Types
from runtime.live.schema.views import View

type Fields = dict[str, Any]


class RowFields:
    """Makes the fields of exposed parts; `tenants` tells that stored keys begin with a tenant."""

    def __init__(self, types: Types, tenants: bool) -> None:
        self._types, self._inputs, self._tenants = types, Inputs(types), tenants

    def queries(self, view: View) -> Fields:
        """`ticket` and `ticketRows` of Query."""
        row, owner = self._row(view), f"part {view.part!r}"
        return {
            view.one: graphene.Field(
                row,
                args=self._key(view) | {"after": _after(view, page=False)},
                name=view.one,
                description="The row of this key; null when it is not there, or not yours to see.",
                resolver=fields.one(view),
            ),
            view.many: graphene.Field(
                graphene.NonNull(self._connection(view, row, owner)),
                args=self._chosen(view)
                | {
                    "order_by": graphene.Argument(
                        graphene.List(graphene.NonNull(self._inputs.order(view, owner))),
                        name="orderBy",
                        description="Sort by one field an object, the first counts most; the row's key breaks ties.",
                    ),
                    "first": graphene.Argument(graphene.Int, name="first", description="How many rows at most."),
                    "after": _after(view, page=True),
                },
                name=view.many,
                description="Rows that pass a filter, page by page; pages stay stable while others write.",
                resolver=fields.many(view),
            ),
        }

    def subscriptions(self, view: View) -> tuple[Fields, dict[str, Callable[..., Any]]]:
        """The same live, with their subscribe functions."""
        row, owner = self._row(view), f"part {view.part!r}"
        found = {
            view.one: graphene.Field(
                graphene.NonNull(self._state(view, row, owner)),
                args=self._key(view) | {"after": _after(view, page=False, live=True)},
                name=view.one,
                description="This row now, and whenever it changes.",
                resolver=Reads(lambda update: update),
            ),
            view.many: graphene.Field(
                graphene.NonNull(self._update(view, row, owner)),
                args=self._chosen(view) | {"after": _after(view, page=False, live=True)},
                name=view.many,
                description="The rows that pass a filter now, then each that changes, comes or leaves.",
                resolver=Reads(lambda update: update),
            ),
        }
        return found, {view.one: fields.follow_one(view), view.many: fields.follow_many(view)}

    # arguments
    def _key(self, view: View) -> Fields:
        found = {}
        for key in view.keys:
            shown, text = self._types.output(key.shown.annotation, key.shown.kind), key.shown.text
            if key.window is not None:
                text = f"{text} Any instant or day inside the window finds it."
            found[key.shown.column] = graphene.Argument(
                shown if key.shown.nullable else graphene.NonNull(shown), name=key.shown.name, description=text
            )
        return found

    def _chosen(self, view: View) -> Fields:
        found: Fields = {
            "where": graphene.Argument(
                self._inputs.filter(view, f"part {view.part!r}"), name="where", description="Only rows that pass this filter."
            )
        }
        if view.window is not None:
            found["window"] = graphene.Argument(
                self._inputs.range(view.window.shown.kind),
                name="window",
                description=f"Rows whose `{view.window.shown.name}` starts in this half-open range.",
            )
        return found

    # what is shown
    def _row(self, view: View) -> Any:
        def make() -> Any:
            shown_fields = {}
            for shown in view.columns:
                type_ = self._types.output(shown.annotation, shown.kind)
                shown_fields[shown.name] = graphene.Field(
                    type_ if shown.nullable else graphene.NonNull(type_),
                    name=shown.name,
                    description=shown.text,
                    resolver=Item(shown.column),
                )
            return self._types.object(view.type, shown_fields, view.text, f"part {view.part!r}")

        return self._types.once(("row", view.part), make)

    def _connection(self, view: View, row: Any, owner: str) -> Any:
        edge = self._types.object(
            f"{view.type}Edge",
            {
                "node": _field("node", graphene.NonNull(row), lambda edge: edge.node),
                "cursor": _field("cursor", graphene.NonNull(graphene.String), lambda edge: edge.cursor, "Go on after this row with it."),
            },
            "A row and its place.",
            owner,
        )
        return self._types.object(
            f"{view.type}Connection",
            {
                "edges": _field("edges", _all(edge), lambda page: page.edges, "The rows with a cursor each."),
                "nodes": _field("nodes", _all(row), lambda page: page.rows, "The rows."),
                "pageInfo": _field("pageInfo", graphene.NonNull(PageInfo), _page_info, "Whether there is more, and where it begins."),
            },
            "A page of rows (https://relay.dev/graphql/connections.htm).",
            owner,
        )

    def _update(self, view: View, row: Any, owner: str) -> Any:
        change = self._types.object(
            f"{view.type}Change",
            {
                "key": self._entry_key(),
                "revision": self._entry_revision(),
                "row": _field("row", graphene.NonNull(row), lambda entry: entry.row, "The row as it is now."),
            },
            "A row that is new, or not as it was.",
            owner,
        )
        return self._types.object(
            f"{view.type}Update",
            _news()
            | {
                "complete": _boolean("complete", "False while more of a snapshot comes."),
                "changed": _field("changed", _all(change), lambda update: [one for one in update.entries if one.row is not None]),
                "removed": _field(
                    "removed",
                    _all(self._removed()),
                    lambda update: [one for one in update.entries if one.row is None],
                    "Rows that are gone, or no longer pass the filter.",
                ),
            },
            f"What changed among the rows of `{view.one}`.",
            owner,
        )

    def _state(self, view: View, row: Any, owner: str) -> Any:
        return self._types.object(
            f"{view.type}State",
            {
                "row": _field(
                    "row", row, lambda update: update.entries[0].row if update.entries else None, "The row; null when it is not there."
                ),
                "revision": _field(
                    "revision",
                    self._revision(),
                    lambda update: update.entries[0] if update.entries else None,
                    "Which state of the row this is; null when it never was there.",
                ),
            }
            | _news(),
            f"A row of `{view.one}` as it is now.",
            owner,
        )

    def _removed(self) -> Any:
        return self._types.once(
            "removed",
            lambda: self._types.object(
                "Removed",
                {"key": self._entry_key(), "revision": self._entry_revision()},
                "A row that is not shown any more.",
                "removed rows",
            ),
        )

    def _revision(self) -> Any:
        return self._types.once(
            "revision",
            lambda: self._types.object(
                "Revision",
                {
                    "generation": _field("generation", graphene.NonNull(graphene.Int), lambda entry: entry.generation),
                    "n": _field("n", graphene.NonNull(BigInt), lambda entry: entry.revision),
                },
                "Newer rows have the greater (generation, n).",
                "a row's revision",
            ),
        )

    def _entry_revision(self) -> Any:
        return _field("revision", graphene.NonNull(self._revision()), lambda entry: entry, "Newest wins.")

    def _entry_key(self) -> Any:
        read = (lambda entry: entry.key.partition("/")[2]) if self._tenants else (lambda entry: entry.key)
        return _field("key", graphene.NonNull(graphene.String), read, "Tells the rows of this part apart.")


def _news() -> Fields:
    return {
        "snapshot": _boolean("snapshot", "A first picture, not only what changed."),
        "reset": _boolean("reset", "Forget every row that was shown before."),
        "cursor": _field(
            "cursor", graphene.NonNull(graphene.String), lambda update: update.cursor, "Come back with `after: cursor` and miss nothing."
        ),
        "stale": _boolean("stale", "`after` named a token that was not reached in time."),
        "parked": _boolean("parked", "… and will not be by waiting: its stream is parked."),
    }


def _field(name: str, type_: Any, read: Callable[[Any], Any], text: str | None = None) -> Any:
    return graphene.Field(type_, name=name, description=text, resolver=Reads(read))


def _boolean(name: str, text: str) -> Any:
    return _field(name, graphene.NonNull(graphene.Boolean), lambda update: getattr(update, name), text)


def _all(of: Any) -> Any:
    return graphene.NonNull(graphene.List(graphene.NonNull(of)))


def _page_info(page: Connection) -> dict[str, Any]:
    return {
        "has_next_page": bool(page.page.cursor),
        "has_previous_page": page.went_on,
        "start_cursor": page.first_cursor,
        "end_cursor": page.last_cursor,
    }


def _after(view: View, *, page: bool, live: bool = False) -> Any:
    if live:
        text = "Not older than this: a command's token, or go on after the `cursor` of an update."
    elif page:
        text = "A page's cursor; or a command's token: not older than this, waits a little for it."
    else:
        text = "A command's token: not older than this, waits a little for it."
    return graphene.Argument(graphene.String, name="after", description=text)
