"""Python types as GraphQL types: scalars, enums, lists and nested structs, for what is read and for what is sent.

What GraphQL cannot say (unions, maps, anything) is the scalar `JSON`. Types of one name are one type: a clash is refused with the way out.
"""

import enum
from collections.abc import Callable, Mapping
from datetime import time, timedelta
from typing import Any, Literal, get_args, get_origin, get_type_hints
from uuid import UUID

import graphene
import msgspec
from msgspec import NODEFAULT, Struct

from runtime.domain.tables import KINDS, Kind
from runtime.errors import Misconfigured
from runtime.live.schema.reads import Reads
from runtime.live.schema.scalars import JSON, SCALARS
from runtime.live.schema.texts import NAME, camel, described, joined
from runtime.live.schema.views import bare, explained, may_be_none

BUILT_IN = ("Int", "Float", "String", "Boolean", "ID", "BigInt", "DateTime", "Date", "Decimal", "JSON", "PageInfo")
ROOTS = ("Query", "Mutation", "Subscription")
LISTS = (list, tuple, set, frozenset)


class Types:
    """The types of one schema by name, and how its inputs are read back into Python names."""

    def __init__(self) -> None:
        self._made: dict[tuple[Any, str], Any] = {}
        self._owners: dict[str, str] = dict.fromkeys((*BUILT_IN, *ROOTS), "GraphQL itself")
        self.outs: dict[str, dict[str, str]] = {}  # input type -> field -> key in the coerced value

    def claim(self, name: str, owner: str) -> str:
        """The name, if no other type has it; `Misconfigured` names both."""
        if not NAME.match(name):
            raise Misconfigured(f"{owner}: GraphQL has no name like {name!r}: rename it with ASCII letters, digits and underscores")
        if name in self._owners:
            raise Misconfigured(f"{owner} and {self._owners[name]} would both be the GraphQL type {name!r}: rename one of them")
        self._owners[name] = owner
        return name

    def object(self, name: str, fields: Mapping[str, Any], text: str | None, owner: str) -> Any:
        """An object type of fields by GraphQL name."""
        return type(self.claim(name, owner), (graphene.ObjectType,), _body(fields, text))

    def input(self, name: str, fields: Mapping[str, tuple[str, Any]], text: str | None, owner: str) -> Any:
        """An input type of (key in the coerced value, field) by GraphQL name."""
        self.outs[self.claim(name, owner)] = {field: key for field, (key, _) in fields.items()}
        return type(name, (graphene.InputObjectType,), _body({field: item for field, (_, item) in fields.items()}, text))

    def once(self, key: Any, make: Callable[[], Any], side: str = "") -> Any:
        """What was made for this key, made at its first use."""
        found = self._made.get((key, side))
        if found is None:
            found = self._made[key, side] = make()
        return found

    # annotations
    def output(self, annotation: Any, kind: Kind) -> Any:
        """The type that a column is shown as, without its nullability."""
        if kind is not Kind.JSON:
            return self.enum(annotation) or SCALARS[kind]
        return self._output(annotation)

    def _output(self, annotation: Any) -> Any:
        """A type inside a JSON column: whatever GraphQL can say of it."""
        annotation = bare(annotation)
        item = item_of(annotation)
        if item is not None:
            return graphene.List(self._wrapped(item, self._output(item)))
        if isinstance(annotation, type) and issubclass(annotation, Struct) and not annotation.__struct_config__.array_like:
            return self.once(annotation, lambda: _lazy(lambda: self._struct(annotation)), "out")
        return self._scalar(annotation)

    def _wrapped(self, annotation: Any, shown: Any) -> Any:
        return shown if may_be_none(annotation) else graphene.NonNull(shown)

    def _struct(self, struct: type[Struct]) -> Any:
        hints = get_type_hints(struct, include_extras=True)
        text, texts = described(struct, struct.__struct_fields__)
        fields = {}
        for field, name in _named(struct):
            annotation = hints[field.name]
            type_ = self._output(annotation)
            fields[name] = graphene.Field(
                type_ if may_be_none(annotation) else graphene.NonNull(type_),
                name=name,
                description=explained(annotation, texts.get(field.name, "")),
                resolver=Reads(_item_or(field.encode_name, _default(field))),
            )
        return self.object(struct.__name__, fields, text or None, f"class {struct.__module__}.{struct.__name__}")

    def _scalar(self, annotation: Any) -> Any:
        found = self.enum(annotation)
        if found is not None:
            return found
        if get_origin(annotation) is Literal:
            classes = {type(value) for value in get_args(annotation) if value is not None}
            annotation = classes.pop() if len(classes) == 1 else None
        if annotation in KINDS:
            return SCALARS[KINDS[annotation]]
        return graphene.String if annotation in TEXTUAL else JSON

    def enum(self, annotation: Any) -> Any:
        """A StrEnum whose members GraphQL can name, as an enum; None for anything else."""
        found = bare(annotation)
        if not (isinstance(found, type) and issubclass(found, enum.StrEnum)):
            return None
        if not all(NAME.match(name) and name not in ("true", "false", "null") for name in found.__members__):
            return None

        def make() -> Any:
            name = self.claim(found.__name__, f"enum {found.__module__}.{found.__name__}")
            return graphene.Enum.from_enum(found, name=name, description=described(found)[0] or None)

        return self.once(found, make)

    # what is sent
    def sent(self, struct: type[Struct], name: str, *, without: tuple[str, ...] = ()) -> Any:
        """The input type of a struct: what has no default is required."""
        hints = get_type_hints(struct, include_extras=True)
        text, texts = described(struct, struct.__struct_fields__)
        fields = {}
        for field, shown in _named(struct):
            annotation = hints[field.name]
            type_ = self._sent(annotation)
            more = "" if field.required else _told_default(_default(field))
            fields[shown] = (
                field.encode_name,
                graphene.InputField(
                    graphene.NonNull(type_) if field.required and not may_be_none(annotation) else type_,
                    name=shown,
                    description=joined(explained(annotation, texts.get(field.name, "")) or "", more),
                ),
            )
        return self.input(name, fields, text or None, f"class {struct.__module__}.{struct.__name__}")

    def _sent(self, annotation: Any) -> Any:
        annotation = bare(annotation)
        item = item_of(annotation)
        if item is not None:
            return graphene.List(self._wrapped(item, self._sent(item)))
        if isinstance(annotation, type) and issubclass(annotation, Struct) and not annotation.__struct_config__.array_like:
            name = f"{annotation.__name__}Input"
            return self.once(annotation, lambda: _lazy(lambda: self.sent(annotation, name)), "in")
        return self._scalar(annotation)


