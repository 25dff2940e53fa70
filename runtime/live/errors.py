"""What a client is told when something is refused: GraphQL errors with a documented `extensions.code`.

| code | when | retry |
|---|---|---|
| BAD_REQUEST | the document or request is not GraphQL, or not an operation of it | no |
| BAD_INPUT | a field, argument, cursor or token does not fit; `extensions.field` names it | no |
| LIMIT_EXCEEDED | more than this gateway or the smallest cloud holds; the text names limit and way out | no |
| UNAUTHENTICATED | no token, or one that is expired, garbled or not ours | with a new token |
| FORBIDDEN | the token is good, the right is missing | no |
| REJECTED | the business rule says no; the text is for people | no |
| KEY_REUSED | the idempotency key was used for another command | with a fresh key |
| CONFLICT | somebody else was first, again and again | yes |
| UNAVAILABLE | a store did not answer in time; `extensions.inDoubt` when the command may have taken effect; `extensions.trace` finds the cause in the logs | yes, same key |
| STOPPED | an operator must act first | later |
| INTERNAL | a fault of ours, masked; `extensions.trace` finds it in the logs | perhaps |
"""

import logging
from typing import Any

from runtime.errors import Conflict, KeyReused, LimitExceeded, Malformed, Misconfigured, Rejected, Stopped, TrimaranError, Unavailable

LOG = logging.getLogger("trimaran.gateway")
AWAY = "a store did not answer in time: try again, with the same key if it was a command"


class Refused(TrimaranError):
    """A request that is answered with these GraphQL errors (as the response holds them) and no data."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__("; ".join(str(error.get("message", "")) for error in errors))
        self.errors = errors


class Unauthenticated(Rejected):
    """No usable token; the text says what is wrong with it, never what is in it."""


class Forbidden(Rejected):
    """The caller is known and may not."""


CODES: tuple[tuple[type[TrimaranError], str], ...] = (
    (Unauthenticated, "UNAUTHENTICATED"),
    (Forbidden, "FORBIDDEN"),
    (LimitExceeded, "LIMIT_EXCEEDED"),
    (KeyReused, "KEY_REUSED"),
    (Malformed, "BAD_INPUT"),
    (Misconfigured, "INTERNAL"),
    (Rejected, "REJECTED"),
    (Conflict, "CONFLICT"),
    (Unavailable, "UNAVAILABLE"),
    (Stopped, "STOPPED"),
)


def code_of(error: BaseException) -> str:
    """The code that stands for an error; INTERNAL for what is not in the tree."""
    return next((code for kind, code in CODES if isinstance(error, kind)), "INTERNAL")


def refusal(message: str, code: str, **extensions: Any) -> dict[str, Any]:
    """One error of a response."""
    return {"message": message, "extensions": {"code": code} | extensions}


def told(error: BaseException, trace: str) -> dict[str, Any]:
    """What a client is told of an error: the text of ours, or a masked one that the logs know by its trace id."""
    code = code_of(error)
    if code == "INTERNAL":
        LOG.error("trace %s: %s", trace, type(error).__name__, exc_info=error)
        return refusal("internal error", code, trace=trace)
    if isinstance(error, Unavailable):  # its text names hosts, files and users of ours
        LOG.warning("trace %s: %s", trace, error)
        return refusal(AWAY, code, trace=trace, **({"inDoubt": True} if error.in_doubt else {}))
    return refusal(str(error), code)
