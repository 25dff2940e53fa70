"""Between stored bytes and today's message classes: tagged JSON, upcasters, and errors that name the field.

A stream is loaded by decoding all its events in one call; only when that meets something old or unknown does each event take
the slow way through the upcasters.
"""

from collections.abc import Sequence
from typing import Any, Union

import msgspec

from runtime.domain.messages import Command, Event, tag_of
from runtime.domain.upcasts import Raw, Upcast
from runtime.errors import Malformed, Misconfigured

SPLITS = 100  # an upcast chain longer than this is a loop


class UnknownEvent(Malformed):
    """A stored event's type is neither a class nor an upcaster of this app: deploy the code that knows it, or add an `Upcast`."""


class EventCodec:
    """The events of an app, decoded by tag."""

    __slots__ = ("_decoders", "known", "tags", "upcasts")

    def __init__(self, classes: Sequence[type[Event]], upcasts: Sequence[Upcast]) -> None:
        self.tags = {tag_of(event): event for event in classes}
        self.upcasts = {upcast.tag: upcast for upcast in upcasts}
        self.known = frozenset(self.tags) | frozenset(self.upcasts)
        self._decoders = {tag: msgspec.json.Decoder(event) for tag, event in self.tags.items()}
        for tag in self.upcasts:
            if tag in self.tags:
                raise Misconfigured(f"Upcast({tag!r}): {tag} is still a class of the app; give the new class another name or tag")

    def decode(self, tag: str, data: bytes) -> tuple[Event, ...]:
        """The event, or the parts that its upcasters split it into. `UnknownEvent`, or `Malformed` naming the field."""
        decoder = self._decoders.get(tag)
        if decoder is not None:
            try:
                return (decoder.decode(data),)
            except msgspec.MsgspecError as error:
                raise Malformed(f"a stored {tag} does not fit its class: {error}") from error
        if tag not in self.upcasts:
            raise UnknownEvent(f"event type {tag!r} is not known to this app: add an Upcast or deploy the code that knows it")
        raw: Raw = msgspec.json.decode(data)
        return tuple(self._decoders[part["type"]].decode(msgspec.json.encode(part)) for part in self._today(raw))

    def _today(self, raw: Raw) -> list[Raw]:
        """Upcast until every part has the tag of a class."""
        waiting: list[Raw] = [raw]
        done: list[Raw] = []
        for _ in range(SPLITS):
            if not waiting:
                return done
            part = waiting.pop(0)
            tag = part.get("type")
            if tag in self.tags:
                done.append(part)
            elif tag in self.upcasts:
                result = self.upcasts[tag].upcast(part)
                waiting[:0] = result if isinstance(result, list) else [result]
            else:
                raise UnknownEvent(f"an upcaster made event type {tag!r}, which is not known to this app")
        raise Misconfigured(f"Upcast({raw.get('type')!r}): more than {SPLITS} steps, the upcasters go in a circle")


class StreamCodec:
    """The events of one decider, a whole stream at a time."""

    __slots__ = ("_decoder", "_events", "_peek")

    def __init__(self, classes: Sequence[type[Event]], events: EventCodec) -> None:
        self._events = events
        self._decoder: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(list[Union[tuple(classes)]])  # type: ignore[misc]  # noqa: UP007
        self._peek = msgspec.json.Decoder(_Tagged)

    def decode(self, data: list[bytes]) -> list[Any]:
        """All events in order."""
        try:
            return self._decoder.decode(b"[" + b",".join(data) + b"]")
        except msgspec.MsgspecError:
            return [event for one in data for event in self._events.decode(self._peek.decode(one).type, one)]


class _Tagged(msgspec.Struct):
    type: str


class CommandCodec:
    """The commands of an app, decoded from what callers send."""

    __slots__ = ("_decoder", "tags")

    def __init__(self, classes: Sequence[type[Command]]) -> None:
        self.tags = {tag_of(command): command for command in classes}
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Union[tuple(classes)] if classes else None)  # noqa: UP007

    def decode(self, data: bytes) -> Command:
        """The command; `Malformed` names the field that is missing, unknown or of the wrong type, or lists the commands."""
        try:
            command: Command = self._decoder.decode(data)
        except msgspec.ValidationError as error:
            text = str(error)
            if "`$.type`" in text or "field `type`" in text or "Invalid value" in text:
                text = f"{text}; `type` is one of {', '.join(sorted(self.tags))}"
            raise Malformed(f"the command does not fit: {text}") from error
        except msgspec.DecodeError as error:
            raise Malformed(f"the command is not JSON: {error}") from error
        return command


encode = msgspec.json.encode
