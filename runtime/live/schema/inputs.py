"""What a client asks, as the one filter, order and key that stores and subscriptions understand; and commands as the JSON they are sent as.

Every refusal names the input field, in the client's own spelling.
"""

import enum
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from runtime.domain.app import App
from runtime.domain.filters import EVERYTHING, And, Compare, Filter, In, IsNull, Not, Or, Order
from runtime.domain.folds import key_text
from runtime.domain.messages import Command, tag_of
from runtime.domain.tables import Kind
from runtime.domain.values import LEAST
from runtime.errors import LimitExceeded, Malformed
from runtime.flow.reading import parse_token
from runtime.live.limits import Limits
from runtime.live.schema.texts import camel
from runtime.live.schema.views import Key, Shown, View

COMPARED = {  # in a filter input -> the operator
    "eq": "eq",
    "ne": "ne",
    "lt": "lt",
    "le": "le",
    "gt": "gt",
    "ge": "ge",
    "startsWith": "starts_with",
    "contains": "contains",
}


VALUES_MAX, DEPTH_MAX = 900, 28  # a store takes 1,000 and 32: rights and window are added to what a client asks


class BadInput(Malformed):
    """An input that does not fit; `field` is where, as the client wrote it: `where.amount.ge`."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(f"{field}: {text}")
        self.field = field


def filter_of(view: View, given: Mapping[str, Any] | None, path: str = "where") -> Filter:
    """The filter that an input object means: all of its fields together."""
    if not given:
        return EVERYTHING
    return _all([*_terms(view, given, path)])


def _terms(view: View, given: Mapping[str, Any], path: str) -> Iterator[Filter]:
    columns = {shown.name: shown for shown in view.columns}
    for name, value in given.items():
        where = f"{path}.{name}"
        if value is None:
            continue
        match name:
            case "and":
                yield And(tuple(filter_of(view, term, f"{where}[{n}]") for n, term in enumerate(value)))
            case "or":
                yield Or(tuple(filter_of(view, term, f"{where}[{n}]") for n, term in enumerate(value)))
            case "not":
                yield Not(filter_of(view, value, where))
            case _:
                yield from _comparisons(columns[name], value, where)


def _comparisons(shown: Shown, given: Mapping[str, Any], path: str) -> Iterator[Filter]:
    for op, value in given.items():
        where = f"{path}.{op}"
        if op == "isNull":
            if value is not None:
                yield IsNull(shown.column) if value else Not(IsNull(shown.column))
        elif op == "in":
            if value is not None:
                yield In(shown.column, tuple(operand(shown.kind, item, f"{where}[{n}]") for n, item in enumerate(value)))
        else:
            yield Compare(shown.column, COMPARED[op], operand(shown.kind, value, where))


def _all(terms: Sequence[Filter]) -> Filter:
    return terms[0] if len(terms) == 1 else And(tuple(terms))


def both(*filters: Filter) -> Filter:
    """All of them; what asks for nothing, or for the same again, is left out."""
    terms: list[Filter] = []
    for one in filters:
        if one != EVERYTHING and one not in terms:
            terms.append(one)
    return _all(terms) if terms else EVERYTHING


def bounded(where: Filter) -> Filter:
    """The filter, unless it is more than every store takes; refused here, since a subscription asks a store much later."""
    depth, size = _size(where)
    if size > VALUES_MAX:
        raise LimitExceeded("the number of comparisons and listed values of `where`", size, VALUES_MAX, "ask for less at once")
    if depth > DEPTH_MAX:
        raise LimitExceeded("the nesting of `where`", depth, DEPTH_MAX, "write a flatter filter")
    return where


def _size(where: Filter) -> tuple[int, int]:
    """How deep, and how many comparisons and values."""
    match where:
        case And(terms) | Or(terms):
            sizes = [_size(term) for term in terms]
            return 1 + max((depth for depth, _ in sizes), default=0), sum(size for _, size in sizes)
        case Not(term):
            depth, size = _size(term)
            return 1 + depth, size
        case In(values=values):
            return 1, len(values)
        case _:
            return 1, 1


def operand(kind: Kind, value: Any, where: str) -> Any:
    """A value as the column holds it; `BadInput` for what no store could be asked for."""
    if value is None:
        return None
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, str):
        return text_of(value, where)
    if kind is Kind.INT and value == LEAST:
        raise BadInput(where, "does not fit a column of 64 bits")
    return float(value) if kind is Kind.FLOAT and isinstance(value, int) else value


def text_of(value: str, where: str) -> str:
    """Text that every store can hold."""
    if "\0" in value:
        raise BadInput(where, "holds a NUL character, which no store can hold: leave it out")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadInput(where, "holds half a surrogate pair, which is no character: leave it out") from None
    return value


def range_of(view: View, given: Mapping[str, Any] | None) -> Filter:
    """Windows that start in the half-open range [from, to)."""
    window = view.window
    if window is None or not given:
        return EVERYTHING
    column, kind = window.shown.column, window.shown.kind
    terms: list[Filter] = []
    if given.get("from") is not None:
        terms.append(Compare(column, "ge", operand(kind, given["from"], "window.from")))
    if given.get("to") is not None:
        terms.append(Compare(column, "lt", operand(kind, given["to"], "window.to")))
    return _all(terms) if terms else EVERYTHING


def order_of(view: View, given: Sequence[Mapping[str, Any] | None] | None) -> tuple[Order, ...]:
    """`[{amount: DESC}, {customer: ASC}]`: one field each, the first counts most."""
    columns = {shown.name: shown.column for shown in view.columns}
    found = []
    for position, one in enumerate(given or ()):
        directions = {name: direction for name, direction in (one or {}).items() if direction is not None}
        if len(directions) != 1:
            raise BadInput(f"orderBy[{position}]", "names exactly one field; to sort by several, write several objects")
        ((name, direction),) = directions.items()
        found.append(Order(columns[name], direction == "desc"))
    return tuple(found)


def first_of(given: int | None, limits: Limits) -> int:
    """How many rows; `LimitExceeded` names the limit and the way out."""
    if given is None:
        return min(limits.page_default, limits.page_rows)
    if given < 1:
        raise BadInput("first", f"is {given}: ask for at least one row")
    if given > limits.page_rows:
        raise LimitExceeded("`first`", given, limits.page_rows, "ask for fewer rows and go on with `after: pageInfo.endCursor`")
    return given


def key_of(view: View, arguments: Mapping[str, Any]) -> str:
    """The row's key as it is stored, without a tenant."""
    return key_text([_key_value(key, arguments.get(key.shown.column)) for key in view.keys])


