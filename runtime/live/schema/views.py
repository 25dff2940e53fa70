"""What an app exposes, seen with a client's eyes: each part's GraphQL names, columns, key and window, and who may read it.

Pure description, made once; the schema is built from it, inputs are read by it and resolvers run on it.
"""

from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NewType, TypeAliasType, Union, get_args, get_origin, get_type_hints

from msgspec import Meta, Struct

from runtime.domain.api import Exposed
from runtime.domain.app import App
from runtime.domain.folds import AggregationFold, ProjectionFold
from runtime.domain.messages import classes_in
from runtime.domain.tables import Group, Kind, Table
from runtime.domain.windows import Window
from runtime.errors import Misconfigured
from runtime.live.schema.texts import NAME, camel, described, joined, pascal

RESERVED = ("and", "or", "not")  # of a filter
ARGUMENTS = ("after", "where", "orderBy", "first", "window")


class Shown(Struct, frozen=True):
    """A column as a client sees it."""

    column: str
    name: str
    kind: Kind
    annotation: Any
    nullable: bool
    text: str | None = None


class Key(Struct, frozen=True):
    """A column that finds the row; with a window, any instant inside it does."""

    shown: Shown
    window: Window | None = None


class View(Struct, frozen=True):
    """An exposed part."""

    exposed: Exposed
    group: Group
    table: Table
    columns: tuple[Shown, ...]
    keys: tuple[Key, ...]
    type: str  # GraphQL: `Ticket`
    one: str  # … `ticket`
    many: str  # … `ticketRows`
    text: str | None = None

    @property
    def part(self) -> str:
        """The part's name."""
        return self.table.part

    @property
    def window(self) -> Key | None:
        """The key column that holds a window's start, if there is one."""
        return next((key for key in self.keys if key.window is not None), None)


def views_of(app: App) -> tuple[View, ...]:
    """The exposed parts in the order of `api`; `Misconfigured` names what GraphQL cannot name, and the way out."""
    return tuple(_view(app, shown) for shown in app.api if isinstance(shown, Exposed))


def _view(app: App, exposed: Exposed) -> View:
    fold = app.folds[exposed.part.name]
    assert isinstance(fold, ProjectionFold | AggregationFold)
    columns, text = _of_row(fold) if isinstance(fold, ProjectionFold) else _of_measures(fold)
    name, part = camel(fold.part.name), fold.part.name
    if not NAME.match(name):
        raise Misconfigured(f"part {part!r}: GraphQL has no such name: rename it with ASCII letters, digits and single underscores")
    _check_columns(part, columns)
    by_column = {shown.column: shown for shown in columns}
    keys = tuple(
        Key(by_column[key.name], key) if isinstance(key, Window) else Key(by_column[key])
        for key in (fold.part.key if isinstance(fold.part.key, tuple) else (fold.part.key,))
    )
    for key in keys:
        if key.shown.name == "after":
            raise Misconfigured(f"part {part!r}: key field 'after' is a GraphQL argument of every read: rename the field")
    group = next(group for group in app.groups.values() if fold.table in group.tables)
    return View(exposed, group, fold.table, columns, keys, pascal(part), name, f"{name}Rows", text)


def _of_row(fold: ProjectionFold) -> tuple[tuple[Shown, ...], str | None]:
    row = fold.part.row
    hints = get_type_hints(row, include_extras=True)
    text, texts = described(row, row.__struct_fields__)
    columns = tuple(
        Shown(
            column.name,
            camel(column.name),
            column.kind,
            hints[column.name],
            may_be_none(hints[column.name]),
            explained(hints[column.name], texts.get(column.name, "")),
        )
        for column in fold.table.columns
    )
    return columns, joined(text, described(fold.part.evolve)[0], by="\n\n")


