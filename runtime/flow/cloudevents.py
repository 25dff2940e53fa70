"""Events on the bus: CloudEvents 1.0, structured mode, one JSON object a message.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md. `id` is `stream@version`, `subject` the stream;
the envelope's own fields are extension attributes (lower-case letters and digits only, as the specification asks).
"""

import msgspec
from msgspec import Raw, Struct

from runtime.errors import Malformed
from runtime.ports import Recorded

MEDIA_TYPE = "application/cloudevents+json; charset=UTF-8"


class CloudEvent(Struct, frozen=True, omit_defaults=True, gc=False):
    """The JSON object; extension attributes follow `data`."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    streamversion: int
    data: Raw
    datacontenttype: str = "application/json"
    time: str | None = None
    idempotencykey: str = ""
    cause: str = ""
    traceparent: str = ""
    epoch: int = 1
    erasuresubject: str = ""
    erasurekeyid: str = ""


_decoder = msgspec.json.Decoder(CloudEvent)
_encode = msgspec.json.Encoder().encode


def to_bus(event: Recorded, source: str) -> bytes:
    """A stored event as a message body; `source` is a URI reference such as /trimaran/shop."""
    return _encode(
        CloudEvent(
            "1.0",
            f"{event.stream}@{event.version}",
            source,
            event.type,
            event.stream,
            event.version,
            Raw(event.data),
            time=event.time or None,
            idempotencykey=event.key,
            cause=event.cause,
            traceparent=event.trace,
            epoch=event.epoch,
            erasuresubject=event.subject,
            erasurekeyid=event.key_id,
        )
    )


def from_bus(body: bytes) -> Recorded:
    """The stored event that a message body carries; `Malformed` for anything else."""
    try:
        event = _decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise Malformed(f"a message on the bus is no CloudEvent of ours: {error}") from error
    return Recorded(
        event.subject,
        event.streamversion,
        event.type,
        bytes(event.data),
        event.idempotencykey,
        event.cause,
        event.traceparent,
        event.time or "",
        event.epoch,
        event.erasuresubject,
        event.erasurekeyid,
    )
