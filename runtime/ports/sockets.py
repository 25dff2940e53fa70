"""Sockets that a cloud's gateway holds open while our functions come and go, and what those functions remember between two messages.

`Sockets` reaches a client. `Connections` is the memory: one row per connection and per operation, an index of who follows what, and how far
each shard of changes was pushed. Every write is one conditional write of one row, which is all that DynamoDB, Tables or Firestore promise alike:
a row carries a stamp, and a put counts only if the stored stamp is still the one that was read ("" = there was no row). A stamp is never used
twice, so a row that went and came back is not mistaken for the one that was read.

    $connect · message · $disconnect ──▶ Calls (the stateless driver) ──▶ Connections · Sockets ──▶ client
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from runtime.errors import TrimaranError, Unavailable


class Gone(TrimaranError):
    """The socket is closed, or not open yet: whatever is known of the connection may go."""


class Busy(Unavailable):
    """The client does not read as fast as it is sent to; what it missed is brought when it does."""


# what a gateway's events say


class Opening(Struct, frozen=True):
    """A client asks for a socket: the subprotocols it offers, in its order, and where its page came from ("" = not a browser)."""

    connection: str
    subprotocols: tuple[str, ...]
    origin: str = ""
    host: str = ""
    address: str = ""


class Opened(Struct, frozen=True):
    """The answer to an opening: a status, 200 with the subprotocol to echo, or another with the reason; `state` as in `Reply`."""

    status: int
    subprotocol: str = ""
    reason: str = ""
    state: str = ""


class Frame(Struct, frozen=True):
    """One message of a client. `at` is when the service got it (unix seconds): the only order there is, since frames arrive in any.

    `state` is what the service kept of the last `Reply` of this connection; "" where a service keeps nothing.
    """

    connection: str
    data: str | bytes
    at: float
    state: str = ""


class Reply(Struct, frozen=True):
    """What a message leads to beside what was sent: one frame for a service that can carry it in its answer, and state for it to keep.

    `state` "" leaves what the service keeps as it is.
    """

    frame: str = ""
    state: str = ""


class Calls(Protocol):
    """Whoever answers a gateway's events: never raises, and is always in time."""

    async def connect(self, opening: Opening) -> Opened:
        """Before the socket is open."""
        ...

    async def message(self, frame: Frame) -> Reply:
        """A frame came; others may be answered at the same time, and may have come before."""
        ...

    async def disconnect(self, connection: str, at: float) -> None:
        """The socket is closed."""
        ...


# what is remembered


class Connection(Struct, frozen=True):
    """A connection: its phase in the protocol, what its token allows (`session`, as the driver wrote it), and when to look at it next."""

    id: str
    phase: str
    opened_at: float
    due: float  # unix seconds: an init time-out, an expiry, silence
    session: bytes = b""
    resume: bytes = b""  # the cursors that came with connection_init, as the driver wrote them
    stamp: str = ""


class Operation(Struct, frozen=True):
    """An operation's id on a connection: its state in the protocol and, once it is a live subscription, how far it was told.

    `instance` differs between two operations that use one id after another. While `gate` is "catchup" whoever pushes marks `dirty`
    instead of sending; it opens ("live") only for a position that nothing dirty is beyond.
    """

    connection: str
    id: str
    state: str
    at: float  # the event time of the message that began it (or of the complete that came first)
    due: float  # unix seconds: to be looked at, since a function may die with its work half done
    instance: str = ""
    cohort: str = ""
    topics: tuple[str, ...] = ()
    gate: str = ""  # "catchup" | "live"
    position: str = ""  # a cursor: everything up to it was told, or is skipped
    dirty: str = ""  # a cursor, too: what was held back
    expires_at: float = 0.0  # of the token; 0 = never
    subject: str = ""  # … its subject, id and key, to see that it was revoked
    token_id: str = ""
    key: str = ""
    issued_at: float = 0.0
    lagging_since: float = 0.0  # 0 = it keeps up
    stamp: str = ""


