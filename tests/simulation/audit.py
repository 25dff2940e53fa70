"""What must hold when all is settled, worked out from the event store by a model of its own: plain dictionaries, no fold, no sink.

Rows equal the fold, totals are equal, watermarks are the heads, every command took effect once, money and goods are conserved, every
change was told, nothing is left in any outbox, and no letter remains.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zlib import crc32

import msgspec

from runtime.domain.filters import Query
from runtime.ports import Phase, Recorded
from tests.simulation.domain import app

if TYPE_CHECKING:
    from tests.simulation.run import Simulation

type Rows = dict[tuple[str, str], tuple[Any, ...]]


def audit(sim: "Simulation") -> None:
    """Everything at the end of a run."""
    streams = stored(sim)
    _commands_took_effect_once(sim, streams)
    _sales_are_whole(sim, streams)
    _everything_was_published(sim, streams)
    for filled in sim.cluster.rows._state.filled.values():
        if filled.generation.phase is Phase.LIVE:
            _watermarks_are_heads(sim, filled.generation.group, filled.generation.number, streams)
            _changes_were_told(sim, filled.generation.group, filled.generation.number)
    _rows_are_the_fold(sim, streams)
    _nothing_is_left(sim)


def stored(sim: "Simulation") -> dict[str, list[Recorded]]:
    """The store's streams."""
    store = sim.cluster.store
    return {head.stream: store.read(head.stream, 0, 100_000) for head in store.heads("", 100_000)}


def digest(sim: "Simulation", of: int) -> int:
    """A checksum of the course of a run and of all it left behind."""
    for events in stored(sim).values():
        for event in events:
            of = crc32(repr(event).encode(), of)
    for place, filled in sim.cluster.rows._state.filled.items():
        of = crc32(repr((place, filled.rows, filled.watermarks, filled.changes)).encode(), of)
    return of


def fingerprint(sim: "Simulation") -> list[Any]:
    """Equal when nothing moved."""
    state = sim.cluster.rows._state
    return [
        [head.version for head in sim.cluster.store.heads("", 100_000)],
        sim.cluster.relay.backlog(),
        [
            (filled.generation.number, filled.generation.phase, sum(filled.watermarks.values()), len(filled.letters))
            for filled in state.filled.values()
        ],
        len(sim.cluster.rows.outputs("selling", 100_000)),
        sim.rebuilding.swaps,
    ]


# commands
def _commands_took_effect_once(sim: "Simulation", streams: dict[str, list[Recorded]]) -> None:
    for key, effects in sim.watch.effects.items():
        if len(effects) > 1:
            raise sim.scheduler.fail(f"the command with key {key!r} took effect {len(effects)} times: {effects}")
    for intent in sim.intents:
        places = {(answer.stream, answer.first, answer.last) for answer in intent.answers}
        if len(places) > 1:
            raise sim.scheduler.fail(f"the command with key {intent.key!r} was answered differently: {sorted(places)}")
        if not places and not intent.refusals:
            raise sim.scheduler.fail(f"the command with key {intent.key!r} was never answered")
        under = [(stream, event.version) for stream, events in streams.items() for event in events if event.key == intent.key]
        said = [(stream, version) for stream, first, last in places for version in range(first + 1, last + 1)]
        if under != said:
            raise sim.scheduler.fail(f"the command with key {intent.key!r} stored {under}, its callers were told {said}")


def _sales_are_whole(sim: "Simulation", streams: dict[str, list[Recorded]]) -> None:
    """Money and goods: what sold orders took and others gave back; each saga effect at most once an order."""
    sold, taken = 0, 0
    goods: dict[str, int] = {}
    orders = {name: [event.type for event in events] for name, events in streams.items() if name.startswith("order-")}
    for name, types in orders.items():
        if types != ["OrderPlaced", "OrderSettled"]:
            raise sim.scheduler.fail(f"{name} ended as {types}")
        settled = fields(streams[name][1])
        if settled["outcome"] == "sold":
            sold += settled["amount"]
            goods[settled["sku"]] = goods.get(settled["sku"], 0) + settled["quantity"]
    for name, events in streams.items():
        if name.startswith("payment-"):
            types = [event.type for event in events]
            if types not in (["Charged"], ["ChargeRefused"], ["Charged", "Refunded"]):
                raise sim.scheduler.fail(f"{name} ended as {types}")
            taken += sum(
                fields(event)["amount"] * (1 if event.type == "Charged" else -1) for event in events if event.type != "ChargeRefused"
            )
        elif name.startswith("stock-"):
            reserved = sum(fields(event)["quantity"] for event in events if event.type == "Reserved")
            returned = sum(fields(event)["quantity"] for event in events if event.type == "Restocked" and event.key.startswith("selling:"))
            if reserved - returned != goods.get(name.removeprefix("stock-"), 0):
                raise sim.scheduler.fail(f"{name}: {reserved} reserved, {returned} returned, {goods} sold")
            asked = [fields(event)["order"] for event in events if event.type in ("Reserved", "ReserveRefused")]
            if len(asked) != len(set(asked)):
                raise sim.scheduler.fail(f"{name} was asked twice for one order: {asked}")
    if sold != taken:
        raise sim.scheduler.fail(f"money is not conserved: orders sold for {sold}, payments took {taken}")


