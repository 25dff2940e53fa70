"""A hash of what folds a state: when the code, the schema or an upcaster changes, snapshots and generations made by the old one show it.

A function counts with its bytecode, its constants and the functions of the same module that it calls; formatting, comments and
line numbers do not count. A change in another module does not show: bump something here, or rebuild.
"""

from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from hashlib import sha256
from types import CodeType, FunctionType
from typing import Any

from msgspec import Struct


def stamp(*things: Any) -> str:
    """Sixteen hex digits of things: functions, message and row classes, structs, plain values."""
    digest = sha256()
    for text in (_text(thing, set()) for thing in things):
        digest.update(text.encode())
        digest.update(b"\0")
    return digest.hexdigest()[:16]


def _text(thing: Any, seen: set[int]) -> str:
    match thing:
        case FunctionType():
            return _function(thing, seen)
        case type():
            return _class(thing, seen)
        case Struct():
            fields = ",".join(_text(getattr(thing, name), seen) for name in thing.__struct_fields__)
            return f"{type(thing).__name__}({fields})"
        case tuple() | list():
            return "[" + ",".join(_text(item, seen) for item in thing) + "]"
        case frozenset() | set():
            return "{" + ",".join(sorted(_text(item, seen) for item in thing)) + "}"
        case dict():
            return "{" + ",".join(f"{_text(k, seen)}:{_text(v, seen)}" for k, v in thing.items()) + "}"
        case str() | bytes() | int() | float() | bool() | None | Decimal() | date() | datetime() | timedelta() | Enum():
            return repr(thing)
        case _:
            return type(thing).__name__


def _class(kind: type, seen: set[int]) -> str:
    if id(kind) in seen or not issubclass(kind, Struct):
        return kind.__name__
    seen.add(id(kind))
    annotations = {name: str(value) for name, value in kind.__annotations__.items()}
    return f"{kind.__name__}{annotations}"


def _function(function: FunctionType, seen: set[int]) -> str:
    if id(function) in seen:
        return function.__name__
    seen.add(id(function))
    return _code(function.__code__, function, seen)


def _code(code: CodeType, function: FunctionType, seen: set[int]) -> str:
    parts = [code.co_code.hex(), repr(code.co_varnames)]
    for constant in code.co_consts:
        parts.append(_code(constant, function, seen) if isinstance(constant, CodeType) else _text(constant, seen))
    for name in code.co_names:
        called = function.__globals__.get(name)
        parts.append(name)
        if isinstance(called, FunctionType) and called.__module__ == function.__module__:
            parts.append(_function(called, seen))
        elif isinstance(called, type) and called.__module__ == function.__module__:
            parts.append(_class(called, seen))
    return "|".join(parts)
