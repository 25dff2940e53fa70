"""Any sequence of commands through the shipped command path, against a model of a few dictionaries; over every event store.

Between the path and the store stands a store that refuses, loses its answers, lets somebody else in first, or falls silent after it
stored. The model knows what a shop decides and nothing of how: it shares no code with deciders, folds, keys or snapshots.
"""

import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from msgspec import json

from apps import shop
from providers.memory.events import MemoryEventStore
from providers.memory.relay import MemoryRelay
from providers.memory.snapshots import MemorySnapshots
from runtime.domain import App, Command, Decider
from runtime.errors import KeyReused, Rejected, TrimaranError, Unavailable
from runtime.flow.command import Commands, Outcome, Sending
from runtime.ports import Answer, Append, EventStore, Head, Loaded
from tests.conformance.stores import NAMESPACE, PROVIDERS, Handle, postgres_handle, sqlite_handle
from tests.flow.house import WalkingWorld
from tests.rounds import rounds
from tests.simulation.world import START, Clock

EXAMPLES = {"memory": 300, "sqlite": 100, "postgres": 50}
app = App(
    "stateful",
    parts=(shop.orders, Decider("stock", 0, shop.decide_stock, shop.evolve_stock, id="sku", snapshot_every=3)),
)

SKUS, ORDERS = st.sampled_from(["tea", "rum"]), st.sampled_from(["o1", "o2"])
FEW = st.integers(1, 4)
COMMANDS: st.SearchStrategy[Command] = st.one_of(
    st.builds(shop.Restock, SKUS, FEW),
    st.builds(shop.Reserve, SKUS, ORDERS, FEW),
    st.builds(lambda order, quantity: shop.PlaceOrder(order, "ann", "tea", quantity, 5_00, START), ORDERS, FEW),
    st.builds(shop.SettleOrder, ORDERS, st.sampled_from(["sold", "timed out"])),
)
KEYS = st.sampled_from(["", "k1", "k2", "k3"])  # "": a key of the path's own
FAULTS = st.lists(st.sampled_from(["refused", "lost", "beaten"]), max_size=4)

type Stored = tuple[str, int]  # a type, and the quantity where it has one
type Told = tuple[int, int, bool] | type[TrimaranError]  # first, last, replayed


class Stormy:
    """The store as the command path meets it: the next appends meet these faults, in this order."""

    def __init__(self, store: EventStore, rival: Callable[[str], None]) -> None:
        self._store, self._rival = store, rival
        self.faults: list[str] = []
        self.silent = False

    def load(self, stream: str, key: str, after: int) -> Loaded:
        """What is there, unless it fell silent."""
        if self.silent:
            raise Unavailable("no answer")
        return self._store.load(stream, key, after)

    def append(self, append: Append) -> Answer:
        """One append, and its fault."""
        if self.silent:
            raise Unavailable("no answer", in_doubt=True)
        return self._meet([append], lambda: self._store.append(append))

    def append_all(self, appends: Sequence[Append]) -> list[Any]:
        """Many, and their fault."""
        return self._meet(appends, lambda: self._store.append_all(appends))

    def _meet[T](self, appends: Sequence[Append], work: Callable[[], T]) -> T:
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "refused":
            raise Unavailable("connection refused")
        if fault == "beaten":
            for append in appends:
                self._rival(append.stream)
        reply = work()
        if fault in ("lost", "silent"):
            self.silent = fault == "silent"
            raise Unavailable("no answer", in_doubt=True)
        return reply


