"""Export and import: whole streams with keys, answers and saga outputs, stopped anywhere and gone on with."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from apps.shop import PlaceOrder, Restock, app
from providers.memory.events import MemoryEventStore
from providers.memory.rows import MemoryReadStore
from providers.sqlite.events import SqliteEventStore
from runtime.errors import Conflict, Malformed, Rejected
from runtime.flow import transfer
from runtime.flow.command import Commands
from runtime.flow.transfer import export, load, place_after
from runtime.ports import EventStore, Head, Output, Recorded
from runtime.steps import run

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
OUTPUT = Output("selling", "o1", "order-o1", 1, 2, b'{"type":"SettleOrder","order":"o1","outcome":"timed out"}', "", NOON)


def filled(orders: int = 20) -> MemoryEventStore:
    store = MemoryEventStore()
    commands = Commands(app, store)
    commands.send(Restock("cup", 100), "delivery")
    commands.send(Restock("cup", 5), "delivery 2", cause="order-o1@1", trace="00-" + "a" * 32 + "-" + "b" * 16 + "-01")
    for number in range(orders):
        commands.send(PlaceOrder(f"o{number:03}", "ann", "cup", 1, 100, NOON + timedelta(seconds=number)), f"key {number}")
    return store


def everything(store: EventStore) -> tuple[list[Recorded], list[object]]:
    return store.bulk(Head("", 0), "", 1_000_000), list(store.keys(("", ""), 1_000_000))


def exported(store: EventStore, rows: MemoryReadStore | None = None) -> list[bytes]:
    lines: list[bytes] = []
    run(export(app, store, rows, lines.append))
    return lines


def test_an_import_gives_back_every_event_key_and_output(tmp_path: Path) -> None:
    store, rows = filled(), MemoryReadStore()
    rows.put_outputs([OUTPUT])
    lines = exported(store, rows)
    there, there_rows = SqliteEventStore(str(tmp_path / "events.db")), MemoryReadStore()
    moved = run(load(app, there, there_rows, lines))
    assert everything(there) == everything(store)
    assert there_rows.outputs("selling", 10) == [OUTPUT]
    assert (moved.events, moved.keys, moved.outputs) == (22, 22, 1)
    there.close()


def test_a_repeated_command_has_its_first_answer_after_the_move() -> None:
    there = MemoryEventStore()
    run(load(app, there, None, exported(filled())))
    answer = Commands(app, there).send(Restock("cup", 100), "delivery")
    assert (answer.replayed, answer.last) == (True, 1)


def test_an_import_twice_changes_nothing_and_one_after_more_commands_adds_them() -> None:
    store, there = filled(), MemoryEventStore()
    run(load(app, there, None, exported(store)))
    run(load(app, there, None, exported(store)))
    assert everything(there) == everything(store)
    Commands(app, store).send(Restock("cup", 1), "more")
    run(load(app, there, None, exported(store)))
    assert everything(there) == everything(store)


@pytest.mark.parametrize("page", [1, 2, 1_000])
def test_an_export_stopped_after_any_line_goes_on_and_is_the_same(page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "PAGE", page)
    store = filled(6)
    whole = exported(store)
    for cut in range(len(whole)):
        torn = [*whole[:cut], whole[cut][:-5]]
        place = place_after(app, torn)
        assert not place.whole
        kept = b"".join(torn)[: place.bytes].splitlines(keepends=True)
        assert kept == whole[:cut]
        run(export(app, store, None, kept.append, place))
        assert kept == whole
    assert place_after(app, whole).whole


def test_keys_of_events_behind_the_reader_wait_for_the_next_export(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "PAGE", 1)
    store = filled(3)
    lines: list[bytes] = []

    def write(line: bytes) -> None:
        if b"order-o000" in line and b'"event"' in line:
            Commands(app, store).send(Restock("cup", 1), "late")  # its stream comes later: whole
        if b"stock-cup" in line and b'"key"' in line and not any(b"behind" in each for each in lines):
            Commands(app, store).send(PlaceOrder("a", "ann", "cup", 1, 1, NOON), "behind")  # its stream has passed
        lines.append(line)

    run(export(app, store, None, write))
    assert not any(b"behind" in line for line in lines)
    there = MemoryEventStore()
    run(load(app, there, None, lines))
    assert len(there.read("stock-cup", 0, 10)) == 3
    run(load(app, there, None, exported(store)))
    assert everything(there) == everything(store)


def test_a_file_that_is_not_whole_says_so_after_what_is_good_was_stored() -> None:
    there = MemoryEventStore()
    with pytest.raises(Malformed, match="without its last line"):
        run(load(app, there, None, exported(filled(2))[:-1]))
    assert there.heads("", 10)


def test_a_bad_line_is_named_and_a_foreign_export_is_refused() -> None:
    lines = exported(filled(2))
    with pytest.raises(Malformed, match="line 3"):
        run(load(app, MemoryEventStore(), None, [*lines[:2], b'{"line":"event","stream":7}\n', *lines[3:]]))
    with pytest.raises(Malformed, match="export of app 'other'"):
        run(load(app, MemoryEventStore(), None, [lines[0].replace(b"shop", b"other"), *lines[1:]]))
    with pytest.raises(Malformed, match="not the head"):
        run(load(app, MemoryEventStore(), None, lines[1:]))


def test_a_stream_that_differs_is_a_conflict() -> None:
    there = MemoryEventStore()
    Commands(app, there).send(Restock("cup", 77), "other")
    with pytest.raises(Conflict):
        run(load(app, there, None, exported(filled(2))))


def test_outputs_without_a_read_store_are_refused_not_dropped() -> None:
    rows = MemoryReadStore()
    rows.put_outputs([OUTPUT])
    with pytest.raises(Rejected, match="--rows"):
        run(load(app, MemoryEventStore(), None, exported(filled(1), rows)))
