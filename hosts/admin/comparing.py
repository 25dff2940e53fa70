"""Rows of two generations side by side, in the order of their keys, up to a bound."""

from collections.abc import Iterator
from typing import Any

from runtime.domain.filters import Query
from runtime.domain.rows import as_json
from runtime.domain.tables import Table, Value
from runtime.ports import ReadStore

ROWS = 10_000  # of each generation
EXAMPLES = 20
PAGE = 1_000

type Values = tuple[Value, ...]


def compared(rows: ReadStore, table: Table, live: int, green: int) -> dict[str, Any]:
    """How many rows there are, are missing and differ, with examples. `cut` when there are more than were looked at."""
    ours, whole = _rows(rows, table, live)
    theirs, all_theirs = _rows(rows, table, green)
    told: dict[str, Any] = {"part": table.part, "live_rows": len(ours), "green_rows": len(theirs)}
    found: dict[str, list[str]] = {"differ": [], "only_live": [], "only_green": []}
    for key in _keys(ours, whole, theirs, all_theirs):
        if key not in theirs:
            found["only_live"].append(key)
        elif key not in ours:
            found["only_green"].append(key)
        elif ours[key] != theirs[key]:
            found["differ"].append(key)
    examples = [key for keys in found.values() for key in keys][:EXAMPLES]
    return (
        told
        | {name: len(keys) for name, keys in found.items()}
        | {
            "examples": [
                {"key": key, "live": as_json(table.columns, ours.get(key)), "green": as_json(table.columns, theirs.get(key))}
                for key in examples
            ],
            "cut": not (whole and all_theirs),
        }
    )


def _keys(ours: dict[str, Values], whole: bool, theirs: dict[str, Values], all_theirs: bool) -> Iterator[str]:
    """The keys that both were looked at for: where one was cut, nothing is known of what comes after."""
    bounds = [max(found) for found, all_there in ((ours, whole), (theirs, all_theirs)) if not all_there]
    until = min(bounds, default=None)
    for key in sorted({*ours, *theirs}):
        if until is None or key <= until:
            yield key


def _rows(rows: ReadStore, table: Table, generation: int) -> tuple[dict[str, Values], bool]:
    found: dict[str, Values] = {}
    cursor = ""
    while True:
        page = rows.query(generation, table, Query(first=PAGE, cursor=cursor, tenant=None))
        found.update({key: row.values for key, row in page.rows if row.values is not None})
        if not page.cursor or len(found) >= ROWS:
            return found, not page.cursor
        cursor = page.cursor