class CommandMachine(RuleBasedStateMachine):
    """The real path and the real store beside the model."""

    open_handle: Callable[[], Handle]

    def __init__(self) -> None:
        super().__init__()
        self.handle = type(self).open_handle()
        world = WalkingWorld(Clock(), random.Random(0))
        self.plain = Commands(app, self.handle.events, None, world)
        self.stormy = Stormy(self.handle.events, self.rival)
        self.commands = Commands(app, self.stormy, self.handle.snapshots, world)  # type: ignore[arg-type]
        self.streams: dict[str, list[Stored]] = {}
        self.kept: dict[tuple[str, str], tuple[Command, int, int]] = {}

    def rival(self, stream: str) -> None:
        """Somebody else restocks first."""
        category, _, sku = stream.partition("-")
        if category == "stock":
            self.plain.send(shop.Restock(sku, 1))

    @initialize()
    def empty(self) -> None:
        assert self.handle.events.heads("", 10) == []

    # what callers do
    @rule(command=COMMANDS, key=KEYS, faults=FAULTS)
    def send(self, command: Command, key: str, faults: list[str]) -> None:
        expected = self.model(command, key, list(faults))
        self.stormy.faults = list(faults)
        assert self.told(lambda: self.commands.send(command, key)) == expected

    @rule(command=COMMANDS, key=KEYS)
    def send_to_a_store_that_falls_silent(self, command: Command, key: str) -> None:
        expected = self.model(command, key, ["silent"])
        self.stormy.faults = ["silent"]
        assert self.told(lambda: self.commands.send(command, key)) == expected
        self.stormy.silent = False

    @rule(several=st.lists(st.tuples(COMMANDS, KEYS), max_size=4, unique_by=lambda one: stream_of(one[0])), faults=FAULTS)
    def send_all(self, several: list[tuple[Command, str]], faults: list[str]) -> None:
        faults = [fault for fault in faults if fault != "beaten"][:1]
        expected = [self.model(command, key, list(faults)) for command, key in several]
        self.stormy.faults = list(faults)
        outcomes = self.commands.send_all([Sending(command, key) for command, key in several])
        assert [plain(outcome) for outcome in outcomes] == expected

    # what must hold
    @invariant()
    def what_is_stored_is_what_the_model_has(self) -> None:
        found: dict[str, list[Stored]] = {}
        for event in self.handle.events.bulk(Head("", 0), "", 10_000):
            assert event.version == len(found.setdefault(event.stream, [])) + 1
            found[event.stream].append((event.type, json.decode(event.data).get("quantity", 0)))
        assert found == self.streams

    @invariant()
    def every_key_of_a_caller_is_kept_with_its_first_answer(self) -> None:
        found = {(one.stream, one.key): (one.first, one.last) for one in self.handle.events.keys(("", ""), 10_000)}
        assert {place: span for place, span in found.items() if place[1].startswith("k") and len(place[1]) == 2} == {
            place: (first, last) for place, (_, first, last) in self.kept.items()
        }

    def told(self, work: Callable[[], Answer]) -> Told:
        """What a caller hears."""
        try:
            return plain(work())
        except TrimaranError as error:
            return type(error)
        finally:
            self.stormy.faults = []

    # the model
    def model(self, command: Command, key: str, faults: list[str]) -> Told:
        """What the promises say that the caller hears, and the effect."""
        stream = stream_of(command)
        kept = self.kept.get((stream, key)) if key else None
        if kept is not None:
            return (kept[1], kept[2], True) if kept[0] == command else KeyReused
        while True:
            decided = self.decided(command, stream)
            if decided is None:
                return Rejected
            fault = faults.pop(0) if faults else ""
            if fault == "refused":
                continue
            if fault == "beaten" and stream.startswith("stock"):
                self.streams.setdefault(stream, []).append(("Restocked", 1))
                continue
            return self.stored(command, key, decided, fault)

    def stored(self, command: Command, key: str, decided: list[Stored], fault: str) -> Told:
        stream = stream_of(command)
        first = len(self.streams.get(stream, ()))
        if decided:
            self.streams.setdefault(stream, []).extend(decided)
        if key:
            self.kept[stream, key] = command, first, first + len(decided)
        return Unavailable if fault == "silent" else (first, first + len(decided), fault == "lost")

    def decided(self, command: Command, stream: str) -> list[Stored] | None:
        """The events that a shop answers with; None: it refuses."""
        past = self.streams.get(stream, [])
        match command:
            case shop.Restock():
                return [("Restocked", command.quantity)]
            case shop.Reserve():
                free = sum({"Restocked": 1, "Reserved": -1}.get(kind, 0) * quantity for kind, quantity in past)
                return [("Reserved", command.quantity)] if command.quantity <= free else [("ReserveRefused", 0)]
            case shop.PlaceOrder():
                return None if past else [("OrderPlaced", command.quantity)]
            case _:
                return None if not past else [("OrderSettled", past[0][1])] if len(past) == 1 else []


def stream_of(command: Command) -> str:
    """The stream that a command of this test is for."""
    return f"order-{command.order}" if isinstance(command, shop.PlaceOrder | shop.SettleOrder) else f"stock-{command.sku}"  # type: ignore[attr-defined]


def plain(outcome: Outcome) -> Told:
    """An answer without its stream, an error's kind."""
    return (outcome.first, outcome.last, outcome.replayed) if isinstance(outcome, Answer) else type(outcome)


@pytest.fixture(params=PROVIDERS)
def opener(request: pytest.FixtureRequest) -> Iterator[tuple[str, Callable[[], Handle]]]:
    """A provider's name, and what opens an empty store of it; the one before is closed."""
    opened: list[Handle] = []
    folder = tempfile.mkdtemp(prefix="trimaran-stateful-")
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""

    def fresh() -> Handle:
        match request.param:
            case "memory":
                store = MemoryEventStore()
                return Handle(store, MemorySnapshots(), MemoryRelay(store))
            case "sqlite":
                for handle in opened[-1:]:
                    handle.events.close()
                opened.append(sqlite_handle(f"{folder}/{len(opened)}.db"))
            case _:
                if not opened:
                    opened.append(postgres_handle(url))
                with psycopg.connect(url) as admin:
                    admin.execute("TRUNCATE " + ", ".join(f"{NAMESPACE}.{table}" for table in ("events", "streams", "keys", "snapshots")))
        return opened[-1]

    yield request.param, fresh
    for handle in opened[-1:]:
        handle.events.close()
    shutil.rmtree(folder)


@pytest.mark.rounds
def test_any_sequence_of_commands_takes_effect_once_whatever_the_store_does(opener: tuple[str, Callable[[], Handle]]) -> None:
    provider, fresh = opener
    machine = type("Machine", (CommandMachine,), {"open_handle": staticmethod(fresh)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=rounds(EXAMPLES[provider]),
            phases=(Phase.generate,) if provider == "postgres" else tuple(Phase),  # shrinking over the network takes minutes
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
