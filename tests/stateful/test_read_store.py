"""Any sequence of batches, swaps, tries and questions: SQLite and PostgreSQL answer each as memory does.

Every step is done on all stores, and whatever one of them answers or raises must be what the others do.
"""

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from msgspec import Struct

from runtime.domain.filters import EVERYTHING, Compare, Filter, IsNull, Not, Order, Query
from runtime.domain.tables import Column, Group, Kind, Table
from runtime.errors import TrimaranError
from runtime.ports import Change, Letter, Output, Phase, ReadStore, Row, RowWrite, Writes
from tests.conformance.read_stores import PROVIDERS, opener
from tests.rounds import rounds

KEYS = st.sampled_from(["a", "b", "B", "ö"])
STREAMS = st.sampled_from(["order-1", "order-2", "stock-1"])
SHARDS = st.sampled_from([0, 1, 255])
NOON = datetime(2013, 6, 1, 12, tzinfo=UTC)
INSTANTS = st.integers(0, 4).map(lambda hours: NOON + timedelta(hours=hours))
COLUMNS = (Column("n", Kind.INT), Column("at", Kind.INSTANT), Column("price", Kind.DECIMAL), Column("note", Kind.TEXT))
VALUES = st.tuples(
    st.none() | st.integers(-3, 3),
    st.none() | INSTANTS,
    st.none() | st.sampled_from([Decimal("1.10"), Decimal("9.5"), Decimal(10)]),
    st.none() | st.sampled_from(["", "a", "ö", '"\\']),
)
WHERE: st.SearchStrategy[Filter] = st.sampled_from(
    [EVERYTHING, Compare("n", "gt", 0), IsNull("note"), Not(Compare("price", "lt", 10)), Compare("note", "contains", "")]
)
ORDERS = st.lists(st.builds(Order, st.sampled_from(["n", "at", "price", "note"]), st.booleans()), max_size=2).map(tuple)

_examples = itertools.count(1)


class Asked(Struct):
    """A page with the cursor after each of its rows, so that two can be compared."""

    rows: list[tuple[str, Row]]
    cursor: str
    after: list[str]


