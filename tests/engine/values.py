"""Properties as the engine sends them, and objects as Kubernetes reads them.

In a preview some values are not known yet. Kubernetes is asked to judge the object all the same: an unknown text stands in as `unknown1`, which
is a valid name, label, image and base64 at once.
"""

import base64
from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format, struct_pb2
from pulumi.runtime.rpc import UNKNOWN

from tests.engine.kube import Object

STAND_IN = "unknown1"
IDENTITY = ("apiVersion", "kind")


def plain(properties: struct_pb2.Struct) -> Object:
    """A struct as JSON data: whole numbers are integers again, and what is null is not there."""
    told: Object = _whole(json_format.MessageToDict(properties))
    return told


def _whole(value: Any) -> Any:
    match value:
        case dict():
            return {key: _whole(each) for key, each in value.items() if each is not None}
        case list():
            return [_whole(each) for each in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


def struct(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """JSON data as a struct."""
    made = struct_pb2.Struct()
    made.update(dict(properties))
    return made


def unknown(value: Any) -> bool:
    """Whether something in it is not known yet."""
    match value:
        case dict():
            return any(unknown(each) for each in value.values())
        case list():
            return any(unknown(each) for each in value)
        case _:
            return bool(value == UNKNOWN)


def stood_in(value: Any) -> Any:
    """The same with stand-ins for what is unknown."""
    match value:
        case dict():
            return {key: stood_in(each) for key, each in value.items()}
        case list():
            return [stood_in(each) for each in value]
        case _:
            return STAND_IN if value == UNKNOWN else value


def addressable(thing: Object) -> bool:
    """Whether it is known which object is meant: without that not even Kubernetes can judge it."""
    about = thing.get("metadata")
    return isinstance(about, dict) and not unknown([thing.get(key) for key in IDENTITY] + [about.get("name"), about.get("namespace")])


def declared(properties: Object) -> Object:
    """The object that a program declares: texts of a Secret are its data, and what nobody may set is not said."""
    thing = {key: value for key, value in properties.items() if key not in ("__defaults", "status")}
    if thing.get("kind") == "Secret" and isinstance(thing.get("stringData"), dict):
        texts = {key: _base64(value) for key, value in thing.pop("stringData").items()}
        thing["data"] = {**(thing.get("data") or {}), **texts}
    return thing


def _base64(value: str) -> str:
    return value if value == UNKNOWN else base64.b64encode(value.encode()).decode()


def recorded(live: Object) -> Object:
    """What the state keeps of an object: everything but the bookkeeping of who owns which field."""
    about = {key: value for key, value in live["metadata"].items() if key != "managedFields"}
    return {**live, "metadata": about}


def foreseen(judged: Object) -> Object:
    """What a preview says of an object: what only the real one knows is unknown or left out.

    Metadata of a Secret or ConfigMap is unknown as a whole, for their resourceVersion is how readers are started anew; of other objects it is
    known, for programs take names from it.
    """
    told = {key: value for key, value in recorded(judged).items() if key != "status"}
    if told["kind"] in ("Secret", "ConfigMap"):
        return told | {"metadata": UNKNOWN}
    late = ("uid", "resourceVersion", "creationTimestamp", "generation")
    return told | {"metadata": {key: value for key, value in told["metadata"].items() if key not in late}}
