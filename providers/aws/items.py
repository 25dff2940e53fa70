"""Rows of the Connections port as DynamoDB items, and back."""

from typing import Any

import msgspec
from msgspec.structs import asdict

from providers.aws.dynamo import Item
from runtime.ports.sockets import Connection, Operation

CONNECTION, OPERATION = ".", "o#"  # sort keys
FAR = 1e11  # a `due` that does not come is not in the index


def item_of(row: Connection | Operation) -> Item:
    """The attributes of a row."""
    return {name: _attribute(value) for name, value in asdict(row).items()}


def sweep_of(due: float, sweep: str) -> Item:
    """The attribute by which the index finds the row, if it is ever due."""
    return {"sweep": {"S": sweep}} if due < FAR else {}


def connection_of(item: Item) -> Connection:
    """A connection's row."""
    return msgspec.convert(_values(item), Connection)


def operation_of(item: Item) -> Operation:
    """An operation's row."""
    return msgspec.convert(_values(item), Operation)


def _attribute(value: Any) -> dict[str, Any]:
    match value:
        case str():
            return {"S": value}
        case bytes():
            return {"B": msgspec.json.encode(value).decode().strip('"')}
        case float() | int():
            return {"N": repr(float(value))}
        case tuple():
            return {"L": [{"S": each} for each in value]}
        case _:
            raise TypeError(type(value).__name__)


def _values(item: Item) -> dict[str, Any]:
    return {name: _value(attribute) for name, attribute in item.items() if name not in ("pk", "sk", "sweep")}


def _value(attribute: dict[str, Any]) -> Any:
    ((kind, value),) = attribute.items()
    match kind:
        case "N":
            return float(value)
        case "B":
            return msgspec.json.decode(f'"{value}"', type=bytes)
        case "L":
            return tuple(each["S"] for each in value)
        case _:
            return value
