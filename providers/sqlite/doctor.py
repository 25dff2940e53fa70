"""Examines an SQLite file without changing it: the library's version, the rights, the file itself, its schema."""

import os
import sqlite3
from pathlib import Path

from runtime.findings import Finding, schema

LIBRARY = (3, 35, 0)  # RETURNING


def examine(path: str, component: str) -> list[Finding]:
    """Findings about the file at `path` for `component`, "events" or "rows"."""
    findings = [_library()]
    file = Path(path)
    if not file.exists():
        there = file.parent
        while not there.exists():
            there = there.parent
        well = os.access(there, os.W_OK | os.X_OK)
        findings.append(Finding("file", f"{path} is not there yet", well, f"make {there} writable, or choose another place"))
        return findings
    writable = os.access(file, os.R_OK | os.W_OK) and os.access(file.parent, os.W_OK | os.X_OK)
    findings.append(Finding("file", f"{path}, {file.stat().st_size:,} bytes", writable, f"make {path} and its directory writable"))
    return findings + _inside(file, component)


def _library() -> Finding:
    found = sqlite3.sqlite_version_info
    return Finding(
        "library", f"SQLite {sqlite3.sqlite_version}", found >= LIBRARY, f"use a Python with SQLite {'.'.join(map(str, LIBRARY))} or newer"
    )


def _inside(file: Path, component: str) -> list[Finding]:
    try:
        connection = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=2.0)
        try:
            return [_whole(connection), schema(component, _version(connection, component), _known(component))]
        finally:
            connection.close()
    except sqlite3.Error as error:
        return [Finding("contents", str(error), False, "it is no SQLite database, or a damaged one: restore it, or choose another file")]


def _whole(connection: sqlite3.Connection) -> Finding:
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    return Finding("contents", "whole" if found == "ok" else str(found), found == "ok", "restore the file from a backup or an export")


def _version(connection: sqlite3.Connection, component: str) -> int:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_versions'").fetchone():
        return 0
    row = connection.execute("SELECT version FROM schema_versions WHERE component = ?", (component,)).fetchone()
    return int(row[0]) if row else 0


def _known(component: str) -> int:
    if component == "events":
        from providers.sqlite.events import MIGRATIONS

        return len(MIGRATIONS)
    from providers.sqlite.rows_schema import MIGRATIONS as ROWS

    return len(ROWS)