def _everything_was_published(sim: "Simulation", streams: dict[str, list[Recorded]]) -> None:
    if backlog := sim.cluster.relay.backlog():
        raise sim.scheduler.fail(f"{backlog} streams wait for the relay")
    for stream, events in streams.items():
        for event in events:
            if (stream, event.version) not in sim.watch.published:
                raise sim.scheduler.fail(f"{stream}@{event.version} was never published")


# rows
def _watermarks_are_heads(sim: "Simulation", group: str, number: int, streams: dict[str, list[Recorded]]) -> None:
    marks = {mark.stream: mark.version for mark in sim.cluster.rows.watermarks(group, number, "", 100_000)}
    heads = {stream: len(events) for stream, events in streams.items()}
    if marks != heads:
        raise sim.scheduler.fail(f"watermarks of {group!r}.{number} are not the heads: {differences(marks, heads)}")


def _rows_are_the_fold(sim: "Simulation", streams: dict[str, list[Recorded]]) -> None:
    wanted = model(streams)
    state = sim.cluster.rows._state
    for (group, number), filled in state.filled.items():
        if group != "rows" or filled.generation.phase is not Phase.LIVE:
            continue
        found: Rows = {}
        for table in app.groups[group].tables:
            for key, row in sim.cluster.rows.query(number, table, Query(first=1_000, tenant=None)).rows:
                assert row.values is not None
                found[table.part, key] = row.values
        if found != wanted:
            raise sim.scheduler.fail(f"rows of generation {number} are not the fold of the store: {differences(found, wanted)}")


def model(streams: dict[str, list[Recorded]]) -> Rows:
    """Every row that must be there, from the stored JSON alone."""
    rows: Rows = {}
    for stream, events in streams.items():
        category = stream.partition("-")[0]
        for event in events:
            _SHOWN[category](rows, event.type, fields(event))
    return rows


def fields(event: Recorded) -> dict[str, Any]:
    """A stored event's JSON."""
    found: dict[str, Any] = msgspec.json.decode(event.data)
    return found


def _trail(rows: Rows, order: str, place: int, by: int) -> None:
    row = list(rows.get(("trail", order), (order, 0, 0, 0, 0, 0, 0)))
    row[place] += by
    rows["trail", order] = tuple(row)


def _order(rows: Rows, tag: str, event: dict[str, Any]) -> None:
    stage = event.get("outcome", "placed")
    rows["ticket", event["order"]] = (event["order"], event["customer"], event["amount"], stage)
    _trail(rows, event["order"], 1 if tag == "OrderPlaced" else 2, 1)
    if stage == "sold":
        minute = datetime.fromisoformat(event["at"]).replace(second=0, microsecond=0)
        key = msgspec.json.encode([event["sku"], minute.isoformat()]).decode()
        before = rows.get(("sales", key), (event["sku"], minute, 0, 0, 0))
        rows["sales", key] = (*before[:2], before[2] + 1, before[3] + event["quantity"], before[4] + event["amount"])


def _stock(rows: Rows, tag: str, event: dict[str, Any]) -> None:
    _, free, n = rows.get(("shelf", event["sku"]), (event["sku"], 0, 0))
    sign = {"Restocked": 1, "Reserved": -1}.get(tag, 0)
    rows["shelf", event["sku"]] = (event["sku"], free + sign * event.get("quantity", 0), n + 1)
    if tag != "Restocked":
        _trail(rows, event["order"], 3 if tag == "Reserved" else 4, 1)


def _payment(rows: Rows, tag: str, event: dict[str, Any]) -> None:
    place, by = {"Charged": (5, event.get("amount", 0)), "ChargeRefused": (4, 1), "Refunded": (6, event.get("amount", 0))}[tag]
    _trail(rows, event["order"], place, by)


