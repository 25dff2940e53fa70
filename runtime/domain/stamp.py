"""A hash of what folds a state: when the code, the schema or an upcaster changes, snapshots and generations made by the old one show it.

A function counts with its bytecode, its constants, what it closes over, and what it names: functions and classes of its own
package, and constants of its module. A class counts with its fields, their types, their defaults and its methods. Formatting,
comments, docstrings and line numbers do not count; another minor version of Python does (its bytecode differs).
"""

import sys
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from types import CodeType, FunctionType
from typing import Annotated, Any, TypeAliasType, get_args, get_origin, get_type_hints

from msgspec import Struct

HAS_DOCSTRING = 0x4000000  # in co_flags since Python 3.14; before, the first constant of every `def` is its docstring or None


def stamp(*things: Any) -> str:
    """Sixteen hex digits of things: functions, message and row classes, structs, plain values; the same in every process."""
    from hashlib import sha256  # loads OpenSSL: a command function without snapshots does without

    digest = sha256()
    for thing in things:
        digest.update(_text(thing, set()).encode())
        digest.update(b"\0")
    return digest.hexdigest()[:16]


def _text(thing: Any, seen: set[int]) -> str:
    match thing:
        case FunctionType():
            return _function(thing, seen)
        case type():
            return _class(thing, seen)
        case TypeAliasType():
            return _text(thing.__value__, seen)
        case Struct():
            fields = ",".join(_text(getattr(thing, name), seen) for name in thing.__struct_fields__)
            return f"{type(thing).__name__}({fields})"
        case tuple() | list():
            return "[" + ",".join([_text(item, seen) for item in thing]) + "]"
        case frozenset() | set():
            return "{" + ",".join(sorted(_text(item, seen) for item in thing)) + "}"
        case dict():
            return "{" + ",".join(f"{_text(key, seen)}:{_text(value, seen)}" for key, value in thing.items()) + "}"
        case str() | bytes() | int() | float() | bool() | None | Decimal() | date() | datetime() | timedelta() | Enum():
            return repr(thing)
        case _:
            return _generic(thing, seen)


def _generic(thing: Any, seen: set[int]) -> str:
    """`list[Line]`, `Line | None` and the like; of anything else only what it is."""
    origin, arguments = get_origin(thing), get_args(thing)
    if origin is None:
        return type(thing).__name__
    if origin is Annotated:
        return f"{_text(arguments[0], seen)}{thing.__metadata__!r}"
    return f"{getattr(origin, '__name__', origin)}[" + ",".join([_text(argument, seen) for argument in arguments]) + "]"


def _class(kind: type, seen: set[int]) -> str:
    if id(kind) in seen or not issubclass(kind, Struct | Enum):
        return kind.__name__
    seen.add(id(kind))
    if issubclass(kind, Enum):
        return f"{kind.__name__}{[(name, member.value) for name, member in kind.__members__.items()]!r}"
    hints = get_type_hints(kind, include_extras=True)
    fields = ",".join([f"{name}:{_text(hints[name], seen)}" for name in kind.__struct_fields__])
    defaults = ",".join([_text(getattr(default, "factory", default), seen) for default in kind.__struct_defaults__])
    methods = ",".join([f"{name}={_method(value, seen)}" for name, value in sorted(vars(kind).items())])
    return f"{kind.__name__}({fields};{defaults};{methods})"


def _method(value: Any, seen: set[int]) -> str:
    """A method, static method, class method or property; of other class attributes nothing."""
    function = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
    return _function(function, seen) if isinstance(function, FunctionType) else ""


def _function(function: FunctionType, seen: set[int]) -> str:
    if id(function) in seen:
        return function.__name__
    seen.add(id(function))
    closed = [cell.cell_contents for cell in function.__closure__ or ()]
    given = [*(function.__defaults__ or ()), *sorted((function.__kwdefaults__ or {}).items()), *closed]
    return _code(function.__code__, function, seen) + _text(given, seen)


def _code(code: CodeType, function: FunctionType, seen: set[int]) -> str:
    parts = [code.co_code.hex(), repr(code.co_varnames)]
    documented = code.co_flags & HAS_DOCSTRING or (sys.version_info < (3, 14) and code.co_name[0] != "<")
    for position, constant in enumerate(code.co_consts):
        if position == 0 and documented and isinstance(constant, str):
            continue
        parts.append(_code(constant, function, seen) if isinstance(constant, CodeType) else _text(constant, seen))
    for name in code.co_names:
        parts.append(name)
        if name in function.__globals__:
            parts.append(_named(function.__globals__[name], function, seen))
    return "|".join(parts)


def _named(found: Any, function: FunctionType, seen: set[int]) -> str:
    """What a function names in its module: our own code by its content, foreign code only by its name."""
    if isinstance(found, FunctionType | type) and found.__module__.partition(".")[0] != function.__module__.partition(".")[0]:
        return found.__name__
    return _text(found, seen)