class Follower(Struct, frozen=True):
    """A row of the index: this instance of an operation follows this topic. A hint: the operation's row says whether it still does."""

    topic: str
    connection: str
    operation: str
    instance: str
    cohort: str


class Sockets(Protocol):
    """Open sockets of a gateway."""

    def send(self, connection: str, text: str) -> None:
        """Hand over one text frame; frames of one caller reach the client in the order of the calls.

        Raises `Gone` for a socket that is closed or not open yet, `Busy` when its buffer is full, `LimitExceeded` for a frame that is
        bigger than the service takes, `Unavailable` when the service is.
        """
        ...

    def close(self, connection: str) -> None:
        """Close a socket with whatever code the service has (never 44xx); one that is closed already is no error."""
        ...


class Connections(Protocol):
    """What functions remember of connections. Reads see every write that returned before they began, unless they say otherwise."""

    # connections
    def connection(self, id: str) -> Connection | None:
        """The row of a connection."""
        ...

    def put_connection(self, row: Connection) -> Connection | None:
        """Store it if the stored stamp is `row.stamp`; the row with its new stamp, or None when somebody was first."""
        ...

    def drop_connection(self, id: str) -> bool:
        """The row goes, whatever its stamp; whether it was there."""
        ...

    # operations
    def operation(self, connection: str, id: str) -> Operation | None:
        """The row of an operation."""
        ...

    def operations(self, connection: str) -> list[Operation]:
        """All operation rows of a connection."""
        ...

    def operations_of(self, ids: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Operation]:
        """The rows of these (connection, operation), as far as they are there."""
        ...

    def put_operation(self, row: Operation) -> Operation | None:
        """Store it if the stored stamp is `row.stamp`; the row with its new stamp, or None when somebody was first."""
        ...

    def drop_operation(self, row: Operation) -> bool:
        """The row goes if the stored stamp is `row.stamp`; whether it did."""
        ...

    # who follows what
    def everyone(self, after: str, limit: int) -> tuple[list[Operation], str]:
        """At most `limit` live operations after a mark, and the mark to go on with: a walk over all, for the swap of a rebuild only."""
        ...

    def follow(self, followers: Sequence[Follower]) -> None:
        """Put rows into the index; again does nothing."""
        ...

    def unfollow(self, followers: Sequence[Follower]) -> None:
        """Take rows out of the index; again does nothing."""
        ...

    def followers(self, topic: str, after: str, limit: int) -> tuple[list[Follower], str]:
        """At most `limit` followers of a topic after a mark ("" = from the start), and the mark to go on with ("" = there are no more)."""
        ...

    def note(self, part: str, columns: Sequence[str]) -> None:
        """From now on somebody may follow topics of these columns of a part; a pusher asks for no others."""
        ...

    def noted(self, part: str) -> frozenset[str]:
        """The columns that were ever noted."""
        ...

    def keep_cohort(self, cohort: str, data: bytes, until: float) -> None:
        """Keep what every follower of a cohort shares, at least until then; again only makes it stay longer."""
        ...

    def cohort(self, cohort: str) -> bytes | None:
        """What a cohort shares."""
        ...

    # how far changes were pushed
    def begin(self, group: str, generation: int, numbers: Mapping[int, int]) -> None:
        """Somebody is about to follow this generation: pushing begins after these numbers, unless it has begun already."""
        ...

    def pushed(self, group: str, generation: int) -> dict[int, int] | None:
        """Per shard, the number of the last change that was pushed to everybody who was live; None when nobody ever followed."""
        ...

    def advance(self, group: str, generation: int, numbers: Mapping[int, int]) -> None:
        """Changes up to these numbers were pushed; a number never goes back."""
        ...

    # sweeping
    def due(self, now: float, limit: int) -> list[Connection | Operation]:
        """At most `limit` rows whose `due` has come, earliest first. A hint: it may lag behind writes by a moment."""
        ...

    def count(self) -> dict[str, int]:
        """How many rows there are: connections, operations, tombstones, followers. For people and tests; it may read everything."""
        ...

    def close(self) -> None:
        """Give back what was opened."""
        ...
