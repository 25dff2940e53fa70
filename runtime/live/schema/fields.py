"""Resolvers of the generated fields: one row, many rows, a command, and the plan of a subscription.

Rights come first, then the bounded wait for one's own writes, then one query that holds rights, tenant, filter and key together.
"""

from collections.abc import Callable
from typing import Any

from graphql import GraphQLResolveInfo
from msgspec import Struct

from runtime.domain.filters import Filter, Query
from runtime.domain.messages import Command
from runtime.errors import Malformed
from runtime.live.answers.context import Context
from runtime.live.callers.rights import rows_of, sending_rule
from runtime.live.plans import Plan
from runtime.live.schema.inputs import (
    BadInput,
    after_of,
    both,
    bounded,
    command_of,
    filter_of,
    first_of,
    key_of,
    order_of,
    own_token,
    range_of,
    text_of,
)
from runtime.live.schema.views import View
from runtime.ports import Page

type Resolver = Callable[..., Any]


class Connection(Struct, frozen=True):
    """A page of rows, its cursors written when a client selects them."""

    rows: list[dict[str, Any]]
    page: Page
    went_on: bool

    @property
    def edges(self) -> list["Edge"]:
        """Rows with their cursors."""
        return [Edge(row, self.page, position) for position, row in enumerate(self.rows)]

    @property
    def first_cursor(self) -> str | None:
        """The cursor after the first row."""
        return self.page.after(0) if self.rows else None

    @property
    def last_cursor(self) -> str | None:
        """The cursor after the last row."""
        return self.page.after(len(self.rows) - 1) if self.rows else None


class Edge(Struct, frozen=True):
    """A row and its place."""

    node: dict[str, Any]
    page: Page
    position: int

    @property
    def cursor(self) -> str:
        """The cursor after this row."""
        return self.page.after(self.position)


def one(view: View) -> Resolver:
    """`ticket(order: …, after: …)`: the row, or null when it is not there or not for the caller."""

    async def resolve(_root: Any, info: GraphQLResolveInfo, /, after: str | None = None, **key: Any) -> dict[str, Any] | None:
        context: Context = info.context
        rows_of(view, context.identity)
        token = _token(after)
        stored = context.stored(key_of(view, key))
        await _waited(context, view, stored, token, info)
        rows, _ = await context.page(view, Query(first=1, key=stored))
        return rows[0] if rows else None

    return resolve


def many(view: View) -> Resolver:
    """`ticketRows(where, orderBy, first, after)`: a page."""

    async def resolve(_root: Any, info: GraphQLResolveInfo, /, after: str | None = None, **asked: Any) -> Connection:
        context: Context = info.context
        rows_of(view, context.identity)
        token, cursor = after_of(after)
        where = both(bounded(filter_of(view, asked.get("where"))), range_of(view, asked.get("window")))
        query = Query(where, order_of(view, asked.get("order_by")), first_of(asked.get("first"), context.limits), cursor)
        await _waited(context, view, context.stored(""), token, info)
        try:
            rows, page = await context.page(view, query)
        except Malformed as error:  # what else a store could refuse was refused before
            raise BadInput("after" if cursor else "where", str(error)) from error
        return Connection(rows, page, bool(cursor))

    return resolve


async def _waited(context: Context, view: View, stored: str, token: str, info: GraphQLResolveInfo) -> None:
    stale, parked = await context.wait(view.part, stored, token)
    if stale:
        context.notes.stale.append(info.path.as_list())
    if parked:
        context.notes.parked.append(info.path.as_list())


def _token(after: str | None) -> str:
    """The token for one row, which has no pages to go on with."""
    token, cursor = after_of(after)
    if cursor:
        raise BadInput("after", "is not `stream@version`: send back the token that the command answered")
    return token


def send(command: type[Command]) -> Resolver:
    """`placeOrder(input: …, key: …)`: the command, carried out."""

    async def resolve(_root: Any, info: GraphQLResolveInfo, /, input: dict[str, Any], key: str | None = None) -> Any:
        context: Context = info.context
        sending_rule(context.app, command, context.identity)
        return await context.send(command_of(context.app, command, input), text_of(key or "", "key"))

    return resolve


def follow_one(view: View) -> Resolver:
    """The plan of `subscription { ticket(order: …) { … } }`."""

    def subscribe(_root: Any, info: GraphQLResolveInfo, /, after: str | None = None, **key: Any) -> Plan:
        context: Context = info.context
        where = rows_of(view, context.identity)
        return _plan(context, view, where, context.stored(key_of(view, key)), after)

    return subscribe


def follow_many(view: View) -> Resolver:
    """The plan of `subscription { ticketRows(where: …) { … } }`."""

    def subscribe(_root: Any, info: GraphQLResolveInfo, /, after: str | None = None, **asked: Any) -> Plan:
        context: Context = info.context
        allowed = rows_of(view, context.identity)
        where = both(bounded(filter_of(view, asked.get("where"))), range_of(view, asked.get("window")), allowed)
        return _plan(context, view, where, "", after)

    return subscribe


def _plan(context: Context, view: View, where: Filter, key: str, after: str | None) -> Plan:
    """Its cohort is filled in by the engine, which knows the document."""
    token, cursor = after_of(after)
    return Plan(view.part, view.group.name, where, context.tenant, key, own_token(context.app, context.tenant, token) or cursor, "")
