"""One batch, folded: from events to the rows, deltas, changes and saga output that one transaction writes.

Decoding, keys and measures come first and need no row; then each part reads its rows once, folds, and says what to write. An
event that a part cannot fold is `Poison`: the batch is given up, the try counted, and the batch made again.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from runtime.domain.folds import AggregationFold, Fold, ProjectionFold, SagaFold, key_text
from runtime.domain.measures import Effect
from runtime.domain.parts import After, End
from runtime.domain.rows import changed
from runtime.domain.tables import Value
from runtime.errors import Malformed
from runtime.flow.causal import in_causal_order
from runtime.ports import Change, Generation, Letter, Output, Phase, Recorded, Row, RowWrite, ShardState, Signal, Transaction, Writes
from runtime.steps import Steps, ask

if TYPE_CHECKING:
    from runtime.flow.sink import Sink, Taker

WHOLE = 4  # events of one stream in a batch from which on decoding them in one call pays
OUTPUTS = 1_000  # numbers of outputs kept for each part of a split event

type Key = tuple[str, str]  # tenant, key
type Item = tuple[Recorded, Any, int]  # the stored event, today's event, and which part of a split it is


type Measure = tuple[list[Any], list[Effect]]  # a contribution, and what of it changes anything


class Poison(Exception):
    """`part` cannot fold the event `version` of `stream`."""

    def __init__(self, part: str, stream: str, version: int, text: str, reason: str = "error") -> None:
        super().__init__(f"{part!r} cannot fold {stream}@{version}: {text}")
        self.part, self.stream, self.version, self.text, self.reason = part, stream, version, text, reason


class Batch:
    """What one transaction writes for one generation; `only` narrows it to one part (redrive, rehearsal)."""

    def __init__(
        self, sink: "Sink", generation: Generation, lowest: ShardState, letters: Sequence[Letter], only: str | None = None
    ) -> None:
        self.sink, self.app, self.phase, self.number = sink, sink.app, generation.phase, generation.number
        self.writes = Writes()
        self.signals: list[Signal] = []
        self.events = 0
        self.only = only
        self._shard, self._changes = lowest.shard, lowest.changes
        self._stops: dict[str, dict[str, int]] = {}  # stream -> part -> version from which the part folds nothing
        self._counting: dict[str, list[Letter]] = {}
        self._rows: dict[str, dict[Key, list[Item]]] = {}
        self._deltas: dict[str, dict[tuple[Any, ...], list[Any]]] = {}
        self._relative: list[tuple[int, timedelta]] = []
        self._timed: set[tuple[str, str]] = set()  # (saga, key) with a timer set in this very batch
        for letter in letters:
            self._read(letter)

    # letters
    def _read(self, letter: Letter) -> None:
        if letter.part == self.only:
            return
        if letter.parked:
            self._stops.setdefault(letter.stream, {})[letter.part] = letter.version
        elif letter.tries > self.sink.max_tries:
            self._park(letter.part, letter.stream, letter.version, letter.error, letter.tries - 1, letter.reason)
        else:
            self._counting.setdefault(letter.stream, []).append(letter)

    def _park(self, part: str, stream: str, version: int, error: str, tries: int, reason: str) -> None:
        stops = self._stops.setdefault(stream, {})
        if stops.get(part, version + 1) > version:
            stops[part] = version
            self.writes.letters.append(Letter(part, stream, version, error, tries, True, reason))

    def park_holes(self, holes: set[str], fresh: Mapping[str, list[Recorded]], known: Mapping[str, int]) -> None:
        """The store itself lacks an event below one that the bus brought: every part waits at the hole, visibly."""
        for stream in sorted(holes):
            version = (fresh[stream][-1].version if stream in fresh else known.get(stream, 0)) + 1
            for fold in self.sink.folds:
                self._park(fold.part.name, stream, version, f"the store has no version {version}", 0, "gap")

    # the batch
    def fold(self, tx: Transaction, fresh: Mapping[str, list[Recorded]]) -> Steps[None]:
        """Fold it all; `Poison` when a part cannot."""
        for stream, events in fresh.items():
            self._sort(stream, events)
            if self.only is None:
                self.writes.watermarks[stream] = events[-1].version
                self._stop_counting(stream, events[-1].version)
            self.events += len(events)
        for fold in self.sink.locking_order:
            part = fold.part.name
            if part in self._deltas:
                assert isinstance(fold, AggregationFold)
                yield from self._aggregate(tx, fold, self._deltas[part])
            elif part in self._rows:
                assert not isinstance(fold, AggregationFold)
                yield from self._project(tx, fold, self._rows[part])
        if self._relative:
            clock = yield from ask(self.sink.rows.clock)
            for position, delay in self._relative:
                self.writes.outputs[position] = msgspec.structs.replace(self.writes.outputs[position], due=clock + delay)

    def _stop_counting(self, stream: str, version: int) -> None:
        for letter in self._counting.pop(stream, ()):
            if letter.version <= version:
                self.writes.letters_gone.append((letter.part, stream))

    # events to work
    def _sort(self, stream: str, events: Sequence[Recorded]) -> None:
        """Decode what some part handles and lay it beside the row or the delta that it belongs to."""
        codec, handlers = self.app.events, self.sink.handlers
        tenant = self.app.tenant_of(stream)
        own: dict[str, list[Item]] = {}  # the stream's one row in each part that it alone feeds
        if len(events) >= WHOLE and not self._stops and self.only is None:
            decoded = codec.decode_all([event.type for event in events], [event.data for event in events])
            if decoded is not None:
                self._sort_whole(tenant, events, decoded, own)
                return
        for event in events:
            tag = event.type
            takers = handlers.get(tag)
            if takers is None:
                if tag not in codec.known:
                    self._park_unknown(stream, event)
                if tag not in codec.upcasts:
                    continue
            try:
                parts = codec.decode(tag, event.data)
            except Malformed as error:
                self._blame(stream, event, str(error))
                continue
            if takers is not None and not self._stops and self.only is None:
                takers = self._append(event, parts[0], takers, own)
                if not takers:
                    continue
            for index, part in enumerate(parts):
                self._lay(tenant, event, part, index, self.sink.handlers_of(type(part)) if takers is None else takers, own)

    def _sort_whole(self, tenant: str, events: Sequence[Recorded], decoded: Sequence[Any], own: dict[str, list[Item]]) -> None:
        """A long run of one stream, decoded at once."""
        handlers = self.sink.handlers
        for recorded, event in zip(events, decoded, strict=True):
            takers = handlers.get(recorded.type)
            if takers is None:
                continue
            if len(takers) == 1 and (items := own.get(takers[0][0])) is not None:
                items.append((recorded, event, 0))
                continue
            others = self._append(recorded, event, takers, own)
            if others:
                self._lay(tenant, recorded, event, 0, others, own)

    def _append(self, recorded: Recorded, event: Any, takers: "list[Taker]", own: dict[str, list[Item]]) -> "list[Taker]":
        """The short way, taken by most events: behind the stream's earlier ones; who else takes the event is returned."""
        others = []
        for taker in takers:
            items = own.get(taker[0])
            if items is None:
                others.append(taker)
            else:
                items.append((recorded, event, 0))
        return others

    def _park_unknown(self, stream: str, event: Recorded) -> None:
        for fold in self.sink.folds:
            if self.only in (None, fold.part.name):
                self._park(fold.part.name, stream, event.version, f"event type {event.type!r} is not known to this app", 0, "unknown type")

    def _blame(self, stream: str, event: Recorded, text: str) -> None:
        """A stored event that fits no class: each part that is not parked there yet has its tries."""
        stops = self._stops.get(stream, {})
        everybody = [(fold.part.name, fold) for fold in self.sink.folds]
        for name, _ in self.sink.handlers.get(event.type) or everybody:
            if self.only in (None, name) and stops.get(name, event.version + 1) > event.version:
                raise Poison(name, stream, event.version, text)

    def _lay(self, tenant: str, recorded: Recorded, event: Any, index: int, takers: "Sequence[Taker]", own: dict[str, list[Item]]) -> None:
        stops = self._stops.get(recorded.stream) if self._stops else None
        measured: dict[Any, Measure | None] = {}
        for name, fold in takers:
            if stops is not None and stops.get(name, recorded.version + 1) <= recorded.version:
                continue
            if self.only is not None and self.only != name:
                continue
            try:
                if isinstance(fold, AggregationFold):
                    self._add(fold, tenant, event, measured)
                    continue
                items = own.get(name)
                if items is None:
                    items = self._rows.setdefault(name, {}).setdefault((tenant, fold.key(event)), [])
                    if not fold.many:
                        own[name] = items
                items.append((recorded, event, index))
            except Exception as error:
                raise Poison(name, recorded.stream, recorded.version, describe(error)) from error

    def _add(self, fold: AggregationFold, tenant: str, event: Any, measured: dict[Any, Measure | None]) -> None:
        """Pre-combine a contribution; parts that share a measure function compute it once."""
        measure = fold.measure
        if measure in measured:
            known = measured[measure]
        else:
            contribution = fold.contribution(event)
            known = None if contribution is None else (contribution, fold.measured.effect(contribution))
            measured[measure] = known
        if known is None:
            return
        deltas = self._deltas.setdefault(fold.part.name, {})
        key = (tenant, *fold.key_values(event))
        delta = deltas.get(key)
        if delta is None:
            deltas[key] = known[0].copy()
        else:
            for position, operation, value in known[1]:
                delta[position] = operation(delta[position], value)

    # work to rows
    def _aggregate(self, tx: Transaction, fold: AggregationFold, deltas: dict[tuple[Any, ...], list[Any]]) -> Steps[None]:
        part = fold.part.name
        keys = {self._stored_key(key[0], key_text(key[1:])): key for key in deltas}
        rows = yield from ask(tx.lock_rows, part, sorted(keys))
        for text, key in keys.items():
            row = rows[text]
            self._change(fold, text, key[0], row, fold.combined(row.values, key[1:], deltas[key]))

    def _project(self, tx: Transaction, fold: ProjectionFold | SagaFold, work: dict[Key, list[Item]]) -> Steps[None]:
        part = fold.part.name
        keys = {key: self._stored_key(*key) for key in work}
        rows = yield from ask(tx.lock_rows if fold.many else tx.rows, part, sorted(keys.values()))
        for key, items in work.items():
            text = keys[key]
            row = rows.get(text) or Row(None, 0)
            values = self._advance(fold, text, key[0], row, items) if isinstance(fold, SagaFold) else self._evolve(fold, row, items)
            self._change(fold, text, key[0], row, values)

    def _evolve(self, fold: ProjectionFold, row: Row, items: Sequence[Item]) -> tuple[Value, ...] | None:
        recorded = items[0][0]
        try:
            state, evolve = fold.open(row.values), fold.part.evolve
            for recorded, event, _ in items:  # noqa: B007  named when it fails
                state = evolve(state, event)
            return fold.close(state)
        except Exception as error:
            raise Poison(fold.part.name, recorded.stream, recorded.version, describe(error)) from error

    def _advance(self, fold: SagaFold, text: str, tenant: str, row: Row, items: Sequence[Item]) -> tuple[Value, ...] | None:
        items = in_causal_order(items, _recorded)
        recorded = items[0][0]
        over = False
        try:
            state = fold.open(row.values)
            for recorded, event, index in items:
                state, outputs = fold.fold(fold.open(None) if over else state, event)
                over = False
                for n, output in enumerate(outputs, 1 + index * OUTPUTS):
                    if isinstance(output, End):
                        over = True
                        self._end(fold.part.name, text)
                    else:
                        self._send(fold, text, tenant, recorded, n, output)
            return None if over else fold.close(state)
        except Exception as error:
            raise Poison(fold.part.name, recorded.stream, recorded.version, describe(error)) from error

    def _send(self, fold: SagaFold, key: str, tenant: str, recorded: Recorded, n: int, output: Any) -> None:
        if self.phase is Phase.BLUE:
            return
        due, command = (output.when, output.command) if isinstance(output, After) else (None, output)
        if due is not None:
            self._timed.add((fold.part.name, key))
        if isinstance(due, timedelta):
            self._relative.append((len(self.writes.outputs), due))
            due = None
        held = self.number if self.phase is Phase.GREEN else 0
        body = self.app.encode(command)
        self.writes.outputs.append(Output(fold.part.name, key, recorded.stream, recorded.version, n, body, tenant, due, held))

    def _end(self, saga: str, key: str) -> None:
        """Its pending timers go: those stored, and those of this very batch."""
        if self.phase is Phase.BLUE:
            return
        self.writes.timers_dropped.append((saga, key))
        if (saga, key) not in self._timed:
            return
        relative = {position for position, _ in self._relative}
        kept = [
            (position, output)
            for position, output in enumerate(self.writes.outputs)
            if output.saga != saga or output.key != key or (output.due is None and position not in relative)
        ]
        moved = {old: new for new, (old, _) in enumerate(kept)}
        self._relative = [(moved[position], delay) for position, delay in self._relative if position in moved]
        self.writes.outputs = [output for _, output in kept]

    def _stored_key(self, tenant: str, key: str) -> str:
        return f"{tenant}/{key}" if self.app.tenant is not None else key

    def _change(self, fold: Fold, key: str, tenant: str, row: Row, values: tuple[Value, ...] | None) -> None:
        """Write a row that differs from what is stored; count and log the change where somebody reads this generation."""
        if values == row.values:
            return
        part, revision = fold.part.name, row.revision + 1
        self.writes.rows.append(RowWrite(part, key, tenant, values, revision))
        if self.phase is not Phase.LIVE or isinstance(fold, SagaFold):  # a saga's state is shown to no subscriber
            return
        before, after = changed(fold.table.columns, row.values, values)
        self._changes += 1
        self.writes.changes.append(Change(self._shard, self._changes, part, key, tenant, revision, before, after))
        self.signals.append(Signal(part, key, tenant, self.number, revision, self._shard, self._changes, before, after))


def _recorded(item: Item) -> Recorded:
    return item[0]


def describe(error: Exception) -> str:
    """An error as a letter shows it: its kind and text, bounded."""
    return f"{type(error).__name__}: {error}"[:500]
