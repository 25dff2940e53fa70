"""Law 5 in code: what the smallest cloud cannot hold is refused here, by every provider alike, before anything is written.

One pure module, so that an application that runs on one store can always move to another.
"""

from collections.abc import Sequence

from runtime.errors import LimitExceeded, Malformed
from runtime.ports import Append, KeptKey, Limits, Recorded

_TEXT_LIMIT = Limits.characters_per_property
_SURELY_SHORT = min(Limits.stream_characters, Limits.key_characters) // 2  # code points; each is at most two characters of UTF-16
_USUAL = _TEXT_LIMIT // 2


def check_append(append: Append) -> None:
    """Raise `LimitExceeded` or `Malformed` for an append that some cloud could not hold."""
    stream, key, cause, trace, time, events = append.stream, append.key, append.cause, append.trace, append.time, append.events
    texts = stream + key + cause + trace + time
    # The usual append passes with one look at its texts: printable means no control character, NUL or surrogate.
    if not (0 < len(stream) <= _SURELY_SHORT and 0 < len(key) <= _SURELY_SHORT and len(texts) <= _USUAL and texts.isprintable()):
        check_stream(stream)
        check_key(key)
        _check_envelope(cause, trace, time)
    if not events:
        return
    if len(events) > Limits.events_per_append:
        raise LimitExceeded("events of one append", len(events), Limits.events_per_append, "let the command decide fewer events")
    shared, total = _bytes(texts), 0
    for event in events:
        if not (0 < len(event.type) <= _USUAL and event.type.isprintable()):
            check_text("event type", event.type, _TEXT_LIMIT)
        size = len(event.data) + len(event.type) + shared
        if size > Limits.bytes_per_event:
            _check_event_bytes(event.type, size)
        total += size
    if total > Limits.bytes_per_append:
        raise LimitExceeded("bytes of one append", total, Limits.bytes_per_append, "let the command decide fewer or smaller events")


def check_restore(events: Sequence[Recorded], keys: Sequence[KeptKey]) -> None:
    """The same for imported events and keys, one by one (their appends are not known any more)."""
    for event in events:
        check_stream(event.stream)
        check_text("event type", event.type, _TEXT_LIMIT)
        for what, text in (("key", event.key), ("subject", event.subject), ("key_id", event.key_id)):
            if text:
                check_text(what, text, Limits.key_characters)
        _check_envelope(event.cause, event.trace, event.time)
        if event.version < 1:
            raise Malformed(f"version of {event.stream!r} is {event.version}: versions count from 1")
        envelope = len(event.cause) + len(event.trace) + len(event.time)
        _check_event_bytes(event.type, len(event.data) + len(event.type) + _bytes(event.stream) + _bytes(event.key) + envelope)
    for key in keys:
        check_stream(key.stream)
        check_key(key.key)


def check_stream(stream: str) -> None:
    """A stream name: text that every store can hold, without control characters."""
    check_text("stream name", stream, Limits.stream_characters)
    if not stream.isprintable() and any(character < " " or "\x7f" <= character <= "\x9f" for character in stream):
        raise Malformed(f"stream name {stream!r} has a control character: leave it out")


def check_key(key: str) -> None:
    """An idempotency key: text that every store can hold."""
    check_text("idempotency key", key, Limits.key_characters)


def check_text(what: str, text: str, limit: int) -> None:
    """Not empty, at most `limit` characters of UTF-16, and nothing that some store cannot hold."""
    if not text:
        raise Malformed(f"{what} is empty: give one")
    _check_characters(what, text, limit)


def _check_envelope(cause: str, trace: str, time: str) -> None:
    for what, text in (("cause", cause), ("trace", trace), ("time", time)):
        if text:
            _check_characters(what, text, _TEXT_LIMIT)


def _check_characters(what: str, text: str, limit: int) -> None:
    if len(text) * 2 > limit and (length := _utf16(what, text)) > limit:
        raise LimitExceeded(f"{what} in characters", length, limit, "shorten it")
    if not text.isprintable():  # false for NUL and surrogates, among others; much faster than looking for them
        if "\0" in text:
            raise Malformed(f"{what} {text!r} contains NUL: leave it out")
        _utf16(what, text)


def _utf16(what: str, text: str) -> int:
    try:
        return len(text.encode("utf-16-le")) // 2
    except UnicodeEncodeError as error:
        raise Malformed(f"{what} {text!r} contains half of a surrogate pair: send valid Unicode") from error


def _check_event_bytes(event_type: str, size: int) -> None:
    if size > Limits.bytes_per_event:
        raise LimitExceeded(
            f"bytes of one {event_type} event with its envelope",
            size,
            Limits.bytes_per_event,
            "keep large values elsewhere and store a reference",
        )


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
