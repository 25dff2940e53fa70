"""What can go wrong, in one tree, so that every caller knows whether to mend, retry or call us.

TrimaranError
├─ Rejected        the caller's fault; the text is for them and says the way out
│  ├─ Malformed      a field is missing, unknown or of the wrong type
│  ├─ LimitExceeded  more than the smallest cloud can hold (law 5); nothing was written
│  ├─ KeyReused      an idempotency key came back with another command
│  └─ Misconfigured  a URL, privilege, schema version or app that cannot work as given
├─ Conflict        someone else was first on this stream; retried, bounded
├─ Unavailable     a provider's fault; retried with backoff and jitter until a deadline
└─ Stopped         a group may not go on: its generation is fenced, or the store was restored

Anything else is a bug of ours and reaches a client masked, with a trace id.
"""


class TrimaranError(Exception):
    """The root: catch it where the kind does not matter."""


class Rejected(TrimaranError):
    """The caller's fault. `str(error)` names the field, the limit and the way out."""


class Malformed(Rejected):
    """A message that does not fit its type: names the field and what was expected."""


class LimitExceeded(Rejected):
    """Law 5: `what` measured `actual`, the smallest cloud holds `limit`. Nothing was written."""

    def __init__(self, what: str, actual: int, limit: int, way_out: str) -> None:
        super().__init__(f"{what} is {actual:,}, the limit is {limit:,}: {way_out}")
        self.what, self.actual, self.limit = what, actual, limit


class KeyReused(Rejected):
    """The idempotency key was used on this stream for a command with other bytes."""

    def __init__(self, stream: str, key: str) -> None:
        super().__init__(f"key {key!r} was already used on {stream!r} for another command: send a fresh key")
        self.stream, self.key = stream, key


class Misconfigured(Rejected):
    """Settings that cannot work: the text says which, and the way out."""


class Conflict(TrimaranError):
    """The stream is at `actual`, the append expected `expected`. Load again and decide again."""

    def __init__(self, stream: str, expected: int, actual: int) -> None:
        super().__init__(f"{stream!r} is at version {actual}, expected {expected}")
        self.stream, self.expected, self.actual = stream, expected, actual


class Unavailable(TrimaranError):
    """A provider did not answer in time. With `in_doubt` the write may have happened: ask again with the same key."""

    def __init__(self, what: str, *, in_doubt: bool = False) -> None:
        super().__init__(what)
        self.in_doubt = in_doubt


class Stopped(TrimaranError):
    """The group must not go on until an operator acts; the text says what happened and what to run."""


class Fenced(Stopped):
    """This generation is no longer the one to write."""


class StoreRestored(Stopped):
    """The store's epoch is new or a head is behind its watermark: rebuild the group."""
