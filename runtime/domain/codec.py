"""Between stored bytes and today's message classes: tagged JSON, upcasters, and errors that name the field.

A stream is loaded by decoding all its events in one call; only when that meets something old or unknown does each event take
the slow way through the upcasters.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Union

import msgspec

from runtime.domain.messages import Command, Event, tag_of
from runtime.domain.upcasts import Raw, Upcast
from runtime.domain.values import check_values
from runtime.errors import Malformed, Misconfigured

SPLITS = 100  # an upcast chain longer than this is a loop


class UnknownEvent(Malformed):
    """A stored event's type is neither a class nor an upcaster of this app: deploy the code that knows it, or add an `Upcast`."""


class _Untagged(msgspec.Struct, tag="", tag_field="type"):
    """Joins every union that is decoded, so that a union of one class asks for its tag as well."""


def _union(classes: Iterable[type[Any]]) -> Any:
    """The union of message classes that are known at run time only."""
    return Union.__getitem__((*classes, _Untagged))


class _Tagged(msgspec.Struct):
    type: str


class EventCodec:
    """The events of an app, decoded by tag."""

    __slots__ = ("_decoders", "_whole", "known", "tags", "upcasts")

    def __init__(self, classes: Sequence[type[Event]], upcasts: Sequence[Upcast]) -> None:
        self.tags = {tag_of(event): event for event in classes}
        self.upcasts = {upcast.tag: upcast for upcast in upcasts}
        self.known = frozenset(self.tags) | frozenset(self.upcasts)
        self._decoders: dict[str, msgspec.json.Decoder[Any]] = {}  # made when a tag is first met: a command meets few
        self._whole: msgspec.json.Decoder[list[Any]] | None = None
        if len(self.upcasts) < len(upcasts):
            raise Misconfigured(f"two Upcasts share a tag: {', '.join(sorted(upcast.tag for upcast in upcasts))}")
        for tag in self.upcasts:
            if tag in self.tags:
                raise Misconfigured(f"Upcast({tag!r}): {tag} is still a class of the app; give the new class another name or tag")

    def decode_all(self, tags: Sequence[str], data: Sequence[bytes]) -> list[Event] | None:
        """Many events in one call; None when one of them is old, unknown or damaged, and each has to be looked at alone."""
        if self._whole is None:
            self._whole = msgspec.json.Decoder(list.__class_getitem__(_union(self.tags.values())))
        try:
            events: list[Event] = self._whole.decode(b"[" + b",".join(data) + b"]")
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
        classes = self.tags
        if len(events) != len(data) or any(classes.get(tag) is not type(event) for tag, event in zip(tags, events, strict=True)):
            return None
        return events

    def decode(self, tag: str, data: bytes) -> tuple[Event, ...]:
        """The event, or the parts that its upcasters split it into. `UnknownEvent`, or `Malformed` naming the field."""
        decoder = self._decoders.get(tag)
        if decoder is not None:  # the usual way, kept short
            try:
                return (decoder.decode(data),)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise Malformed(f"a stored {tag} does not fit its class: {error}") from error
        if tag in self.tags:
            return (self._one(tag, data),)
        if tag not in self.upcasts:
            raise UnknownEvent(f"event type {tag!r} is not known to this app: add an Upcast or deploy the code that knows it")
        try:
            raw = msgspec.json.decode(data, type=Raw)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Malformed(f"a stored {tag} is no JSON object: {error}") from error
        return tuple([self._one(part["type"], msgspec.json.encode(part)) for part in self._today(tag, raw)])

    def _one(self, tag: str, data: bytes) -> Event:
        decoder = self._decoders.get(tag)
        if decoder is None:
            decoder = self._decoders[tag] = msgspec.json.Decoder(self.tags[tag])
        try:
            event: Event = decoder.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Malformed(f"a stored {tag} does not fit its class: {error}") from error
        return event

    def _today(self, first: str, raw: Raw) -> list[Raw]:
        """Upcast until every part has the tag of a class."""
        waiting: list[Raw] = [raw | {"type": first}]
        done: list[Raw] = []
        for _ in range(SPLITS):
            if not waiting:
                return done
            part = waiting.pop(0)
            tag = part.get("type")
            if tag in self.tags:
                done.append(part)
            elif isinstance(tag, str) and tag in self.upcasts:
                waiting[:0] = self._upcast(tag, part)
            else:
                raise UnknownEvent(f"Upcast({first!r}) made event type {tag!r}, which is not known to this app")
        raise Malformed(f"Upcast({first!r}): more than {SPLITS} steps, the upcasters go in a circle")

    def _upcast(self, tag: str, part: Raw) -> list[Raw]:
        try:
            result = self.upcasts[tag].upcast(part)
        except Exception as error:
            raise Malformed(f"Upcast({tag!r}) failed on a stored event: {type(error).__name__}: {error}") from error
        return result if isinstance(result, list) else [result]


