"""Tables of a component (events, rows) in an SQLite file are brought up to date when it is opened: forward only, one number each."""

import sqlite3
from collections.abc import Sequence

from runtime.errors import Misconfigured


def migrate(connection: sqlite3.Connection, component: str, migrations: Sequence[str], path: str) -> None:
    """Bring a component's tables to `len(migrations)`, forward only; each migration is one script of statements."""
    if _schema_version(connection, component) == len(migrations):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_versions (component TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID"
        )
        found = _schema_version(connection, component)  # again: another process may just have migrated
        if found > len(migrations):
            raise Misconfigured(
                f"{path}: {component} tables have schema version {found}, this program knows {len(migrations)}: run a newer program"
            )
        for script in migrations[found:]:
            for statement in script.split(";\n"):
                connection.execute(statement)
        connection.execute("INSERT OR REPLACE INTO schema_versions VALUES (?, ?)", (component, len(migrations)))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _schema_version(connection: sqlite3.Connection, component: str) -> int:
    try:
        row = connection.execute("SELECT version FROM schema_versions WHERE component = ?", (component,)).fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return 0
        raise
    return row[0] if row else 0
