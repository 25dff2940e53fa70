"""The life of generations in SQLite: their tables are made and dropped with them."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from providers.sql.groups import check_droppable, check_group, next_number
from providers.sqlite.rows_database import RowDatabase
from providers.sqlite.rows_values import micros
from runtime.domain.tables import Group
from runtime.errors import Fenced
from runtime.ports import SHARDS, Generation, Phase

_ALL = "SELECT name, number, phase, schema, epoch FROM read_generations WHERE name = ? AND dropped = 0 ORDER BY number"


def generations_of(connection: sqlite3.Connection, group: str) -> list[Generation]:
    """Those not dropped, ascending."""
    return [
        Generation(name, number, Phase(phase), schema, epoch) for name, number, phase, schema, epoch in connection.execute(_ALL, (group,))
    ]


class Generations:
    """The part of the ReadStore port that makes and drops generations."""

    _database: RowDatabase

    def create(self, group: Group, phase: Phase, epoch: int) -> Generation:
        """Make it, unless a live one is asked for and there."""
        check_group(group)

        def work(connection: sqlite3.Connection) -> Generation:
            if phase is Phase.LIVE:
                live = [one for one in generations_of(connection, group.name) if one.phase is Phase.LIVE]
                if live:
                    return live[-1]
            number = next_number(group, connection.execute("SELECT name, number, tables FROM read_generations").fetchall())
            tables = msgspec.json.encode(group.tables).decode()
            inserted = connection.execute(
                "INSERT INTO read_generations (name, number, phase, schema, epoch, tables, saga) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (group.name, number, str(phase), group.schema, epoch, tables, group.saga),
            )
            assert inserted.lastrowid is not None
            gid = inserted.lastrowid
            connection.executemany("INSERT INTO read_shards VALUES (?, ?, 0, 0, '')", [(gid, shard) for shard in range(SHARDS)])
            for table in self._database.remember(gid, group, number).tables.values():
                for statement in table.create:
                    connection.execute(statement)
            return Generation(group.name, number, phase, group.schema, epoch)

        return self._database.write(work)

    def generations(self, group: str) -> list[Generation]:
        """Those not dropped."""
        return self._database.read(lambda connection: generations_of(connection, group))

    def drop(self, group: str, number: int) -> None:
        """Once; again does nothing."""

        def work(connection: sqlite3.Connection) -> None:
            found = [one for one in generations_of(connection, group) if one.number == number]
            if not found:
                return
            check_droppable(found[0])
            known = self._database.known(connection, group, number)
            for table in known.tables.values():
                connection.execute(table.drop)
            for name in ("shards", "watermarks", "changes", "letters", "leases"):
                connection.execute(f"DELETE FROM read_{name} WHERE gid = ?", (known.gid,))
            _forget_held(connection, list(known.tables), number)
            connection.execute("UPDATE read_generations SET dropped = 1 WHERE gid = ?", (known.gid,))

        self._database.write(work)
        self._database.forget(group, number)

    def lease(self, group: str, number: int, holder: str, seconds: float) -> None:
        """Until then; 0 ends it."""
        until = micros(datetime.now(UTC)) + round(seconds * 1_000_000)

        def work(connection: sqlite3.Connection) -> None:
            known = self._database.known(connection, group, number)
            known.generation(connection)
            if seconds > 0:
                connection.execute("INSERT OR REPLACE INTO read_leases VALUES (?, ?, ?)", (known.gid, holder, until))
            else:
                connection.execute("DELETE FROM read_leases WHERE gid = ? AND holder = ?", (known.gid, holder))

        self._database.write(work)

    def leases(self, group: str, number: int) -> int:
        """Those that have not run out."""
        now = micros(datetime.now(UTC))

        def work(connection: sqlite3.Connection) -> int:
            try:
                known = self._database.known(connection, group, number)
            except Fenced:
                return 0
            count: int = connection.execute("SELECT count(*) FROM read_leases WHERE gid = ? AND until > ?", (known.gid, now)).fetchone()[0]
            return count

        return self._database.read(work)


def _forget_held(connection: sqlite3.Connection, sagas: Sequence[str], number: int) -> None:
    connection.executemany("DELETE FROM read_outputs WHERE saga = ? AND generation = ?", [(saga, number) for saga in sagas])
