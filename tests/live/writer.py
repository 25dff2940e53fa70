"""A projector reduced to what a subscriber notices: rows, numbered changes in one transaction, then signals."""

from collections.abc import Mapping, Sequence

from apps.shop import app
from runtime.domain.rows import changed
from runtime.domain.tables import Value
from runtime.ports import Change, Generation, Phase, ReadStore, Row, RowWrite, Signal, Signals, Writes, shard_of

TICKETS = app.groups["rows"].tables[0]
type Ticket = tuple[str, str, int, str]  # order, customer, amount, stage


class Writer:
    """Writes tickets of one generation. `lose` keeps signals to itself."""

    def __init__(self, rows: ReadStore, signals: Signals) -> None:
        self.rows, self.signals = rows, signals
        self.generation: Generation = rows.create(app.groups["rows"], Phase.LIVE, 1)
        self.lose = False

    def put(
        self, *tickets: Ticket, gone: Sequence[str] = (), shards: Sequence[int] | None = None, streams: Mapping[str, int] | None = None
    ) -> None:
        """One batch over these shards (by default those of the streams)."""
        wanted: dict[str, tuple[Value, ...] | None] = {ticket[0]: ticket for ticket in tickets} | dict.fromkeys(gone)
        shards = sorted(set(shards or [shard_of(f"order-{key}") for key in wanted]))
        tx = self.rows.begin("rows", self.generation.number)
        generation, states = tx.lock(shards)
        before = tx.rows("ticket", sorted(wanted))
        writes, number = Writes(watermarks=dict(streams or {})), states[0].changes
        for key, values in wanted.items():
            row = before.get(key) or Row(None, 0)
            if row.values == values:
                continue
            writes.rows.append(RowWrite("ticket", key, "", values, row.revision + 1))
            if generation.phase is Phase.LIVE:
                number += 1
                writes.changes.append(
                    Change(shards[0], number, "ticket", key, "", row.revision + 1, *changed(TICKETS.columns, row.values, values))
                )
        writes.signalled = {shards[0]: number}
        tx.write(writes)
        tx.commit()
        if not self.lose:
            self.signals.send([signal_of(change, generation.number) for change in writes.changes])

    def fill_green(self) -> Generation:
        """A green generation with the rows of this one."""
        green = self.rows.create(app.groups["rows"], Phase.GREEN, 1)
        self._copy(green)
        return green

    def swap(self, green: Generation) -> None:
        """Green takes over with the rows as they are; the old generation is blue."""
        self._copy(green)
        tx = self.rows.begin("rows", green.number)
        tx.lock(list(range(256)))
        tx.lock_both(self.generation.number, list(range(256)))
        tx.set_phase(self.generation.number, Phase.BLUE)
        tx.set_phase(green.number, Phase.LIVE)
        tx.commit()
        self.generation = green

    def _copy(self, green: Generation) -> None:
        from runtime.domain.filters import Query

        cursor = ""
        while True:
            page = self.rows.query(self.generation.number, TICKETS, Query(first=1_000, cursor=cursor))
            tx = self.rows.begin("rows", green.number)
            tx.lock([0])
            there = tx.rows("ticket", [key for key, _ in page.rows])
            fresh = [RowWrite("ticket", key, "", row.values, (there[key].revision if key in there else 0) + 1) for key, row in page.rows]
            tx.write(Writes(rows=fresh))
            tx.commit()
            cursor = page.cursor
            if not cursor:
                return


def signal_of(change: Change, generation: int) -> Signal:
    return Signal(
        change.part, change.key, change.tenant, generation, change.revision, change.shard, change.number, change.before, change.after
    )
