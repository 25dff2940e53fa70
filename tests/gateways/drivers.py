"""The stateless driver behind both emulated services, as the protocol's suite wants it: behaviours over real sockets, delays and reordering."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from runtime.live.callers.identity import Verifier
from runtime.live.limits import Limits
from tests.gateways import bed
from tests.live.protocol import probe
from tests.live.protocol.client import SUBPROTOCOL, Client
from tests.live.protocol.drivers import (
    HEAD_OF_LINE,
    IN_BAND,
    LIMITS,
    NO_BINARY,
    NO_DRAIN,
    NO_GENERATORS,
    NO_LIVENESS,
    REFUSED_AT_HANDSHAKE,
    UNORDERED,
    Driver,
)

COMMON = frozenset({IN_BAND, NO_GENERATORS, NO_DRAIN, REFUSED_AT_HANDSHAKE, NO_LIVENESS})
DIFFERS = {
    "apigateway": COMMON | {UNORDERED, NO_BINARY},
    "webpubsub": COMMON | {HEAD_OF_LINE},
    "webpubsub-detached": COMMON | {UNORDERED},
}


class Functions:
    """See `Driver`."""

    def __init__(self, running: bed.Bed, differs: frozenset[str]) -> None:
        self.bed, self.differs = running, differs

    def connect(self, subprotocols: Sequence[str] = (SUBPROTOCOL,), origin: str | None = None) -> Client:
        return Client(self.bed.url, subprotocols=subprotocols, origin=origin, in_band=True)

    def bump(self, counter: str, by: int = 1) -> None:
        self.bed.send(probe.Bump(counter, by))

    def sign(self, subject: str, ttl_s: float = 3_600.0) -> str:
        return self.bed.tokens.sign(subject, ttl_s=ttl_s)

    def held(self) -> int:
        count = self.bed.connections.count()
        return count["operations"] + count["followers"]

    def drain(self) -> None:
        """The service is told by nobody."""


@contextmanager
def functions(
    service: str, seed: int, delay_s: float, store_s: float, *, limits: Limits = LIMITS, verifier: Verifier | None = None
) -> Iterator[Driver]:
    """The driver behind a service whose delays and reorderings follow a seed."""
    silence_s = limits.keep_alive_s if limits.keep_alive_s < 1 else 480.0
    with bed.running(
        service, probe.plain, limits=limits, verifier=verifier, seed=seed, delay_s=delay_s, store_s=store_s, silence_s=silence_s
    ) as running:
        yield Functions(running, DIFFERS[service])


def drivers() -> dict[str, Callable[..., AbstractContextManager[Driver]]]:
    """Every service, calm and in several weathers."""
    made: dict[str, Callable[..., AbstractContextManager[Driver]]] = {
        service: partial(functions, service, 1, 0.0, 0.0) for service in DIFFERS
    }
    for seed in (2, 3, 4):
        made[f"apigateway seed {seed}"] = partial(functions, "apigateway", seed, 0.04, 0.004)
    made["webpubsub seed 5"] = partial(functions, "webpubsub", 5, 0.01, 0.004)
    made["webpubsub-detached seed 6"] = partial(functions, "webpubsub-detached", 6, 0.02, 0.004)
    return made