class StreamCodec:
    """The events of one decider, a whole stream at a time."""

    __slots__ = ("_category", "_classes", "_decoder", "_events", "_peek")

    def __init__(self, classes: Sequence[type[Event]], events: EventCodec, category: str = "") -> None:
        self._events = events
        self._category = category
        self._classes = frozenset(classes)
        self._decoder: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(list.__class_getitem__(_union(classes)))
        self._peek = msgspec.json.Decoder(_Tagged)

    def decode(self, data: Sequence[bytes]) -> list[Any]:
        """All events in order. `UnknownEvent` or `Malformed` says which of them, counted from 1, cannot be decoded."""
        try:
            events = self._decoder.decode(b"[" + b",".join(data) + b"]")
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return self._one_by_one(data)
        return events if len(events) == len(data) else self._one_by_one(data)

    def _one_by_one(self, data: Sequence[bytes]) -> list[Any]:
        events: list[Any] = []
        for number, one in enumerate(data, 1):
            try:
                found = self._events.decode(self._peek.decode(one).type, one)
            except Malformed as error:
                raise type(error)(f"event {number} of {len(data)} loaded from a {self._category!r} stream: {error}") from error
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise Malformed(f"event {number} of {len(data)} loaded from a {self._category!r} stream is no event: {error}") from error
            for event in found:
                if type(event) not in self._classes:
                    raise Malformed(
                        f"event {number} of {len(data)} loaded from a {self._category!r} stream is a {type(event).__name__}, "
                        "which evolve does not take: handle it there, or upcast it to one that it takes"
                    )
            events += found
        return events


class CommandCodec:
    """The commands of an app, decoded from what callers send."""

    __slots__ = ("_decoder", "tags")

    def __init__(self, classes: Sequence[type[Command]]) -> None:
        self.tags = {tag_of(command): command for command in classes}
        self._decoder: msgspec.json.Decoder[Any] | None = None

    def decode(self, data: bytes) -> Command:
        """The command; `Malformed` names the field that is missing, unknown or of the wrong type, or lists the commands."""
        if self._decoder is None:
            self._decoder = msgspec.json.Decoder(_union(self.tags.values()))
        try:
            command = self._decoder.decode(data)
        except msgspec.ValidationError as error:
            raise Malformed(f"the command does not fit: {self._explained(str(error), data)}") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Malformed(f"the command is not JSON: {error}; write it like {self._example()}") from error
        if not isinstance(command, Command):
            raise Malformed(f"the command does not fit: {self._explained('`type` is empty - at `$.type`', data)}")
        check_values(command)
        return command

    def _explained(self, text: str, data: bytes) -> str:
        """With the list of commands where the tag is what is wrong, and of the command's fields where one is missing or too many."""
        if "`$.type`" in text or text.endswith("field `type`"):
            return f"{text}; `type` is one of {', '.join(sorted(self.tags))}"
        if not text.startswith("Object ") or " - at `" in text:  # a wrong type says all itself; a field inside a field is its own matter
            return f"{text}; write it like {self._example()}" if text.startswith("Expected `object`") else text
        try:
            tag = msgspec.json.decode(data, type=_Tagged).type
            return f"{text}; {tag} has {', '.join(self.tags[tag].__struct_fields__)}"
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError):  # damaged behind the fault, or with two types
            return text

    def _example(self) -> str:
        """What a command looks like: the type, and the fields of one."""
        tag, command = min(self.tags.items())
        return '{"type": "' + tag + '", ' + ", ".join(f'"{name}": …' for name in command.__struct_fields__) + "}"


def encode(message: Command | Event) -> bytes:
    """A message as tagged JSON; `Malformed` names a field whose value not every store can hold."""
    check_values(message)
    return msgspec.json.encode(message)
