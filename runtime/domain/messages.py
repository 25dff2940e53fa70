"""Commands and events: frozen, final, typed structs that travel as tagged JSON.

A message class is marked `@final` so that a `match` over a union of messages is exhaustive to a type checker, and a case that
can never match is an error there. The tag is the class name; it is what stores keep, so renaming a class needs an `Upcast`.

Messages are not tracked by the garbage collector (`gc=False`): what was decoded from JSON or made of frozen values holds no cycle.
"""

from collections.abc import Callable
from types import FunctionType, UnionType
from typing import Annotated, Any, Literal, NewType, TypeAliasType, Union, dataclass_transform, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from runtime.errors import Misconfigured


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Command(Struct, frozen=True, tag=True, tag_field="type", forbid_unknown_fields=True, gc=False):
    """What somebody wants: imperative (`PlaceOrder`). The field named like its decider's category finds the stream."""


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Event(Struct, frozen=True, tag=True, tag_field="type", forbid_unknown_fields=True, gc=False):
    """What happened: past tense (`OrderPlaced`)."""


type Message = Command | Event


def tag_of(message: type[Message]) -> str:
    """The tag that stands in the JSON of this class and in the store's type column."""
    tag = message.__struct_config__.tag
    assert isinstance(tag, str)
    return tag


def classes_in(annotation: Any) -> tuple[type, ...]:
    """The classes of a union, an alias of one, or a single class; none for a generic such as `list[str]`."""
    if isinstance(annotation, TypeAliasType):
        return classes_in(annotation.__value__)
    if isinstance(annotation, NewType):
        return classes_in(annotation.__supertype__)
    if get_origin(annotation) is Annotated:
        return classes_in(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return tuple(dict.fromkeys(type(value) for value in get_args(annotation)))
    if get_origin(annotation) is Union or isinstance(annotation, UnionType):
        return tuple(found for member in get_args(annotation) for found in classes_in(member))
    if isinstance(annotation, type):
        return (annotation,)
    return ()


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of a plain function, resolved; `Misconfigured` names the function whose annotations cannot be."""
    if not isinstance(function, FunctionType):
        raise Misconfigured(f"{function!r} is not a plain function: give the part a `def`")
    try:
        return get_type_hints(function)
    except (NameError, TypeError) as error:
        where = f"{function.__module__}.{function.__qualname__}"
        raise Misconfigured(f"{where}: its annotations cannot be resolved ({error}); define those names in the module") from error


def messages_of(function: Callable[..., Any], position: int, kind: type[Command] | type[Event]) -> tuple[type[Any], ...]:
    """The message classes that a function's parameter is annotated with; `Misconfigured` names what does not fit."""
    hints = hints_of(function)
    names = list(function.__code__.co_varnames[: function.__code__.co_argcount])
    where = f"{function.__module__}.{function.__qualname__}"
    if position >= len(names) or names[position] not in hints:
        raise Misconfigured(f"{where}: annotate parameter {position + 1} with the {kind.__name__.lower()}s it takes")
    classes = classes_in(hints[names[position]])
    for message in classes:
        if not issubclass(message, kind) or message is kind:
            raise Misconfigured(
                f"{where}: parameter {names[position]!r} takes {message.__name__}, which is not one of the {kind.__name__}s"
            )
        if not getattr(message, "__final__", False):
            raise Misconfigured(f"{message.__module__}.{message.__name__}: mark the message class with @final")
    if not classes:
        raise Misconfigured(f"{where}: parameter {names[position]!r} names no {kind.__name__.lower()} class")
    return classes


def check_fields(message: type[Any], fields: tuple[str, ...], wanted_by: str) -> None:
    """`Misconfigured` unless the message class has these fields."""
    for name in fields:
        if name not in message.__struct_fields__:
            raise Misconfigured(f"{wanted_by} needs a field {name!r} that {message.__name__} does not have")
