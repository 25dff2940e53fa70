"""Bugs put in on purpose, one a plant, each of which the simulation must find: a simulator that finds none of them proves nothing.

A plant patches the shipped classes from outside. Most weave into a shipped core: they drive it and do something before, after or
instead of one of its requests, which is where such bugs live.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from providers.memory.events import MemoryEventStore
from providers.memory.relay import MemoryRelay
from providers.memory.rows_outbox import Outbox
from providers.memory.rows_state import Filled, Stored
from providers.memory.rows_transaction import MemoryTransaction
from runtime.errors import Rejected
from runtime.flow.careful import Careful
from runtime.flow.command import Commands, Sending
from runtime.flow.fold import Batch
from runtime.flow.project import Projector
from runtime.flow.rebuild import Rebuild
from runtime.flow.sink import Sink, signal_of
from runtime.flow.sync import Sync
from runtime.ports import Append, Generation, Head, KeptKey, Loaded, Phase, Recorded, ShardState, Writes
from runtime.steps import Request, Steps, ask
from tests.simulation.cluster import Pieces
from tests.simulation.weave import woven

type Patches = Sequence[tuple[Any, str, Any]]


def nothing(*_: Any, **__: Any) -> Steps[Any]:
    """A core that does nothing."""
    yield from ()
    return 0


# the command path
class ForgetfulStore(MemoryEventStore):
    """Keys are stored on events and never looked at."""

    def load(self, stream: str, key: str, after: int) -> Loaded:
        loaded = super().load(stream, key, after)
        return Loaded(loaded.version, loaded.data)

    def append(self, append: Append) -> Any:
        self._keys.pop((append.stream, append.key), None)
        return super().append(append)

    def append_all(self, appends: Sequence[Append]) -> Any:
        for append in appends:
            self._keys.pop((append.stream, append.key), None)
        return super().append_all(appends)


class SlowKeyStore(MemoryEventStore):
    """An append stores its events; `keep_key` stores the key, in another transaction."""

    def append(self, append: Append) -> Any:
        answer = super().append(append)
        if not answer.replayed:
            del self._keys[append.stream, append.key]
        return answer

    def keep_key(self, append: Append, first: int, last: int) -> None:
        self._keys[append.stream, append.key] = KeptKey(append.stream, append.key, append.digest, first, last)


class SlowKeyCommands(Commands):
    """See `SlowKeyStore`."""

    def handle(self, sending: Sending) -> Steps[Any]:
        def weave(request: Request) -> Steps[Any]:
            reply = yield request
            if request.name == "append" and not reply.replayed:
                yield from ask(self._store.keep_key, request.args[0], reply.first, reply.last)  # type: ignore[attr-defined]
            return reply

        return woven(super().handle(sending), weave)


# the relay
class HastyRelay(MemoryRelay):
    """Deletes the outbox row whatever came meanwhile."""

    def mark(self, published: Sequence[Head]) -> None:
        for head in published:
            self._store.unpublished.pop(head.stream, None)


# the projector
def lock_nothing(self: MemoryTransaction, shards: Sequence[int]) -> tuple[Generation, list[ShardState]]:
    """The shards' state, and no lock."""
    self._check()
    filled = self._filled()
    return filled.generation, [filled.shard(shard) for shard in sorted(set(shards))]


class HastyProjector(Projector):
    """Commits the offset before the rows."""

    def once(self, poll_s: float = 0.2) -> Steps[int]:
        def weave(request: Request) -> Steps[Any]:
            reply = yield request
            if request.name == "poll" and reply:
                yield from ask(self.consumer.commit, {one.partition: one.offset + 1 for one in reply})
            return reply

        return woven(super().once(poll_s), weave)


class EagerProjector(Projector):
    """A green saga does not wait for the swap."""

    def _may_begin(self, poll_s: float) -> Steps[bool]:
        yield from ()
        self._waits = False
        return True


_transact = Sink._transact
_lay, _send, _end = Batch._lay, Batch._send, Batch._end
_put = Filled.put
_try = Careful._try


def fold_on(self: Sink, shards: list[int], fresh: Any, known: Mapping[str, int], holes: set[str]) -> Steps[Any]:
    """Believe the watermarks that the batch was prepared for."""

    def weave(request: Request) -> Steps[Any]:
        reply = yield request
        return {stream: known.get(stream, 0) for stream in request.args[0]} if request.name == "watermarks" else reply

    return woven(_transact(self, shards, fresh, known, holes), weave)


def tell_first(self: Sink, *args: Any) -> Steps[Any]:
    """Signals go out before the commit, and never again."""
    written = Writes()

    def weave(request: Request) -> Steps[Any]:
        nonlocal written
        if request.name == "write":
            written = request.args[0]
        if request.name == "commit":
            yield from self.tell([signal_of(change, self.generation) for change in written.changes])
        return (yield request)

    applied = yield from woven(_transact(self, *args), weave)
    applied.signals = []
    return applied


def send_first(self: Sink, *args: Any) -> Steps[Any]:
    """A saga's commands go out while its transaction is still open."""
    commands = Commands(self.app, self.store, None, self.world)

    def weave(request: Request) -> Steps[Any]:
        if request.name == "write":
            for output in request.args[0].outputs:
                if output.due is None and not output.generation:
                    try:
                        yield from commands.handle(Sending(self.app.commands.decode(output.command), output.idempotency_key))
                    except Rejected:
                        continue
        return (yield request)

    return woven(_transact(self, *args), weave)