def _key_value(key: Key, value: Any) -> Any:
    value = operand(key.shown.kind, value, key.shown.name)
    if key.window is None or value is None:
        return value
    try:
        return key.window.start(value)
    except (OverflowError, ValueError):
        raise BadInput(key.shown.name, "is not inside any window") from None


def after_of(given: str | None) -> tuple[str, str]:
    """`after` as (a command's token, a cursor), one of them or none: only a token has an "@"."""
    if not given:
        return "", ""
    text_of(given, "after")
    if "@" not in given:
        return "", given
    try:
        parse_token(given)
    except Malformed as error:
        raise BadInput("after", str(error)) from error
    return given, ""


def own_token(app: App, tenant: str, token: str) -> str:
    """The token, unless it is of another tenant: nobody waits for, and so learns of, others' streams."""
    if token and app.tenant is not None and app.tenant_of(token) != tenant:
        raise BadInput("after", "is not a token of this tenant: send back what the command answered")
    return token


# commands
DOLLAR = re.compile(r"\$((?:[.\[]?[\w\]\-…*]+)*)")
TICKED = re.compile(r"`([\w.\[\]]+)`")


def command_of(app: App, command: type[Command], given: Mapping[str, Any]) -> Command:
    """The command that an input object means; `BadInput` names the field that does not fit."""
    body = msgspec.json.encode({"type": tag_of(command)} | dict(given), enc_hook=_plain)
    try:
        decoded = app.commands.decode(body)
    except Malformed as error:
        raise BadInput(_field_of(str(error)), str(error)) from error
    id = app.plan_of(command).decider.id_field
    if getattr(decoded, id) == "":
        raise BadInput(f"input.{camel(id)}", "is empty, and names the stream")
    return decoded


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, enum.Enum) else str(value)


def _field_of(text: str) -> str:
    """The input field that a decoder complains about: `$.ship_to.zip` is `input.shipTo.zip`."""
    dollar, missing = DOLLAR.search(text), TICKED.search(text)
    path = dollar[1].strip(".") if dollar else ""
    if "missing required field" in text or "unknown field" in text or not dollar:
        path = ".".join(part for part in (path, missing[1] if missing else "") if part)
    return "input" + "".join(f".{camel(part)}" for part in path.split(".") if part)