def _lazy(make: Callable[[], Any]) -> Callable[[], Any]:
    """A type that is made when the schema first asks for it, so that a struct may hold itself. (graphene takes functions for that.)"""
    made: list[Any] = []

    def get() -> Any:
        if not made:
            made.append(make())
        return made[0]

    return get


TEXTUAL = (bytes, bytearray, time, timedelta, UUID)  # text in JSON


def item_of(annotation: Any) -> Any:
    """What a list, set or tuple of one type holds; None for anything else."""
    arguments = get_args(annotation)
    if get_origin(annotation) not in LISTS or not arguments:
        return None
    if get_origin(annotation) is tuple and (len(arguments) != 2 or arguments[1] is not ...):
        return None
    return arguments[0]


def _body(fields: Mapping[str, Any], text: str | None) -> dict[str, Any]:
    """A class body whose attribute names cannot meet those of graphene; the fields carry their GraphQL names."""
    return {f"f{number}": field for number, field in enumerate(fields.values())} | {"Meta": type("Meta", (), {"description": text})}


def _named(struct: type[Struct]) -> list[tuple[Any, str]]:
    """The fields of a struct with their GraphQL names; `Misconfigured` for two of one name."""
    seen: dict[str, str] = {}
    for field in msgspec.structs.fields(struct):
        name = camel(field.encode_name)
        if not NAME.match(name):
            raise Misconfigured(f"{struct.__name__}.{field.name}: GraphQL has no such name: rename the field")
        if name in seen:
            raise Misconfigured(
                f"{struct.__name__}: fields {seen[name]!r} and {field.name!r} are both `{name}` in GraphQL: rename one of them"
            )
        seen[name] = field.name
    return list(zip(msgspec.structs.fields(struct), seen, strict=True))


def _default(field: Any) -> Any:
    """A field's default as JSON; NODEFAULT without one."""
    default = field.default if field.default is not NODEFAULT else field.default_factory
    if default is NODEFAULT:
        return NODEFAULT
    value = default if field.default is not NODEFAULT else default()
    return msgspec.json.decode(msgspec.json.encode(value, enc_hook=repr))


def _told_default(default: Any) -> str:
    return "" if default is None else f"Default: {msgspec.json.encode(default).decode()}."


def _item_or(key: str, default: Any) -> Callable[[Any], Any]:
    return (lambda value: value[key]) if default is NODEFAULT else (lambda value: value.get(key, default))