def _of_measures(fold: AggregationFold) -> tuple[tuple[Shown, ...], str | None]:
    measures = next(found for found in classes_in(get_type_hints(fold.part.measure)["return"]) if found is not NoneType)
    width, windows = len(fold.key_fields), {window.name: window for window in _windows(fold)}
    hints = get_type_hints(fold.types[0], include_extras=True)
    text, texts = described(measures, [column.name for column in fold.table.columns])
    columns = []
    for position, column in enumerate(fold.table.columns):
        annotation, nullable, more = None, False, ""
        if column.name in windows:
            window = windows[column.name]
            more = f"The start of the window: {window.size} of `{window.on}`, zone {window.zone}."
        elif position < width:
            annotation, nullable = hints[column.name], may_be_none(hints[column.name])
            more = explained(annotation, "") or ""
        else:
            nullable = fold.measured.identity[position - width] is None
        text_of = joined(texts.get(column.name, ""), more)
        columns.append(Shown(column.name, camel(column.name), column.kind, annotation, nullable, text_of))
    return tuple(columns), joined(text, described(fold.part.measure)[0], by="\n\n")


def _windows(fold: AggregationFold) -> tuple[Window, ...]:
    keys = fold.part.key if isinstance(fold.part.key, tuple) else (fold.part.key,)
    return tuple(key for key in keys if isinstance(key, Window))


def _check_columns(part: str, columns: tuple[Shown, ...]) -> None:
    seen: dict[str, str] = {}
    for shown in columns:
        if not NAME.match(shown.name):
            raise Misconfigured(f"part {part!r}: GraphQL has no name like that of field {shown.column!r}: rename it in the row")
        if shown.name in RESERVED:
            raise Misconfigured(
                f"part {part!r}: field {shown.column!r} is called like the filter's own `{shown.name}`: rename it in the row"
            )
        if shown.name in seen:
            raise Misconfigured(
                f"part {part!r}: fields {seen[shown.name]!r} and {shown.column!r} are both `{shown.name}` in GraphQL: rename one of them in the row"
            )
        seen[shown.name] = shown.column


def bare(annotation: Any) -> Any:
    """The annotation without aliases, `Annotated` and `| None`."""
    if isinstance(annotation, TypeAliasType):
        return bare(annotation.__value__)
    if isinstance(annotation, NewType):
        return bare(annotation.__supertype__)
    if get_origin(annotation) is Annotated:
        return bare(get_args(annotation)[0])
    if get_origin(annotation) is Union or isinstance(annotation, UnionType):
        members = [member for member in get_args(annotation) if member is not NoneType]
        return bare(members[0]) if len(members) == 1 else annotation
    return annotation


def may_be_none(annotation: Any) -> bool:
    """Whether None is one of its values."""
    if isinstance(annotation, TypeAliasType):
        return may_be_none(annotation.__value__)
    if get_origin(annotation) is Annotated:
        return may_be_none(get_args(annotation)[0])
    if get_origin(annotation) is Union or isinstance(annotation, UnionType):
        return any(may_be_none(member) for member in get_args(annotation))
    return annotation in (None, NoneType, Any) or (get_origin(annotation) is Literal and None in get_args(annotation))


def explained(annotation: Any, text: str) -> str | None:
    """A field's text, with its values where it is a Literal and with its limits."""
    values = bare(annotation)
    listed = ""
    if get_origin(values) is Literal:
        listed = "One of " + ", ".join(f'"{value}"' if isinstance(value, str) else str(value) for value in get_args(values)) + "."
    return joined(text, listed, *_limits(annotation))


def _limits(annotation: Any) -> list[str]:
    if isinstance(annotation, TypeAliasType):
        return _limits(annotation.__value__)
    if get_origin(annotation) is Union or isinstance(annotation, UnionType):
        return [text for member in get_args(annotation) for text in _limits(member)]
    if get_origin(annotation) is not Annotated:
        return []
    inner, *extras = get_args(annotation)
    texts = _limits(inner)
    for meta in extras:
        if isinstance(meta, Meta):
            texts += [meta.description] if meta.description else []
            said = [f"{word} {getattr(meta, name)}" for name, word in LIMITS.items() if getattr(meta, name) is not None]
            texts += [f"Must be {', '.join(said)}."] if said else []
    return texts


LIMITS = {
    "gt": "greater than",
    "ge": "at least",
    "lt": "less than",
    "le": "at most",
    "multiple_of": "a multiple of",
    "pattern": "text that matches",
    "min_length": "of length at least",
    "max_length": "of length at most",
}
