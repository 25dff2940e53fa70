"""Any sequence of calls on an event store and its relay, against a model that is two dictionaries; over every provider.

The model is written from the promises in `runtime.ports` alone; it shares no code with the providers.
"""

import shutil
import tempfile
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from providers.memory.events import MemoryEventStore
from providers.memory.relay import MemoryRelay
from providers.memory.snapshots import MemorySnapshots
from runtime.errors import Conflict, KeyReused, TrimaranError
from runtime.ports import Answer, Append, Head, New, Pending, Recorded
from tests.conformance.stores import Handle, postgres_handle, sqlite_handle
from tests.rounds import rounds

STREAMS = st.sampled_from(["a", "a-1", "b", "é"])
KEYS = st.sampled_from([f"k{number}" for number in range(6)])
DIGESTS = st.sampled_from([b"this", b"that"])
EXPECTED = st.one_of(st.none(), st.integers(0, 4))  # None: the right version
EVENTS = st.lists(st.sampled_from([b"", b"{}", b"\x00\xff"]), max_size=3)
COMMANDS = st.tuples(STREAMS, KEYS, DIGESTS, EXPECTED, EVENTS)

type Command = tuple[str, str, bytes, int | None, list[bytes]]


class StoreMachine(RuleBasedStateMachine):
    """The real store beside the model."""

    open_handle: Callable[[], Handle]

    def __init__(self) -> None:
        super().__init__()
        self.handle = type(self).open_handle()
        self.streams: dict[str, list[bytes]] = {}
        self.kept: dict[tuple[str, str], tuple[bytes, Answer]] = {}
        self.published: dict[str, int] = {}
        self.claimed: list[Pending] = []
        self.epoch = 1

    @initialize()
    def empty(self) -> None:
        assert self.handle.events.heads("", 10) == []

    @rule(command=COMMANDS)
    def append(self, command: Command) -> None:
        append = self.real(command)
        expected = self.model(append)
        try:
            reply: Any = self.handle.events.append(append)
        except TrimaranError as error:
            reply = error
        assert same(reply, expected), (reply, expected)

    @rule(commands=st.lists(COMMANDS, max_size=5))
    def append_all(self, commands: list[Command]) -> None:
        appends = [self.real(command) for command in commands]
        expected = [self.model(append) for append in appends]
        replies = self.handle.events.append_all(appends)
        assert len(replies) == len(expected)
        for reply, each in zip(replies, expected, strict=True):
            assert same(reply, each), (replies, expected)

    @rule(stream=STREAMS, key=KEYS, after=st.integers(0, 5))
    def load(self, stream: str, key: str, after: int) -> None:
        loaded = self.handle.events.load(stream, key, after)
        digest, answer = self.kept.get((stream, key), (b"", None))
        assert loaded.version == len(self.streams.get(stream, []))
        assert loaded.data == self.streams.get(stream, [])[after:]
        assert (loaded.digest, loaded.answer) == (digest, answer)

    @rule(stream=STREAMS, count=st.integers(1, 3), skip=st.integers(0, 2))
    def restore(self, stream: str, count: int, skip: int) -> None:
        there = self.streams.get(stream, [])
        stored = self.handle.events.read(stream, 0, 1000)
        first = len(there) + 1 + skip
        fresh = [Recorded(stream, version, "Noted", b"restored", epoch=self.epoch) for version in range(first, first + count)]
        try:
            self.handle.events.restore([*stored[-2:], *fresh], [])
        except Conflict:
            assert skip > 0
        else:
            assert skip == 0
            self.streams[stream] = [*there, *(event.data for event in fresh)]

    @rule(limit=st.integers(1, 6))
    def claim(self, limit: int) -> None:
        pending = self.handle.relay.claim(limit, 0.0)
        assert bool(pending) == bool(self.unpublished())
        for each in pending:
            first = self.published.get(each.stream, 0) + 1
            stored = self.streams[each.stream][first - 1 :]
            assert [event.version for event in each.events] == list(range(first, first + len(each.events)))
            assert [event.data for event in each.events] == stored[: len(each.events)]
        self.claimed += pending

    @rule(last=st.booleans())
    def mark(self, last: bool) -> None:
        if not self.claimed:
            return
        pending = self.claimed.pop(-1 if last else 0)  # an old claim may be marked late
        self.handle.relay.mark([Head(pending.stream, pending.last)])
        self.published[pending.stream] = max(self.published.get(pending.stream, 0), pending.last)

    @rule()
    def raise_epoch(self) -> None:
        self.epoch += 1
        assert self.handle.events.raise_epoch() == self.epoch

    @invariant()
    def heads_and_backlog_agree(self) -> None:
        heads = [Head(stream, len(self.streams[stream])) for stream in sorted(self.streams)]
        assert self.handle.events.heads("", 100) == heads
        assert self.handle.relay.backlog() == len(self.unpublished())

    @invariant()
    def every_event_is_in_bulk_once(self) -> None:
        found = [(event.stream, event.version, event.data) for event in self.handle.events.bulk(Head("", 0), "", 10_000)]
        assert found == [(name, n, data) for name in sorted(self.streams) for n, data in enumerate(self.streams[name], 1)]

    def unpublished(self) -> list[str]:
        return [stream for stream, events in self.streams.items() if len(events) > self.published.get(stream, 0)]

    def real(self, command: Command) -> Append:
        stream, key, digest, expected, events = command
        if expected is None:
            expected = len(self.streams.get(stream, []))
        return Append(stream, expected, tuple(New("Noted", data) for data in events), key, digest)

    def model(self, append: Append) -> Answer | TrimaranError:
        """What the promises say, and its effect."""
        kept = self.kept.get((append.stream, append.key))
        if kept is not None:
            return kept[1] if kept[0] == append.digest else KeyReused(append.stream, append.key)
        head = len(self.streams.get(append.stream, []))
        if append.expected != head:
            return Conflict(append.stream, append.expected, head)
        if append.events:
            self.streams.setdefault(append.stream, []).extend(new.data for new in append.events)
        last = head + len(append.events)
        self.kept[append.stream, append.key] = append.digest, Answer(append.stream, head, last, self.epoch, True)
        return Answer(append.stream, head, last, self.epoch)


