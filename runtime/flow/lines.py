"""The lines of an export: JSON objects told apart by `line`, and how they stand for what a store keeps."""

from datetime import datetime
from typing import Any

import msgspec
from msgspec import Raw, Struct

from runtime.errors import Malformed
from runtime.ports import KeptKey, Output, Recorded

FORMAT = 1


class About(Struct, frozen=True, tag="about", tag_field="line"):
    """The first line."""

    app: str
    epoch: int
    format: int = FORMAT


class EventLine(Struct, frozen=True, tag="event", tag_field="line", omit_defaults=True):
    """A stored event; `data` is its JSON as it is."""

    stream: str
    version: int
    type: str
    data: Raw
    key: str = ""
    cause: str = ""
    trace: str = ""
    time: str = ""
    epoch: int = 1
    subject: str = ""
    key_id: str = ""


class KeyLine(Struct, frozen=True, tag="key", tag_field="line"):
    """An idempotency key and the answer it was given."""

    stream: str
    key: str
    digest: bytes
    first: int
    last: int
    epoch: int = 1


class OutputLine(Struct, frozen=True, tag="output", tag_field="line", omit_defaults=True):
    """A saga's command or timer on its way."""

    saga: str
    key: str
    stream: str
    version: int
    n: int
    command: Raw
    tenant: str = ""
    due: datetime | None = None
    tries: int = 0
    error: str = ""
    stuck: bool = False


class EndLine(Struct, frozen=True, tag="end", tag_field="line"):
    """The last line: what the whole file holds."""

    events: int
    keys: int
    outputs: int


type Line = About | EventLine | KeyLine | OutputLine | EndLine

encode = msgspec.json.Encoder().encode
_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(About | EventLine | KeyLine | OutputLine | EndLine)


def read_line(line: bytes, number: int) -> Line:
    """One line; `Malformed` names it and says what does not fit."""
    try:
        read: Line = _decoder.decode(line)
    except msgspec.MsgspecError as error:
        raise Malformed(f"line {number:,} is no line of an export: {error}") from error
    return read


def event_line(event: Recorded) -> EventLine:
    """A stored event as a line."""
    return EventLine(
        event.stream,
        event.version,
        event.type,
        Raw(event.data),
        event.key,
        event.cause,
        event.trace,
        event.time,
        event.epoch,
        event.subject,
        event.key_id,
    )


def recorded(line: EventLine) -> Recorded:
    """A line as the event to store."""
    return Recorded(
        line.stream,
        line.version,
        line.type,
        bytes(line.data),
        line.key,
        line.cause,
        line.trace,
        line.time,
        line.epoch,
        line.subject,
        line.key_id,
    )


def kept(line: KeyLine) -> KeptKey:
    """A line as the key to keep."""
    return KeptKey(line.stream, line.key, line.digest, line.first, line.last, line.epoch)


def output_line(output: Output) -> OutputLine:
    """A pending output as a line."""
    return OutputLine(
        output.saga,
        output.key,
        output.stream,
        output.version,
        output.n,
        Raw(output.command),
        output.tenant,
        output.due,
        output.tries,
        output.error,
        output.stuck,
    )


def output(line: OutputLine) -> Output:
    """A line as the output to keep; it is due as it was, its tries count on."""
    return Output(
        line.saga,
        line.key,
        line.stream,
        line.version,
        line.n,
        bytes(line.command),
        line.tenant,
        line.due,
        0,
        line.tries,
        line.error,
        line.stuck,
    )
