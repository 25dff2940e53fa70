"""A cursor: the place in the change log that a subscriber has seen, as short opaque text to come back with.

A group's changes are numbered per shard, so a place is a generation and one number a shard. The numbers are the same for every
subscription of the group and are written once for all of them; in front stands a hash of the subscription, so that a cursor is good for
the rows it was given for and for nothing else.

    base64url( version · 5 bytes of hash │ generation · form · numbers · 3 bytes of checksum )

Without "@", which tells a command's token from a cursor.
"""

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from zlib import crc32

import msgspec
from msgspec import Struct

from runtime.errors import Malformed
from runtime.live.plans import Plan
from runtime.ports import SHARDS

VERSION = 1
HASH_BYTES = 5  # with the version 6 bytes, which are 8 characters: text can be put behind them as it is
CHECK_BYTES = 3
LONGEST = 8_192  # characters; 256 numbers of the longest kind take 3,500
SPARSE, DENSE = 0, 1  # a shard's number behind its name, or a map of shards and then their numbers
DENSE_FROM = 33  # shards, from which on the map is shorter
NUMBER_BITS = 63
_URLSAFE = str.maketrans("-_+/", "+/!!")


class Place(Struct, frozen=True):
    """Everything up to these numbers was seen, in this generation; a shard without a number has none that was."""

    generation: int
    numbers: dict[int, int]


class Positions:
    """Numbers that only go forward, and their text: encoded again only where they moved."""

    __slots__ = ("_parts", "_text", "generation", "numbers")

    def __init__(self, generation: int, numbers: Mapping[int, int] | None = None) -> None:
        self.generation = generation
        self.numbers: dict[int, int] = {shard: number for shard, number in sorted((numbers or {}).items()) if number > 0}
        self._parts: dict[int, bytes] = {shard: _varint(number) for shard, number in self.numbers.items()}  # in the order of the shards
        self._text = ""

    def advance(self, shard: int, number: int) -> None:
        """This shard was seen up to this number; one that is not further does nothing."""
        if number <= self.numbers.get(shard, 0):
            return
        if shard not in self.numbers:
            self._parts = {known: self._parts.get(known, b"") for known in sorted((*self._parts, shard))}
        self.numbers[shard] = number
        self._parts[shard] = _varint(number)
        self._text = ""

    def reached(self, numbers: Mapping[int, int]) -> bool:
        """Whether all of these were seen."""
        own = self.numbers
        return all(own.get(shard, 0) >= number for shard, number in numbers.items())

    def place(self) -> Place:
        """The place, as it is now."""
        return Place(self.generation, dict(self.numbers))

    def text(self) -> str:
        """The second half of a cursor, the same for every subscription of the group."""
        if not self._text:
            parts = self._parts
            if len(parts) < DENSE_FROM:
                numbers = bytes([SPARSE]) + b"".join([bytes([shard]) + part for shard, part in parts.items()])
            else:
                numbers = bytes([DENSE]) + sum(1 << shard for shard in parts).to_bytes(SHARDS // 8, "little") + b"".join(parts.values())
            body = _varint(self.generation) + numbers
            self._text = urlsafe_b64encode(body + _check(body)).decode().rstrip("=")
        return self._text


class Cursors:
    """Writes and reads the cursors of one subscription: of these rows, under these rights, whatever fields are asked of them."""

    __slots__ = ("_head",)

    def __init__(self, app: str, plan: Plan) -> None:
        asked = msgspec.json.encode((app, plan.group, plan.part, plan.where, plan.tenant, plan.key))
        self._head = urlsafe_b64encode(bytes([VERSION]) + blake2b(asked, digest_size=HASH_BYTES).digest()).decode()

    def write(self, positions: Positions) -> str:
        """The cursor of a place."""
        return self._head + positions.text()

    def read(self, cursor: str) -> Place:
        """The place of a cursor; `Malformed` for anything that `write` did not write for this subscription."""
        place = decode(cursor)
        if cursor[: len(self._head)] != self._head:
            raise Malformed("cursor: it belongs to another subscription (other rows, filter or rights): start without one")
        return place


def decode(cursor: str) -> Place:
    """The place of any subscription's cursor; `Malformed` for what is none."""
    try:
        if not cursor or len(cursor) > LONGEST:
            raise ValueError("length")
        raw = b64decode((cursor + "=" * (-len(cursor) % 4)).translate(_URLSAFE), validate=True)
        if raw[0] != VERSION:
            raise Malformed("cursor: of another version of this gateway: start without one")
        body, check = raw[1 + HASH_BYTES : -CHECK_BYTES], raw[-CHECK_BYTES:]
        if _check(body) != check or urlsafe_b64encode(raw).decode().rstrip("=") != cursor:
            raise ValueError("checksum")
        return _place(body)
    except (ValueError, IndexError) as error:
        raise Malformed("cursor: not one that an update of a subscription gave: start without one") from error


def _place(body: bytes) -> Place:
    generation, at = _read(body, 0)
    form, at = body[at], at + 1
    numbers: dict[int, int] = {}
    if form == DENSE:
        there = int.from_bytes(body[at : at + SHARDS // 8], "little")
        at += SHARDS // 8
        for shard in _bits(there):
            numbers[shard], at = _read(body, at)
    elif form == SPARSE:
        last = -1
        while at < len(body):
            shard = body[at]
            if shard <= last:
                raise ValueError("order")
            numbers[shard], at = _read(body, at + 1)
            last = shard
    else:
        raise ValueError("form")
    if at != len(body):
        raise ValueError("length")
    return Place(generation, numbers)


def _bits(there: int) -> Iterator[int]:
    return (shard for shard in range(SHARDS) if there >> shard & 1)


def _check(body: bytes) -> bytes:
    return crc32(body).to_bytes(4)[:CHECK_BYTES]


_SHORT = tuple(bytes((number,)) for number in range(128))


def _varint(number: int) -> bytes:
    """Seven bits a byte, lowest first, the top bit says that more follow."""
    if number < 128:
        return _SHORT[number]
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read(body: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = body[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            break
        shift += 7
    if number >> NUMBER_BITS:
        raise ValueError("number")
    return number, at
