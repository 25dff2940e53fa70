"""Mends from outside what kafka-python 3.0.12 gets wrong and what would bite us; a client whose insides changed fails loudly.

*Joining.* A join waits for every member of the group, so it often ends when nobody is inside `poll`. The client then
forgets it in two ways, and the group rebalances for ever or delivers nothing any more, without a word:

1. The next `poll` finds the join done, throws its result away and sends another one, which disturbs all other members.
2. When the join's cause was new metadata (a topic got partitions), the next `poll` sees no cause any more and never looks.

*Fetching.* A fetch that is handed to a connection just as that ends may be lost: its future never ends, the node counts as asked, and
is not asked again; the member stays in its group and delivers nothing any more.

*Giving up.* `KafkaProducer.close(timeout=0)` raises while something is unsent, and leaves its thread and sockets for ever.

*Last words.* What a broker sends right before it closes is dropped when both are read at once, so that a refused password
looks like a broken network, by chance.

*Refused connections and failed TLS handshakes* leave their socket open until the garbage collector finds it; during an
outage there are many.
"""

import contextlib
import time
from typing import Any

from kafka import errors
from kafka.net.inet import KafkaNetSocket
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport
from kafka.structs import MemberState


class Joining:
    """Watches over the joins of one kafka-python consumer."""

    def __init__(self, client: Any) -> None:
        self._coordinator = client._coordinator
        self._join = self._coordinator._do_join_and_sync_async
        self._kept: tuple[Any, bytes] | None = None  # generation and assignment of a join whose result nobody took
        self._coordinator._do_join_and_sync_async = self._join_or_keep

    async def _join_or_keep(self) -> bytes:
        """The result of the last join if it is still unused (the member is still rebalancing), else of a new one."""
        kept, self._kept = self._kept, None
        rebalancing = self._coordinator.state is MemberState.REBALANCING
        if kept is None or not rebalancing or kept[0] != self._coordinator._generation:
            assignment: bytes = await self._join()
            kept = (self._coordinator._generation, assignment)
        self._kept = kept
        return kept[1]

    def remind(self) -> None:
        """Before a poll: a member that is rebalancing has a join to finish, whatever began it."""
        if self._coordinator.state is MemberState.REBALANCING and not self._coordinator.need_rejoin():
            self._coordinator.request_rejoin()


class Fetching:
    """Watches over the fetches of one kafka-python consumer; `patience_s` is longer than any answer may take."""

    def __init__(self, client: Any, patience_s: float) -> None:
        self._fetcher, self._patience_s = client._fetcher, patience_s
        self._waited: Any = None  # the oldest fetch without an answer, as it was seen first
        self._since_s = 0.0

    def remind(self) -> None:
        """Before a poll: a fetch that should have ended long ago is lost, and its node may be asked again."""
        waited = next((future for future in list(self._fetcher._fetch_futures) if not future.is_done), None)
        now = time.monotonic()
        if waited is not self._waited:
            self._waited, self._since_s = waited, now
        elif waited is not None and now - self._since_s > self._patience_s:
            self._fetcher._manager.call_soon(_lose, waited)


async def _lose(fetch: Any) -> None:
    """On the I/O thread, where answers are taken."""
    if not fetch.is_done:
        fetch.failure(errors.KafkaConnectionError("a fetch was never answered"))


def abandon(producer: Any) -> None:
    """Close a producer at once, with whatever it still holds; returns when its thread has ended."""
    with contextlib.suppress(errors.KafkaError):
        producer.close(timeout=0)
    producer._sender.force_close()
    producer._sender.join(5)


async def _connect_or_close(self: Any, net: Any, sock: Any, address: Any, timeout_at: float | None = None) -> Any:
    try:
        return await _connect(self, net, sock, address, timeout_at=timeout_at)
    except BaseException:
        sock.close()
        raise


async def _shake_hands_or_close(self: Any) -> None:
    try:
        await _shake_hands(self)
    except BaseException:
        self._sock.close()
        raise


def _hear_last_words(transport: Any) -> None:
    receive = transport._sock_recv

    def data_before_error(self: Any) -> tuple[bytes, Exception | None]:
        data, error = receive(self)
        return (data, None) if data else (data, error)  # an ended connection ends again at the next read

    transport._sock_recv = data_before_error


_hear_last_words(KafkaTCPTransport)
_hear_last_words(KafkaSSLTransport)
_shake_hands: Any = KafkaSSLTransport.handshake
KafkaSSLTransport.handshake = _shake_hands_or_close  # type: ignore[method-assign]
_connect: Any = KafkaNetSocket.sock_connect
KafkaNetSocket.sock_connect = _connect_or_close  # type: ignore[method-assign]
