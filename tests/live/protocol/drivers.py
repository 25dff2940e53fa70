"""The drivers that the suite runs over, each a small factory; a new one is a line in DRIVERS."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from runtime.live.callers.identity import Verifier
from runtime.live.limits import Limits
from tests.live import bed
from tests.live.protocol import streams
from tests.live.protocol.client import SUBPROTOCOL, Client
from tests.live.protocol.probe import Bump, streaming

LIMITS = Limits(init_timeout_s=1.5)

IN_BAND = "fatal errors are told by a frame, since the gateway cannot close with a code"
HEAD_OF_LINE = "messages of one client wait for each other"
NO_GENERATORS = "there is no process that could hold an async generator"
NO_DRAIN = "the gateway, not we, ends connections"
REFUSED_AT_HANDSHAKE = "a wrong subprotocol is refused by HTTP status"
NO_BINARY = "the gateway itself ends a connection that sends binary frames (1003)"
NO_LIVENESS = "the gateway notices dead peers; functions send a ping now and then, and hear then that a socket is gone"
UNORDERED = "messages of one client may overtake each other"


class Driver(Protocol):
    """A gateway over the probe app (`tests.live.protocol.probe`), reachable by WebSocket."""

    differs: frozenset[str]  # from the constants above

    def connect(self, subprotocols: Sequence[str] = (SUBPROTOCOL,), origin: str | None = None) -> Client:
        """A client with an open WebSocket; raises websockets' InvalidStatus when the handshake is refused."""
        ...

    def bump(self, counter: str, by: int = 1) -> None:
        """Change a counter's total."""
        ...

    def sign(self, subject: str, ttl_s: float = 3_600.0) -> str:
        """A token that this gateway believes."""
        ...

    def held(self) -> int:
        """Operations that are under way, as the gateway counts them (rows, where they are stored)."""
        ...

    def drain(self) -> None:
        """Shut down politely."""
        ...


class Opened(Protocol):
    """Opens a driver; tests of one limit or of a failing verifier open their own."""

    def __call__(self, *, limits: Limits = ..., verifier: Verifier | None = ...) -> AbstractContextManager[Driver]: ...


class Asgi:
    """The server's driver on a real uvicorn, with rows and events in memory."""

    differs: frozenset[str] = frozenset()

    def __init__(self, running: bed.Bed) -> None:
        self.bed = running

    def connect(self, subprotocols: Sequence[str] = (SUBPROTOCOL,), origin: str | None = None) -> Client:
        return Client(self.bed.socket_url, subprotocols=subprotocols, origin=origin)

    def bump(self, counter: str, by: int = 1) -> None:
        self.bed.send(Bump(counter, by))

    def sign(self, subject: str, ttl_s: float = 3_600.0) -> str:
        return self.bed.tokens.sign(subject, ttl_s=ttl_s)

    def held(self) -> int:
        gateway, hub = self.bed.gateway.figures(), self.bed.hub.figures()
        return gateway["operations"] + hub["subscriptions"] + len(streams.OPEN)

    def drain(self) -> None:
        self.bed.drain()


@contextmanager
def asgi(*, limits: Limits = LIMITS, verifier: Verifier | None = None) -> Iterator[Driver]:
    """See `Asgi`."""
    with bed.running(streaming, limits=limits, verifier=verifier) as running:
        yield Asgi(running)


def _stateless() -> dict[str, Callable[..., Any]]:
    from tests.gateways.drivers import drivers  # which needs what is above

    return drivers()


DRIVERS: dict[str, Callable[..., Any]] = {"asgi": asgi, **_stateless()}