class Machine(RuleBasedStateMachine):
    """The same app in every store; a fresh group, part and saga for each example."""

    def __init__(self, stores: list[ReadStore]) -> None:
        super().__init__()
        self.stores = stores
        name = f"x{next(_examples)}"
        self.table = Table(name, COLUMNS, many=True)
        self.group = Group(name, (self.table,), "h", saga=True)
        self.name = name

    def all(self, work: Callable[[ReadStore], Any]) -> Any:
        """What all of them answer, or the kind of error that all of them raise."""
        answers = [outcome(work, store) for store in self.stores]
        for answer in answers[1:]:
            assert answer == answers[0]
        return answers[0]

    @initialize()
    def start(self) -> None:
        self.all(lambda store: store.create(self.group, Phase.LIVE, 1))
        self.numbers = [1]

    # generations
    @precondition(lambda self: len(self.numbers) < 4)
    @rule()
    def create(self) -> None:
        self.numbers.append(self.all(lambda store: store.create(self.group, Phase.GREEN, 2)).number)

    @rule(number=st.integers(1, 4))
    def drop(self, number: int) -> None:
        self.all(lambda store: store.drop(self.name, number))

    @rule(number=st.integers(1, 4), phase=st.sampled_from(Phase))
    def set_phase(self, number: int, phase: Phase) -> None:
        self.all(lambda store: transaction(store, self.name, number, lambda tx: (tx.lock([0, 1, 255]), tx.set_phase(number, phase))))

    @rule(number=st.integers(1, 4), of=st.integers(1, 4))
    def release(self, number: int, of: int) -> None:
        self.all(lambda store: transaction(store, self.name, number, lambda tx: (tx.lock([0]), tx.release(number, of))))

    # batches
    @rule(
        number=st.integers(1, 4),
        rows=st.dictionaries(KEYS, st.none() | VALUES, max_size=4),
        watermarks=st.dictionaries(STREAMS, st.integers(1, 9)),
        changed=st.dictionaries(SHARDS, st.integers(0, 3)),
        signalled=st.dictionaries(SHARDS, st.integers(0, 9)),
        outputs=st.lists(st.tuples(STREAMS, st.integers(1, 5), st.integers(1, 2), KEYS, st.none() | INSTANTS, st.booleans()), max_size=4),
        ended=st.lists(KEYS, max_size=2),
        letters=st.lists(st.tuples(STREAMS, st.integers(1, 5), st.integers(0, 3), st.booleans()), max_size=2, unique_by=lambda one: one[0]),
        gone=st.lists(STREAMS, max_size=1),
        committed=st.booleans(),
    )
    def batch(self, number: int, committed: bool, **drawn: Any) -> None:
        self.all(lambda store: transaction(store, self.name, number, lambda tx: self._write(tx, number, drawn), committed))

    def _write(self, tx: Any, number: int, drawn: dict[str, Any]) -> Any:
        locked = tx.lock([0, 1, 255])
        changes = {state.shard: state.changes for state in locked[1]}
        before = tx.lock_rows(self.name, ["a", "b"]) | tx.rows(self.name, ["B", "ö"])
        revisions = {key: row.revision for key, row in before.items()}
        seen = (locked, before, tx.watermarks(["order-1", "stock-1"]), tx.letters(["order-1", "order-2"]))
        writes = Writes(
            rows=[RowWrite(self.name, key, "", values, revisions.get(key, 0) + 1) for key, values in drawn["rows"].items()],
            watermarks=drawn["watermarks"],
            changes=[
                Change(shard, changes[shard] + n, self.name, "a", "", n, b"", b'{"n":1}')
                for shard, count in drawn["changed"].items()
                for n in range(1, count + 1)
            ],
            signalled=drawn["signalled"],
            outputs=[
                Output(self.name, key, stream, version, n, b"{}", "", due, number if held else 0)
                for stream, version, n, key, due, held in drawn["outputs"]
            ],
            timers_dropped=[(self.name, key) for key in drawn["ended"]],
            letters=[Letter(self.name, stream, version, "no", tries, parked) for stream, version, tries, parked in drawn["letters"]],
            letters_gone=[(self.name, stream) for stream in drawn["gone"]],
        )
        tx.write(writes)
        tx.hold([1], "me")
        after = (tx.rows(self.name, ["a", "b", "B", "ö"]), tx.watermarks(["order-1", "order-2"]), tx.letters(["order-1", "order-2"]))
        return seen, after

    # letters and changes
    @rule(number=st.integers(1, 4), stream=STREAMS, version=st.integers(1, 3), error=st.sampled_from(["", "no"]))
    def count_try(self, number: int, stream: str, version: int, error: str) -> None:
        self.all(lambda store: store.count_try(self.name, number, Letter(self.name, stream, version, error, 0, False)))

    @rule(number=st.integers(1, 4), keep=st.integers(0, 3))
    def trim(self, number: int, keep: int) -> None:
        self.all(lambda store: store.trim_changes(self.name, number, keep))

    # outbox
    @rule(now=INSTANTS, limit=st.integers(1, 3), count=st.integers(0, 2))
    def send(self, now: datetime, limit: int, count: int) -> None:
        due = self.all(lambda store: store.due(self.name, now, limit))
        self.all(lambda store: store.sent(due[:count]))

    @rule(now=INSTANTS, again=st.none() | INSTANTS)
    def fail(self, now: datetime, again: datetime | None) -> None:
        for output in self.all(lambda store: store.due(self.name, now, 1)):
            self._fail(output, again)

    def _fail(self, output: Output, again: datetime | None) -> None:
        self.all(lambda store: store.failed(output, "no", again))

    @rule()
    def unstick(self) -> None:
        stuck = [output for output in self.all(lambda store: store.outputs(self.name, 10)) if output.stuck]
        self.all(lambda store: store.unstick(self.name, stuck))

    # what everybody must agree on
    @rule(number=st.integers(1, 4), where=WHERE, order=ORDERS, first=st.integers(1, 3))
    def ask(self, number: int, where: Filter, order: tuple[Order, ...], first: int) -> None:
        cursor = ""
        while True:
            page = self._page(number, Query(where, order, first, cursor))
            if isinstance(page, str) or not page.cursor:
                return
            cursor = page.cursor

    def _page(self, number: int, query: Query) -> Any:
        def asked(store: ReadStore) -> Asked:
            page = store.query(number, self.table, query)
            return Asked(page.rows, page.cursor, [page.after(position) for position in range(len(page.rows))])

        return self.all(asked)

    @rule(number=st.integers(1, 4), key=KEYS, stream=STREAMS)
    def look(self, number: int, key: str, stream: str) -> None:
        self._look(number, key, stream)

    def teardown(self) -> None:
        """Whatever was done, in the end nothing differs anywhere."""
        for number in self.numbers:
            for key, stream in zip(("a", "b", "B"), ("order-1", "order-2", "stock-1"), strict=True):
                self._look(number, key, stream)
            self._page(number, Query(order=(Order("n"),)))

    def _look(self, number: int, key: str, stream: str) -> None:
        self.all(lambda store: store.get(self.name, number, self.name, key, stream))
        self.all(lambda store: store.watermarks(self.name, number, "", 2))
        self.all(lambda store: store.history(self.name, number))
        self.all(lambda store: store.changes(self.name, number, 0, 1, 3))
        self.all(lambda store: store.letters(self.name, number))
        self.all(lambda store: store.outputs(self.name, 20))
        self.all(lambda store: store.generations(self.name))


def outcome(work: Callable[[ReadStore], Any], store: ReadStore) -> Any:
    try:
        return work(store)
    except TrimaranError as error:
        return type(error).__name__


def transaction(store: ReadStore, group: str, number: int, work: Callable[[Any], Any], committed: bool = True) -> Any:
    tx = store.begin(group, number)
    try:
        answer = work(tx)
        if committed:
            tx.commit()
        return answer
    finally:
        tx.rollback()


@pytest.fixture
def stores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ReadStore]]:
    folder = tmp_path_factory.mktemp("stateful")
    opened = [opener(name, folder, lambda: str(request.getfixturevalue("shared_url")))() for name in PROVIDERS]
    yield opened
    for store in opened:
        store.close()


@pytest.mark.rounds
def test_any_sequence_is_answered_alike_by_every_store(stores: list[ReadStore]) -> None:
    def machine() -> RuleBasedStateMachine:
        return Machine(stores)

    run_state_machine_as_test(
        machine,  # type: ignore[arg-type]  # it calls what it is given
        settings=settings(max_examples=rounds(100), stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)),
    )
