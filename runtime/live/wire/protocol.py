"""The wire protocol `graphql-transport-ws` as two look-up tables: what a connection and an operation do when something happens.

Nothing here waits, sends or stores, so the server (`asgi`) and the functions behind a cloud's gateway (`stateless`) obey the same tables, and
`docs/protocol.md` is rendered from them (`protocol_pages`). What is not in a table is a violation.

    a connection                                           an operation's id

     NEW ── init ──▶ INITIALISING ── accepted ──▶ READY     ABSENT ◀── complete · ended · failed ──┬──────────┐
      │ 4408 · 4401     │ 4403 · 4401 · 4429       │ …      │ ▲ └──── subscribe ──▶ PREPARING ── started ──▶ LIVE ⟲ next
      ▼                 ▼                          ▼        │ └─ overtaken ─┐           ▲ subscribe twice: 4409
     CLOSED ◀────────── violation · drain · gone ──┘        └── stray ──▶ TOMBSTONE ────┘

Source: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md; codes and reasons are those of graphql-ws 6.4.2, with one
difference: a message that only a server may send is 4400 like every other wrong message (there 4500).
"""

from enum import StrEnum

from msgspec import Struct

from runtime.live.wire.messages import Complete, Init, Message, Ping, Pong, Subscribe, Violation, reason

SUBPROTOCOL = "graphql-transport-ws"


class Phase(StrEnum):
    """Of a connection."""

    NEW = "new"
    INITIALISING = "initialising"
    READY = "ready"
    CLOSED = "closed"


class Operation(StrEnum):
    """Of an operation's id on a connection."""

    ABSENT = "absent"
    TOMBSTONE = "tombstone"  # a `complete` that came before its `subscribe`
    PREPARING = "preparing"
    LIVE = "live"


SUBPROTOCOL_UNACCEPTABLE = Violation(4406, "Subprotocol not acceptable")
UNAUTHORIZED = Violation(4401, "Unauthorized")
FORBIDDEN = Violation(4403, "Forbidden")
EXPIRED = Violation(4403, "Token expired")
REVOKED = Violation(4403, "Token revoked")
INIT_LATE = Violation(4408, "Connection initialisation timeout")
INIT_TWICE = Violation(4429, "Too many initialisation requests")
INTERNAL = Violation(4500, "Internal server error")
GOING_AWAY = Violation(1001, "Going away")
SILENT = Violation(1001, "Gone silent")
SLOW = Violation(1013, "Too slow")
CROWDED = Violation(1013, "Too many connections")


# A connection: (phase, happening) → next phase and what to do.


class Happening(StrEnum):
    """What meets a connection: a message of the client, or something of ours."""

    INIT = "connection_init"
    PING = "ping"
    PONG = "pong"
    SUBSCRIBE = "subscribe"
    COMPLETE = "complete"
    ACCEPTED = "token accepted"
    REFUSED = "token refused"
    LATE = "no init in time"
    EXPIRED = "token expired"
    REVOKED = "token revoked"
    SILENT = "pings unanswered"
    SLOW = "outbox over its bound"
    DRAIN = "shutdown"
    FAILED = "fault of ours"
    GONE = "socket gone"


class Do(StrEnum):
    """What a driver does about it, besides closing."""

    NOTHING = "nothing"
    VERIFY = "verify the token"
    ACK = "send `connection_ack`"
    PONG = "send `pong` with the same payload"
    OPERATE = "look into the operation table"
    RELEASE = "release every operation"


class Step(Struct, frozen=True):
    """A row of the connection table; `act` is a Violation when the connection is to be closed with its code."""

    phase: Phase
    act: Do | Violation


_NEW, _INIT, _READY, _CLOSED = Phase
_H = Happening

CONNECTION: dict[tuple[Phase, Happening], Step] = {
    (_NEW, _H.INIT): Step(_INIT, Do.VERIFY),
    (_NEW, _H.PING): Step(_NEW, Do.PONG),
    (_NEW, _H.PONG): Step(_NEW, Do.NOTHING),
    (_NEW, _H.SUBSCRIBE): Step(_CLOSED, UNAUTHORIZED),
    (_NEW, _H.COMPLETE): Step(_NEW, Do.NOTHING),
    (_NEW, _H.LATE): Step(_CLOSED, INIT_LATE),
    (_INIT, _H.INIT): Step(_CLOSED, INIT_TWICE),
    (_INIT, _H.PING): Step(_INIT, Do.PONG),
    (_INIT, _H.PONG): Step(_INIT, Do.NOTHING),
    (_INIT, _H.SUBSCRIBE): Step(_CLOSED, UNAUTHORIZED),
    (_INIT, _H.COMPLETE): Step(_INIT, Do.NOTHING),
    (_INIT, _H.LATE): Step(_INIT, Do.NOTHING),  # the client was in time; we are still looking at its token
    (_INIT, _H.ACCEPTED): Step(_READY, Do.ACK),
    (_INIT, _H.REFUSED): Step(_CLOSED, FORBIDDEN),
    (_READY, _H.INIT): Step(_CLOSED, INIT_TWICE),
    (_READY, _H.PING): Step(_READY, Do.PONG),
    (_READY, _H.PONG): Step(_READY, Do.NOTHING),
    (_READY, _H.SUBSCRIBE): Step(_READY, Do.OPERATE),
    (_READY, _H.COMPLETE): Step(_READY, Do.OPERATE),
    (_READY, _H.LATE): Step(_READY, Do.NOTHING),
    (_READY, _H.EXPIRED): Step(_CLOSED, EXPIRED),
    (_READY, _H.REVOKED): Step(_CLOSED, REVOKED),
    (_READY, _H.SILENT): Step(_CLOSED, SILENT),
}
CONNECTION |= {(phase, _H.SLOW): Step(_CLOSED, SLOW) for phase in (_NEW, _INIT, _READY)}
CONNECTION |= {(phase, _H.DRAIN): Step(_CLOSED, GOING_AWAY) for phase in (_NEW, _INIT, _READY)}
CONNECTION |= {(phase, _H.FAILED): Step(_CLOSED, INTERNAL) for phase in (_NEW, _INIT, _READY)}
CONNECTION |= {(phase, _H.GONE): Step(_CLOSED, Do.RELEASE) for phase in (_NEW, _INIT, _READY)}
CONNECTION |= {(_CLOSED, happening): Step(_CLOSED, Do.NOTHING) for happening in Happening}  # what was under way when it closed


