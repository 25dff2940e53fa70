"""How much one caller may hold at once, and all of them together: connections, operations, messages a second.

A caller is a subject, or for nobody in particular an address (of IPv6 the network that one customer gets). What is taken is given back by
leases that can be given back twice without harm. For one event loop; nothing here waits.

Silent connections never lock others out: where there is no room for one more that has not said who it is, the oldest such makes room.
"""

import time
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Self

from runtime.domain.api import Identity
from runtime.errors import LimitExceeded
from runtime.live.limits import Limits

BURST_S = 10.0  # how many seconds' worth of messages may come at once

type Evict = Callable[[], None]


class Quotas:
    """The counters of one gateway process."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits, self._clock = limits, clock
        self._connections: Counter[str] = Counter()
        self._operations: Counter[str] = Counter()
        self._waiting: dict[Seat, None] = {}  # by age; those of one caller are few
        self._open = 0

    def connect(self, address: str, evict: Evict = lambda: None) -> "Seat":
        """A connection from an address, not acknowledged yet. `evict` is called if it has to make room: close it.

        Raises `LimitExceeded` where nothing can make room.
        """
        caller = caller_of(Identity(), address)
        limits = self.limits
        if self._connections[caller] >= limits.connections_per_identity and not self._make_room(caller):
            raise LimitExceeded("the number of your connections", self._connections[caller] + 1, limits.connections_per_identity, FEWER)
        if len(self._waiting) >= limits.waiting_connections:
            self._make_room("")
        if self._open >= limits.connections and not self._make_room(""):
            raise LimitExceeded("the number of connections", self._open + 1, limits.connections, "try again later, or at another instance")
        seat = Seat(self, caller, evict, self._clock)
        self._waiting[seat] = None
        self._take(caller)
        return seat

    def operation(self, identity: Identity, address: str) -> "Lease":
        """An operation over HTTP, or on a connection that somebody else counts. Raises `LimitExceeded`."""
        return self._operation(caller_of(identity, address))

    def figures(self) -> dict[str, int]:
        """What is held just now."""
        return {"connections": self._open, "waiting": len(self._waiting), "operations": self._operations.total()}

    def _operation(self, caller: str) -> "Lease":
        limit = self.limits.operations_per_identity
        if self._operations[caller] >= limit:
            raise LimitExceeded("the number of your operations", self._operations[caller] + 1, limit, "complete some of them first")
        self._operations[caller] += 1
        return Lease(lambda: _less(self._operations, caller))

    def _make_room(self, caller: str) -> bool:
        """Let the oldest silent connection go, of this caller or ("") of anybody."""
        oldest = next((seat for seat in self._waiting if not caller or seat.caller == caller), None)
        if oldest is None:
            return False
        oldest.close()
        oldest.evict()
        return True

    def _acknowledged(self, seat: "Seat", caller: str) -> None:
        limit = self.limits.connections_per_identity
        if caller != seat.caller and self._connections[caller] >= limit:
            raise LimitExceeded("the number of your connections", self._connections[caller] + 1, limit, FEWER)
        self._waiting.pop(seat, None)
        self._give_back(seat.caller)
        self._take(caller)

    def _closed(self, seat: "Seat") -> None:
        self._waiting.pop(seat, None)
        self._give_back(seat.caller)

    def _take(self, caller: str) -> None:
        self._connections[caller] += 1
        self._open += 1

    def _give_back(self, caller: str) -> None:
        _less(self._connections, caller)
        self._open -= 1


class Lease:
    """Something taken; given back once, however often that is asked for."""

    def __init__(self, release: Callable[[], None]) -> None:
        self._release: Callable[[], None] | None = release

    def close(self) -> None:
        """Give it back."""
        release, self._release = self._release, None
        if release is not None:
            release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Seat:
    """One connection's place, with what it holds; `close` gives everything back."""

    def __init__(self, quotas: Quotas, caller: str, evict: Evict, clock: Callable[[], float]) -> None:
        self._quotas, self.caller, self.evict, self._clock = quotas, caller, evict, clock
        self._operations: dict[Lease, None] = {}
        self._closed = False
        self._burst = quotas.limits.messages_per_second * BURST_S
        self._spare, self._filled_at = self._burst, clock()

    def acknowledged(self, identity: Identity) -> None:
        """It has said who it is. Raises `LimitExceeded` when that one has enough connections; it stays a silent one then: close it."""
        if self._closed:
            return
        caller = caller_of(identity, "") if identity.subject else self.caller
        self._quotas._acknowledged(self, caller)
        self.caller = caller

    def operation(self) -> Lease:
        """One more operation of this connection. Raises `LimitExceeded`."""
        limit = self._quotas.limits.operations_per_connection
        if len(self._operations) >= limit:
            actual = len(self._operations) + 1
            raise LimitExceeded("the number of operations on this connection", actual, limit, "complete some of them first")
        taken = self._quotas._operation(self.caller)

        def release() -> None:
            self._operations.pop(lease, None)
            taken.close()

        lease = Lease(release)
        self._operations[lease] = None
        if self._closed:
            lease.close()
        return lease

    def message(self) -> None:
        """One more message came. Raises `LimitExceeded` for a flood."""
        rate, now = self._quotas.limits.messages_per_second, self._clock()
        self._spare = min(self._burst, self._spare + (now - self._filled_at) * rate) - 1
        self._filled_at = now
        if self._spare < 0:
            raise LimitExceeded("the number of messages a second", rate + 1, rate, "send fewer")

    def close(self) -> None:
        """The connection is over."""
        if self._closed:
            return
        self._closed = True
        for lease in list(self._operations):
            lease.close()
        self._quotas._closed(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


FEWER = "close some, or put several operations on one connection"


def caller_of(identity: Identity, address: str) -> str:
    """Whom something is counted for: a subject, or where it comes from."""
    if identity.subject:
        return f"subject {identity.subject}"
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return f"address {address}"
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            return f"address {ip.ipv4_mapped}"
        return f"address {ip_network((ip, 64), strict=False)}"
    return f"address {ip}"


def _less(counts: Counter[str], caller: str) -> None:
    counts[caller] -= 1
    if counts[caller] <= 0:
        del counts[caller]  # or every address that ever came would stay
