"""Between a part's row struct and the columns of a read store, and the JSON that travels in changes and signals."""

from collections.abc import Sequence
from typing import Any, get_type_hints

import msgspec
from msgspec import Struct

from runtime.domain.tables import Column, Kind, Value, columns_of


class RowCodec[R: Struct]:
    """Row structs as tuples of values in column order."""

    __slots__ = ("_converted", "_decoders", "columns", "row")

    def __init__(self, row: type[R]) -> None:
        self.row = row
        self.columns = columns_of(row)
        hints = get_type_hints(row)
        self._decoders = [msgspec.json.Decoder(hints[column.name]) if column.kind is Kind.JSON else None for column in self.columns]
        enums = [
            isinstance(hints[column.name], type) and column.kind is Kind.TEXT and hints[column.name] is not str for column in self.columns
        ]
        self._converted = [
            (position, column.kind, hints[column.name])
            for position, column in enumerate(self.columns)
            if column.kind is Kind.JSON or enums[position]
        ]

    def values(self, row: R) -> tuple[Value, ...]:
        """The row's columns."""
        values = msgspec.structs.astuple(row)
        if not self._converted:
            return values
        changed = list(values)
        for position, kind, _ in self._converted:
            value = changed[position]
            changed[position] = msgspec.json.encode(value).decode() if kind is Kind.JSON else value and str(value)
        return tuple(changed)

    def struct(self, values: Sequence[Value]) -> R:
        """The row of these columns."""
        if not self._converted:
            return self.row(*values)
        changed: list[Any] = list(values)
        for position, kind, hint in self._converted:
            value = changed[position]
            decoder = self._decoders[position]
            if kind is Kind.JSON and decoder is not None:
                changed[position] = decoder.decode(value)
            elif value is not None:
                changed[position] = msgspec.convert(value, hint)
        return self.row(*changed)


def as_json(columns: Sequence[Column], values: Sequence[Value] | None) -> dict[str, Any] | None:
    """A row as a JSON object by column name, JSON columns embedded as they are."""
    if values is None:
        return None
    return {
        column.name: msgspec.Raw(value.encode()) if column.kind is Kind.JSON and isinstance(value, str) else value
        for column, value in zip(columns, values, strict=True)
    }


def changed(columns: Sequence[Column], before: Sequence[Value] | None, after: Sequence[Value] | None) -> tuple[bytes, bytes]:
    """`before` (only the fields that differ from `after`) and `after` as JSON objects; b"" where there was or is no row."""
    if before is None:
        return b"", b"" if after is None else msgspec.json.encode(as_json(columns, after))
    if after is None:
        return msgspec.json.encode(as_json(columns, before)), b""
    differing = [position for position in range(len(columns)) if before[position] != after[position]]
    old = as_json([columns[position] for position in differing], [before[position] for position in differing])
    return msgspec.json.encode(old), msgspec.json.encode(as_json(columns, after))
