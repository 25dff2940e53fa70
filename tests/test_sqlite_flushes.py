"""What is flushed to disk before it counts on SQLite, and the one note that is not."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from providers.sqlite.events import SqliteEventStore
from providers.sqlite.relay import SqliteRelay
from runtime.ports import Append, Head, New

FULL = 2


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteEventStore]:
    with closing(SqliteEventStore(str(tmp_path / "events.db"))) as store:
        yield store


def append(store: SqliteEventStore, version: int) -> None:
    store.append(Append("account-a", version, (New("Entered", b"{}"),), f"key-{version}", b"digest", time="2026-11-23T22:10:42+00:00"))


def traced(store: SqliteEventStore) -> list[str]:
    said: list[str] = []
    store.database._writer.set_trace_callback(lambda text: said.append(text.split("\n")[0]))
    return said


def flushing(store: SqliteEventStore) -> int:
    return int(store.database._writer.execute("PRAGMA synchronous").fetchone()[0])


def test_an_append_is_flushed(store: SqliteEventStore) -> None:
    said = traced(store)
    append(store, 0)
    assert "COMMIT" in said
    assert not [text for text in said if "synchronous" in text]
    assert flushing(store) == FULL


def test_a_relays_mark_is_not_and_everything_after_it_is(store: SqliteEventStore) -> None:
    append(store, 0)
    relay, said = SqliteRelay(store), traced(store)
    relay.mark([Head("account-a", 1)])
    kept = [text for text in said if text.startswith(("PRAGMA", "BEGIN", "COMMIT"))]
    assert kept == ["PRAGMA synchronous=NORMAL", "BEGIN IMMEDIATE", "COMMIT", "PRAGMA synchronous=FULL"]
    assert (relay.backlog(), flushing(store)) == (0, FULL)


def test_a_note_that_fails_leaves_the_next_write_flushed(store: SqliteEventStore) -> None:
    with pytest.raises(ZeroDivisionError):
        store.database.write(lambda _: 1 / 0, flushed=False)
    assert flushing(store) == FULL
    append(store, 0)


def test_a_note_is_seen_by_others_at_once(store: SqliteEventStore, tmp_path: Path) -> None:
    append(store, 0)
    SqliteRelay(store).mark([Head("account-a", 1)])
    with closing(SqliteEventStore(str(tmp_path / "events.db"))) as other:
        assert SqliteRelay(other).backlog() == 0
