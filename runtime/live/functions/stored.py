"""What a stateless gateway writes down: who a connection belongs to, and what a cohort of subscriptions follows and shows.

All of it is JSON. A filter's values keep their types, which plain JSON does not: an instant stays an instant.
"""

from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any, assert_never

import msgspec
from msgspec import Struct

from runtime.domain.api import Identity
from runtime.domain.filters import And, Compare, Filter, In, IsNull, Not, Or, Scalar
from runtime.live.callers.identity import Session
from runtime.live.plans import Plan
from runtime.live.requests import Request
from runtime.live.wire.resuming import cursors_of
from runtime.ports.sockets import Operation


class Cohort(Struct, frozen=True):
    """A request and its plan: everything that an update is rendered from."""

    request: Request
    plan: Plan


class _Stored(Struct, frozen=True):
    request: Request
    part: str
    group: str
    where: Any
    tenant: str
    key: str
    cohort: str


class Known(Struct, frozen=True):
    """What a service keeps of a connection and brings with every message, so that nobody has to look into a table."""

    phase: str
    session: bytes = b""
    resume: bytes = b""


_COHORT = msgspec.json.Decoder(_Stored)
_SESSION = msgspec.json.Decoder(Session)
_RESUME = msgspec.json.Decoder(dict[str, str])
_KNOWN = msgspec.json.Decoder(Known)


def session_bytes(session: Session) -> bytes:
    """A session, without its token."""
    return msgspec.json.encode(session)


def session_of(data: bytes) -> Session:
    """The session of a row; nobody where nobody signed in yet."""
    return _SESSION.decode(data) if data else Session(Identity())


def known_text(known: Known) -> str:
    """What a service keeps."""
    return msgspec.json.encode(known).decode()


def known_of(text: str) -> Known:
    """What a service kept."""
    return _KNOWN.decode(text)


def resume_bytes(payload: dict[str, Any] | None, most: int) -> bytes:
    """The cursors by operation id that came with `connection_init`, at most so many."""
    cursors = cursors_of(payload, most)
    return msgspec.json.encode(cursors) if cursors else b""


def resume_of(data: bytes, id: str) -> str:
    """The cursor that an operation goes on from; "" = none."""
    return _RESUME.decode(data).get(id, "") if data else ""


def pass_of(row: Operation) -> Session:
    """As much of a session as it takes to see that it was revoked."""
    claims = {"iat": row.issued_at} if row.issued_at else {}
    return Session(Identity(row.subject, claims), row.expires_at or None, row.key, row.token_id)


# cohorts


def cohort_bytes(cohort: Cohort) -> bytes:
    """A cohort, without the place from which one of its members started."""
    plan = cohort.plan
    return msgspec.json.encode(_Stored(cohort.request, plan.part, plan.group, packed(plan.where), plan.tenant, plan.key, plan.cohort))


def cohort_of(data: bytes) -> Cohort:
    """What `cohort_bytes` wrote."""
    stored = _COHORT.decode(data)
    return Cohort(
        stored.request, Plan(stored.part, stored.group, unpacked(stored.where), stored.tenant, stored.key, after="", cohort=stored.cohort)
    )


def packed(where: Filter) -> list[Any]:
    """A filter as nested lists."""
    match where:
        case Compare(field, op, value):
            return ["compare", field, op, _value(value)]
        case In(field, values):
            return ["in", field, [_value(value) for value in values]]
        case IsNull(field):
            return ["null", field]
        case And(terms):
            return ["and", [packed(term) for term in terms]]
        case Or(terms):
            return ["or", [packed(term) for term in terms]]
        case Not(term):
            return ["not", packed(term)]
        case _:
            assert_never(where)


def unpacked(data: list[Any]) -> Filter:
    """What `packed` wrote."""
    match data:
        case ["compare", field, op, value]:
            return Compare(field, op, _scalar(value))
        case ["in", field, values]:
            return In(field, tuple(_scalar(value) for value in values))
        case ["null", field]:
            return IsNull(field)
        case ["and", terms]:
            return And(tuple(unpacked(term) for term in terms))
        case ["or", terms]:
            return Or(tuple(unpacked(term) for term in terms))
        case ["not", term]:
            return Not(unpacked(term))
        case _:
            raise ValueError(f"a stored filter that this code did not write: {data[:1]}")


def _value(value: Scalar) -> Any:
    match value:
        case datetime():  # before date, of which it is one
            return {"instant": value.isoformat()}
        case date():
            return {"date": value.isoformat()}
        case Decimal():
            return {"decimal": str(value)}
        case float() if not isfinite(value):
            return {"float": repr(value)}
        case _:
            return value


def _scalar(data: Any) -> Scalar:
    match data:
        case {"instant": str() as text}:
            return datetime.fromisoformat(text)
        case {"date": str() as text}:
            return date.fromisoformat(text)
        case {"decimal": str() as text}:
            return Decimal(text)
        case {"float": str() as text}:
            return float(text)
        case str() | int() | float() | None:
            return data
        case _:
            raise ValueError("a stored value that this code did not write")
