"""What a message may carry: values that every store and every language on the way can hold, refused where they enter.

A 65-bit integer, a NUL character or half a surrogate pair is fine in Python and in JSON, and would be a poison much later: in a
column of a read database, for a whole batch. So commands and events are looked through once, before anything is stored.
"""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from types import NoneType
from typing import Any

from msgspec import Struct
from msgspec.structs import astuple

from runtime.errors import Malformed

LEAST, GREATEST = -(2**63), 2**63 - 1  # a bigint column
HARMLESS = frozenset((bool, NoneType, date))
DIGITS = 38  # on either side of the decimal point: what DynamoDB, BigQuery and every SQL numeric can hold


def check_values(message: Struct) -> None:
    """`Malformed` naming the field whose value not every store can hold. Runs for every message, so the frequent types come first."""
    for position, value in enumerate(astuple(message)):
        kind = type(value)
        if kind is str:
            if "\0" in value or not value.isascii():
                _text(value, message.__struct_fields__[position])
        elif kind is int:
            if not LEAST <= value <= GREATEST:
                raise Malformed(_too_big(message.__struct_fields__[position]))
        elif kind is datetime:
            if value.tzinfo is None:
                raise Malformed(_zoneless(message.__struct_fields__[position]))
        elif kind not in HARMLESS:
            _look(value, message.__struct_fields__[position])


def _look(value: Any, where: str) -> None:
    """The same for what is rarer, and for what is inside containers and structs."""
    if isinstance(value, str):
        _text(value, where)
    elif isinstance(value, datetime):
        if value.tzinfo is None:
            raise Malformed(_zoneless(where))
    elif isinstance(value, Decimal):
        _decimal(value, where)
    elif isinstance(value, int):
        if not LEAST <= value <= GREATEST:
            raise Malformed(_too_big(where))
    elif isinstance(value, float):
        if value - value != 0.0:
            raise Malformed(f"`{where}` is {value}: only finite numbers can be stored")
    elif isinstance(value, Struct):
        for name in value.__struct_fields__:
            _look(getattr(value, name), f"{where}.{name}")
    elif isinstance(value, dict):
        _all(value.keys(), where)
        for key, item in value.items():
            _look(item, f"{where}.{key}")
    elif isinstance(value, list | tuple | set | frozenset):
        _all(value, where)


def _all(values: Iterable[Any], where: str) -> None:
    for position, value in enumerate(values):
        _look(value, f"{where}[{position}]")


def _text(value: str, where: str) -> None:
    if "\0" in value:
        raise Malformed(f"`{where}` holds a NUL character, which not every store can hold: leave it out")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Malformed(f"`{where}` holds half a surrogate pair, which is no character: leave it out") from None


def _decimal(value: Decimal, where: str) -> None:
    if not value.is_finite():
        raise Malformed(f"`{where}` is {value}: only finite numbers can be stored")
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    if exponent < -DIGITS or (value and value.adjusted() >= DIGITS):
        raise Malformed(f"`{where}` has more than {DIGITS} digits before or after the point: round it, or carry it as text")


def _zoneless(where: str) -> str:
    return f"`{where}` is a time without a zone: write 2026-01-31T12:00:00Z or an offset"


def _too_big(where: str) -> str:
    return f"`{where}` does not fit a 64-bit integer: carry it as text or as a Decimal"