def step(phase: Phase, happening: Happening | Message | Violation) -> Step:
    """Where a connection goes and what it does; a message that could not be read closes it unless it is closed."""
    if isinstance(happening, Violation):
        return CONNECTION[phase, _H.GONE] if phase is _CLOSED else Step(_CLOSED, happening)
    name = happening if isinstance(happening, Happening) else HEARD[type(happening)]
    return CONNECTION.get((phase, name), Step(_CLOSED, INTERNAL))


HEARD: dict[type, Happening] = {Init: _H.INIT, Ping: _H.PING, Pong: _H.PONG, Subscribe: _H.SUBSCRIBE, Complete: _H.COMPLETE}


# An operation: (state of its id, event) → next state and what to do.


class Event(StrEnum):
    """What meets an operation's id."""

    SUBSCRIBE = "subscribe"
    OVERTAKEN = "subscribe sent before the complete that is already here"
    COMPLETE = "complete"
    STRAY = "complete whose subscribe may still come"  # only where messages can overtake each other
    STARTED = "started"
    NEXT = "a result"
    ENDED = "no more results"
    FAILED = "errors instead of results"


class Act(StrEnum):
    """What a driver does about it, besides closing."""

    NOTHING = "nothing"
    BEGIN = "prepare and start it"
    CANCEL = "stop it, send nothing"
    NEXT = "send `next`"
    COMPLETE = "send `complete`"
    ERROR = "send `error`"
    DUPLICATE = "close 4409 `Subscriber for <id> already exists`"


class Turn(Struct, frozen=True):
    """A row of the operation table."""

    state: Operation
    act: Act


_ABSENT, _TOMB, _PREPARING, _LIVE = Operation
_E = Event

OPERATION: dict[tuple[Operation, Event], Turn] = {
    (_ABSENT, _E.SUBSCRIBE): Turn(_PREPARING, Act.BEGIN),
    (_ABSENT, _E.COMPLETE): Turn(_ABSENT, Act.NOTHING),
    (_ABSENT, _E.STRAY): Turn(_TOMB, Act.NOTHING),
    (_TOMB, _E.SUBSCRIBE): Turn(_PREPARING, Act.BEGIN),
    (_TOMB, _E.OVERTAKEN): Turn(_ABSENT, Act.NOTHING),
    (_TOMB, _E.COMPLETE): Turn(_TOMB, Act.NOTHING),
    (_TOMB, _E.STRAY): Turn(_TOMB, Act.NOTHING),
    (_PREPARING, _E.SUBSCRIBE): Turn(_PREPARING, Act.DUPLICATE),
    (_PREPARING, _E.COMPLETE): Turn(_ABSENT, Act.CANCEL),
    (_PREPARING, _E.STRAY): Turn(_ABSENT, Act.CANCEL),
    (_PREPARING, _E.STARTED): Turn(_LIVE, Act.NOTHING),
    (_PREPARING, _E.FAILED): Turn(_ABSENT, Act.ERROR),
    (_LIVE, _E.SUBSCRIBE): Turn(_LIVE, Act.DUPLICATE),
    (_LIVE, _E.COMPLETE): Turn(_ABSENT, Act.CANCEL),
    (_LIVE, _E.STRAY): Turn(_ABSENT, Act.CANCEL),
    (_LIVE, _E.NEXT): Turn(_LIVE, Act.NEXT),
    (_LIVE, _E.ENDED): Turn(_ABSENT, Act.COMPLETE),
    (_LIVE, _E.FAILED): Turn(_ABSENT, Act.ERROR),
}
# What an operation still says after its end is dropped.
OPERATION |= {
    (state, event): Turn(state, Act.NOTHING) for state in (_ABSENT, _TOMB) for event in (_E.STARTED, _E.NEXT, _E.ENDED, _E.FAILED)
}


def step_operation(state: Operation, event: Event) -> Turn:
    """Where an operation's id goes and what is done; `KeyError` is a driver's mistake (4500)."""
    return OPERATION[state, event]


def duplicate(id: str) -> Violation:
    """Why a connection ends that subscribes with an id that it uses already."""
    return Violation(4409, reason(f"Subscriber for {id} already exists"))