def same(reply: object, expected: object) -> bool:
    """Answers are equal, errors have one type and one text."""
    return type(reply) is type(expected) and (str(reply) == str(expected) if isinstance(reply, TrimaranError) else reply == expected)


def explore(open_handle: Callable[[], Handle], examples: int, *, shrink: bool = True) -> None:
    machine = type("Machine", (StoreMachine,), {"open_handle": staticmethod(open_handle)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=rounds(examples),
            phases=tuple(Phase) if shrink else (Phase.generate,),
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )


@pytest.mark.rounds
def test_any_sequence_of_calls_on_the_memory_store_keeps_its_promises() -> None:
    def open_handle() -> Handle:
        store = MemoryEventStore()
        return Handle(store, MemorySnapshots(), MemoryRelay(store))

    explore(open_handle, 300)


@pytest.mark.rounds
def test_any_sequence_of_calls_on_the_sqlite_store_keeps_its_promises() -> None:
    folder = tempfile.mkdtemp(prefix="trimaran-stateful-")
    opened: list[Handle] = []

    def fresh() -> Handle:
        for handle in opened[-1:]:
            handle.events.close()
        opened.append(sqlite_handle(f"{folder}/{len(opened)}.db"))
        return opened[-1]

    try:
        explore(fresh, 100)
    finally:
        opened[-1].events.close()
        shutil.rmtree(folder)


@pytest.mark.rounds
def test_any_sequence_of_calls_on_the_postgresql_store_keeps_its_promises(postgres_url: str) -> None:
    handle = postgres_handle(postgres_url)

    def emptied() -> Handle:
        with psycopg.connect(postgres_url) as admin:
            admin.execute("TRUNCATE conformance.events, conformance.streams, conformance.keys; UPDATE conformance.meta SET epoch = 1")
        return handle

    explore(emptied, 50, shrink=False)  # shrinking over the network takes minutes
    handle.events.close()