def _note(rows: Rows, tag: str, event: dict[str, Any]) -> None:
    note, weight = event["note"], event["weight"]
    _, texts, total, heaviest = rows.get(("weights", note), (note, 0, 0, 0))
    rows["weights", note] = (note, texts + 1, total + weight, max(heaviest, weight))
    page = rows.pop(("page", note), (note, 0, ""))
    if event["text"] != "tear":
        rows["page", note] = (note, page[1] + 1, event["text"])


_SHOWN = {"order": _order, "stock": _stock, "payment": _payment, "note": _note}


# what others hear, and what is left
def _changes_were_told(sim: "Simulation", group: str, number: int) -> None:
    """Whoever listens and keeps the newest of each row ends with the table; nobody hears of a change that is not in the log."""
    committed = sim.watch.changes.get(group, {})
    if app.groups[group].saga:  # its state is nobody's business
        return
    parts = {table.part for table in app.groups[group].tables}
    at, before = sim.watch.flipped.get(group, (number, {}))
    assert at == number
    heard = {place: (row.revision, row.values is not None) for place, row in before.items()}
    told = set()
    for signal in (signal for signal in sim.watch.heard if signal.part in parts):
        place = (signal.generation, signal.shard, signal.number)
        change = committed.get(place)
        if change is None or (change.part, change.key, change.revision, change.after) != (
            signal.part,
            signal.key,
            signal.revision,
            signal.after,
        ):
            raise sim.scheduler.fail(f"a signal tells of a change that was never committed: {signal}")
        if signal.generation == number:
            told.add(place)
            if heard.get((signal.part, signal.key), (0, False))[0] < signal.revision:
                heard[signal.part, signal.key] = (signal.revision, bool(signal.after))
    if missing := [place for place in committed if place[0] == number and place not in told]:
        raise sim.scheduler.fail(f"changes of {group!r} were never told: {missing[:3]}")
    filled = sim.cluster.rows._state.find(group, number)
    rows = {(part, key): (row.revision, row.values is not None) for part, table in filled.rows.items() for key, row in table.items()}
    if heard != {place: row for place, row in rows.items() if row[0]}:
        raise sim.scheduler.fail(f"a listener of {group!r} does not end with the table: {differences(heard, rows)}")
    revisions = sorted(
        (part, key, change.revision)
        for (gen, _, _), change in committed.items()
        if gen == number
        for part, key in [(change.part, change.key)]
    )
    if len(revisions) != len(set(revisions)):
        raise sim.scheduler.fail(f"a row of {group!r} has one revision twice")


def no_stale_timers(sim: "Simulation") -> None:
    """A timer waits only for a saga that is not over. Before time passes: afterwards they have fired."""
    live = next(filled for filled in sim.cluster.rows._state.of_group("selling") if filled.generation.phase is Phase.LIVE)
    for output in sim.cluster.rows.outputs("selling", 100_000):
        row = live.rows["selling"].get(output.key)
        if output.due is not None and not output.generation and (row is None or row.values is None):
            raise sim.scheduler.fail(f"the timer {output.idempotency_key} outlived its saga")


def _nothing_is_left(sim: "Simulation") -> None:
    rows = sim.cluster.rows
    for output in rows.outputs("selling", 100_000):
        raise sim.scheduler.fail(f"saga output is left: {output}")
    for filled in rows._state.filled.values():
        for kept in filled.letters.values():
            if not kept.letter.parked and kept.letter.version <= filled.watermarks.get(kept.letter.stream, 0):
                continue  # a count that somebody's success overtook: its stream's next batch clears it
            raise sim.scheduler.fail(f"a letter is left: {kept}")
    poisoned = {f"note-{intent.command.note}" for intent in sim.intents if getattr(intent.command, "text", "") in ("poison", "deadly")}  # type: ignore[attr-defined]
    for part, stream in sorted(sim.letters):
        if part != "page" or stream not in poisoned:
            raise sim.scheduler.fail(f"{stream!r} was parked for {part!r} without a reason")


def differences(found: dict[Any, Any], wanted: dict[Any, Any]) -> str:
    """What two dictionaries do not share."""

    def lines() -> Iterator[str]:
        for key in sorted(found.keys() | wanted.keys(), key=str):
            if found.get(key) != wanted.get(key):
                yield f"{key}: found {found.get(key)}, wanted {wanted.get(key)}"

    return "; ".join(list(lines())[:4])
