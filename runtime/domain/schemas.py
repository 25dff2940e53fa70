"""The message schemas of an app as plain data, and what makes a new version of them unable to read what an old one wrote.

Events are kept for ever and commands are sent by clients of last year, so the schemas are committed as a golden file and compared:
what old bytes no longer fit is a failing test whose sentences name the way out.
"""

from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NewType, TypeAliasType, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import NODEFAULT, Meta, Struct

from runtime.domain.app import App
from runtime.domain.messages import tag_of

type Schema = dict[str, Any]


def schemas(app: App) -> Schema:
    """`{"events": {tag: {"category", "fields": {name: {"type", "required", "default"?}}}}, "commands": {…}, "types": {…}, "upcasts": […]}`."""
    types: Schema = {}
    events: Schema = {}
    commands: Schema = {}
    for name, plan in app.plans.items():
        for found, messages in ((events, plan.events), (commands, plan.commands)):
            for message in messages:
                found[tag_of(message)] = {"category": name, "id": plan.decider.id_field, "fields": _fields(message, types)}
    return {
        "app": app.name,
        "events": dict(sorted(events.items())),
        "commands": dict(sorted(commands.items())),
        "types": dict(sorted(types.items())),
        "upcasts": sorted(app.events.upcasts),
    }


def _fields(struct: type[Struct], types: Schema) -> Schema:
    hints = get_type_hints(struct, include_extras=True)
    fields: Schema = {}
    for field in msgspec.structs.fields(struct):
        shown: dict[str, Any] = {"type": sorted(_members(hints[field.name], types)), "required": field.required}
        if field.default is not NODEFAULT:
            shown["default"] = _as_json(field.default)
        elif field.default_factory is not NODEFAULT:
            shown["default"] = _as_json(field.default_factory())
        fields[field.encode_name] = shown
    return fields


def _as_json(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value, enc_hook=repr))


def _members(annotation: Any, types: Schema) -> set[str]:
    """What a field may hold: one text per member of a union; structs and enums are described once, in `types`."""
    if isinstance(annotation, TypeAliasType):
        return _members(annotation.__value__, types)
    if isinstance(annotation, NewType):
        return _members(annotation.__supertype__, types)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        limits = ",".join(_limits(meta) for meta in arguments[1:] if isinstance(meta, Meta))
        return {f"{member}({limits})" if limits and member != "null" else member for member in _members(arguments[0], types)}
    if origin is Union or isinstance(annotation, UnionType):
        return {member for argument in arguments for member in _members(argument, types)}
    if origin is Literal:
        return {repr(argument) for argument in arguments}
    if origin is not None:
        inside = ",".join("|".join(sorted(_members(argument, types))) for argument in arguments)
        return {f"{getattr(origin, '__name__', origin)}[{inside}]"}
    if annotation in (None, NoneType):
        return {"null"}
    if isinstance(annotation, type):
        return {_class(annotation, types)}
    return {"..." if annotation is ... else str(annotation)}


def _class(kind: type, types: Schema) -> str:
    name = kind.__name__
    if name not in types and issubclass(kind, Struct):
        types[name] = {}  # it may hold itself
        types[name] = {"fields": _fields(kind, types)}
    elif name not in types and issubclass(kind, Enum):
        types[name] = {"values": sorted(str(member.value) for member in kind)}
    return name


def _limits(meta: Meta) -> str:
    return ",".join(
        f"{name}={getattr(meta, name)!r}"
        for name in ("gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length", "tz")
        if getattr(meta, name) is not None
    )


def incompatible(old: Schema, new: Schema) -> list[str]:
    """Why `new` cannot read what was written as `old`: sentences, each with its way out; empty when it can."""
    return [*_events(old, new), *_commands(old, new), *_types(old, new)]


def _events(old: Schema, new: Schema) -> list[str]:
    found = []
    known = set(new["events"]) | set(new["upcasts"])
    for tag in old["upcasts"]:
        if tag not in known:
            found.append(f"Upcast({tag!r}) is gone, but events stored with that tag are not: keep it")
    for tag, before in old["events"].items():
        after = new["events"].get(tag)
        if after is None:
            if tag not in known:
                found.append(f"event {tag} is gone, but stored ones are not: add Upcast({tag!r}, …) to an event that is still there")
            continue
        out = f"leave {tag} as it was stored: make a class with a new tag and add Upcast({tag!r}, …)"
        for item in ("category", "id"):
            if before[item] != after[item]:
                found.append(f"event {tag} moved from {item} {before[item]!r} to {after[item]!r}, its streams did not: {out}")
        found += _differences(f"event {tag}", before["fields"], after["fields"], out)
        found += [
            f"event {tag}: the default of {name!r} changed from {was['default']!r} to {now.get('default')!r}, which changes what "
            f"stored events without it mean: {out}"
            for name, was in before["fields"].items()
            for now in [after["fields"].get(name, was)]
            if "default" in was and not now["required"] and was["default"] != now.get("default")
        ]
    return found


def _commands(old: Schema, new: Schema) -> list[str]:
    found = []
    for tag, before in old["commands"].items():
        out = f"keep {tag} for the clients that send it, and add a command with a new name"
        if tag not in new["commands"]:
            found.append(f"command {tag} is gone: {out}")
        else:
            found += _differences(f"command {tag}", before["fields"], new["commands"][tag]["fields"], out)
    return found


def _types(old: Schema, new: Schema) -> list[str]:
    """Structs and enums inside messages; one that is no longer named shows where it was used."""
    found = []
    for name, before in old["types"].items():
        after = new["types"].get(name)
        if after is None:
            continue
        out = f"make a type with a new name, use it in messages with a new tag, and add an Upcast for each that held {name}"
        for value in sorted(set(before.get("values", ())) - set(after.get("values", ()))):
            found.append(f"type {name}: the value {value!r} is gone, but stored messages hold it: {out}")
        found += _differences(f"type {name}", before.get("fields", {}), after.get("fields", {}), out)
    return found


def _differences(where: str, old: Schema, new: Schema, out: str) -> list[str]:
    found = []
    for name, before in old.items():
        after = new.get(name)
        if after is None:
            found.append(f"{where}: field {name!r} is gone (removed or renamed), so old ones are refused as having an unknown field: {out}")
            continue
        lost = [member for member in before["type"] if not _held(member, after["type"])]
        if lost:
            found.append(f"{where}: field {name!r} no longer takes {' or '.join(lost)}, only {' or '.join(after['type'])}: {out}")
        if after["required"] and not before["required"]:
            found.append(f"{where}: field {name!r} was optional and is required now: give it a default, or {out}")
    for name, after in new.items():
        if name not in old and after["required"]:
            found.append(f"{where}: the new field {name!r} is required, which old ones do not have: give it a default, or {out}")
    return found


def _held(member: str, new: list[str]) -> bool:
    """A member is still taken as it is, or without the limits that it had; a literal also as any value of its type."""
    if member[:1] in "'\"":
        return member in new or "str" in new
    return member in new or member.partition("(")[0] in new