def fold_gaps(self: Sink, arrivals: Mapping[str, Sequence[Recorded]], known: Mapping[str, int]) -> Steps[Any]:
    """Take what came for all there is."""
    fresh = {}
    for stream, events in arrivals.items():
        later = {event.version: event for event in events if event.version > known.get(stream, 0)}
        if later:
            fresh[stream] = [later[version] for version in sorted(later)]
    yield from ()
    return fresh, set()


def lay_later(self: Batch, tenant: str, recorded: Recorded, *rest: Any) -> None:
    """Only the poisonous event itself is left out, what comes after it is folded."""
    stops = self._stops.get(recorded.stream)
    if stops is None:
        _lay(self, tenant, recorded, *rest)
        return
    self._stops[recorded.stream] = {part: version for part, version in stops.items() if version == recorded.version}
    try:
        _lay(self, tenant, recorded, *rest)
    finally:
        self._stops[recorded.stream] = stops


def send_from_blue(self: Batch, *args: Any) -> None:
    """Blue sends as if it were live."""
    phase, self.phase = self.phase, Phase.LIVE if self.phase is Phase.BLUE else self.phase
    _send(self, *args)
    self.phase = phase


def keep_timers(self: Batch, saga: str, key: str) -> None:
    """An ended saga's timers stay."""


def drop_tombstones(self: Filled, writes: Writes, rows: dict[tuple[str, str], Stored], outbox: Outbox) -> None:
    """A deleted row is gone, its revision with it."""
    _put(self, writes, rows, outbox)
    for (part, key), stored in rows.items():
        if stored.values is None:
            del self.rows[part][key]


def count_afterwards(self: Careful, *args: Any) -> Steps[Any]:
    """The try is counted when it is over."""
    counted: list[Request] = []

    def weave(request: Request) -> Steps[Any]:
        if request.name == "count_try":
            counted.append(request)
            return 1
        reply = yield request
        if request.name == "rollback" and counted:
            yield counted.pop()
        return reply

    return woven(_try(self, *args), weave)


def goal_of_the_store(self: Rebuild, live: Generation | None, green: Generation) -> Steps[dict[str, int]]:
    """A saga is filled up to the store's heads, wherever live is."""
    heads = yield from ask(self._store.heads, "", 100_000)
    return {head.stream: head.version for head in heads}


def no_goal(self: Rebuild, live: Generation | None, green: Generation) -> Steps[dict[str, int]]:
    """Green is good enough as it is."""
    yield from ()
    return {}


def resend_nothing(self: Sink, states: Sequence[ShardState], generation: Generation) -> Steps[list[Any]]:
    """How far was signalled is not remembered."""
    yield from ()
    return []


def one_order(items: Sequence[Any], event_of: Any) -> Sequence[Any]:
    """The order in which they were read."""
    return sorted(items, key=lambda item: (event_of(item).stream, event_of(item).version))


PLANTS: dict[str, tuple[Pieces, Patches]] = {
    "none": (Pieces(), []),
    "watermarks without the shard lock": (Pieces(), [(MemoryTransaction, "lock", lock_nothing)]),
    "a lost tail without sync": (Pieces(), [(Sync, "run", nothing)]),
    "signals before the commit only": (Pieces(), [(Sink, "_transact", tell_first), (Sink, "_missed", resend_nothing)]),
    "a saga sends before its commit": (Pieces(), [(Sink, "_transact", send_first)]),
    "a swap while green is behind": (Pieces(), [(Rebuild, "_goal", no_goal)]),
    "a parked stream refilled by its later events": (Pieces(), [(Batch, "_lay", lay_later)]),
    "the key stored in another transaction": (Pieces(store=SlowKeyStore, commands=SlowKeyCommands), []),
    "no key": (Pieces(store=ForgetfulStore), []),
    "the relay deletes an outbox row that changed": (Pieces(relay=HastyRelay), []),
    "tries counted after the attempt": (Pieces(), [(Careful, "_try", count_afterwards)]),
    # five of our own, and more
    "the offset committed before the rows": (Pieces(projector=HastyProjector), []),
    "a batch not redone when the watermarks moved": (Pieces(), [(Sink, "_transact", fold_on)]),
    "blue sends after the swap": (Pieces(), [(Batch, "_send", send_from_blue)]),
    "the timers of an ended saga kept": (Pieces(), [(Batch, "_end", keep_timers)]),
    "a gap not filled": (Pieces(), [(Sink, "_fresh", fold_gaps)]),
    "the signalled number not kept": (Pieces(), [(Sink, "_missed", resend_nothing)]),
    "tombstones thrown away": (Pieces(), [(Filled, "put", drop_tombstones)]),
    "a green saga ahead of live": (Pieces(projector=EagerProjector), [(Rebuild, "_goal", goal_of_the_store)]),
    "whoever lived is parked with the killer": (Pieces(), [(Careful, "_acquit", nothing)]),
}


@contextmanager
def planted(name: str) -> Iterator[Pieces]:
    """The shipped code with one bug in it."""
    pieces, patches = PLANTS[name]
    with ExitStack() as stack:
        for owner, attribute, value in patches:
            stack.enter_context(patch.object(owner, attribute, value))
        yield pieces
