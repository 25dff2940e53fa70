"""Trimaran's side of the event store lines: the public append, command and load, on any event store.

Every append carries an idempotency key and its answer, as law 3 demands; the peers store none.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from os import urandom

from bench import domain
from bench.peers.library import in_threads
from runtime.errors import TrimaranError
from runtime.flow.command import Commands, digest_of
from runtime.ports import Append, EventStore, New


class Account:
    """An account in hand: its name and the version it stands at."""

    __slots__ = ("id", "version")

    def __init__(self, id: str, version: int = 0) -> None:
        self.id, self.version = id, version


class Ledger:
    """What the lines do, over one event store."""

    def __init__(self, store: EventStore) -> None:
        self.store = store
        self._commands = Commands(domain.app, store)
        self._plan = domain.app.plans["account"]

    def append(self, account: Account, times: int) -> None:
        """Append one event at a time to an account in hand, each durable before the next."""
        stream = f"account-{account.id}"
        for amount in range(times):
            data = domain.app.encode(domain.entered(account.id, amount))
            now = datetime.now(UTC).isoformat()
            events = (New("Entered", data),)
            answer = self.store.append(Append(stream, account.version, events, urandom(16).hex(), digest_of(data), time=now))
            account.version = answer.last

    def writers(self, accounts: Sequence[Account], times: int) -> None:
        """One thread per account, each appending its own events one at a time."""
        in_threads([lambda account=account: self.append(account, times) for account in accounts])  # type: ignore[misc]

    def command(self, id: str) -> None:
        """The whole command path: load the account, decide, append one event."""
        self._commands.send(domain.enter(id, 1))

    def load(self, id: str, entries: int) -> None:
        """The account folded from its events."""
        loaded = self.store.load(f"account-{id}", "", 0)
        account = self._plan.fold(domain.Account(), loaded.data)
        assert account.entries == entries, account

    def prepare(self, ids: Sequence[str], entries: int) -> None:
        """Accounts with so many entries each."""
        first = 0
        while first < entries:
            count = min(90, entries - first)
            appends = [self._batch(id, first, count) for id in ids]
            for reply in self.store.append_all(appends):
                if isinstance(reply, TrimaranError):
                    raise reply
            first += count

    def _batch(self, id: str, first: int, count: int) -> Append:
        events = tuple(New("Entered", domain.app.encode(domain.entered(id, amount))) for amount in range(first, first + count))
        return Append(f"account-{id}", first, events, urandom(16).hex(), b"prepared")
