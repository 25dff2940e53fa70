"""The life of generations in PostgreSQL: their tables are made and dropped with them."""

from collections.abc import Sequence
from typing import Any

import msgspec

from providers.postgres.database import Connection
from providers.postgres.rows_database import LONG_S, RowDatabase
from providers.sql.groups import check_droppable, check_group, next_number
from runtime.domain.tables import Group
from runtime.errors import Fenced
from runtime.ports import SHARDS, Generation, Phase

_ALL = "SELECT name, number, phase, schema, epoch FROM {s}.read_generations WHERE name = %s AND NOT dropped ORDER BY number"


class Generations:
    """The part of the ReadStore port that makes and drops generations."""

    _database: RowDatabase

    def create(self, group: Group, phase: Phase, epoch: int) -> Generation:
        """Make it, unless a live one is asked for and there."""
        check_group(group)
        sql = self._database.sql

        def work(connection: Connection) -> Generation:
            with connection.transaction():
                connection.execute(sql("LOCK TABLE {s}.read_generations IN SHARE ROW EXCLUSIVE MODE"))
                if phase is Phase.LIVE:
                    live = [one for one in self._generations(connection, group.name) if one.phase is Phase.LIVE]
                    if live:
                        return live[-1]
                made: list[Any] = connection.execute(sql("SELECT name, number, tables FROM {s}.read_generations")).fetchall()
                number = next_number(group, made)
                gid = self._insert(connection, group, number, phase, epoch)
                for table in self._database.remember(gid, group, number).tables.values():
                    for statement in table.create:
                        connection.execute(statement, (), prepare=False)
                return Generation(group.name, number, phase, group.schema, epoch)

        return self._database.ask(work, retry=phase is Phase.LIVE, timeout_s=LONG_S)

    def _insert(self, connection: Connection, group: Group, number: int, phase: Phase, epoch: int) -> int:
        text = self._database.sql(
            "INSERT INTO {s}.read_generations (name, number, phase, schema, epoch, tables, saga) VALUES (%s, %s, %s, %s, %s, %s, %s)"
            " RETURNING gid"
        )
        tables = msgspec.json.encode(group.tables).decode()
        row = connection.execute(text, (group.name, number, str(phase), group.schema, epoch, tables, group.saga)).fetchone()
        assert row is not None
        gid = int(str(row[0]))
        shards = self._database.sql("INSERT INTO {s}.read_shards SELECT %s, shard, 0, 0, '' FROM generate_series(0, %s) shard")
        connection.execute(shards, (gid, SHARDS - 1))
        return gid

    def generations(self, group: str) -> list[Generation]:
        """Those not dropped."""
        return self._database.ask(lambda connection: self._generations(connection, group))

    def _generations(self, connection: Connection, group: str) -> list[Generation]:
        found: list[Any] = connection.execute(self._database.sql(_ALL), (group,)).fetchall()
        return [Generation(name, number, Phase(phase), schema, epoch) for name, number, phase, schema, epoch in found]

    def drop(self, group: str, number: int) -> None:
        """Wait for its transactions, then once; again does nothing."""
        try:
            known = self._database.known(group, number)
        except Fenced:
            return
        sql = self._database.sql

        def work(connection: Connection) -> None:
            with connection.transaction():
                connection.execute(sql("SELECT 1 FROM {s}.read_shards WHERE gid = %s ORDER BY shard FOR UPDATE"), (known.gid,))
                found = [one for one in self._generations(connection, group) if one.number == number]
                if not found:
                    return
                check_droppable(found[0])
                for table in known.tables.values():
                    connection.execute(table.drop, (), prepare=False)
                for name in ("shards", "watermarks", "changes", "letters", "leases"):
                    connection.execute(sql(f"DELETE FROM {{s}}.read_{name} WHERE gid = %s"), (known.gid,))
                self._forget_held(connection, list(known.tables), number)
                connection.execute(sql("UPDATE {s}.read_generations SET dropped = true WHERE gid = %s"), (known.gid,))

        self._database.ask(work, timeout_s=LONG_S)
        self._database.forget(group, number)

    def _forget_held(self, connection: Connection, sagas: Sequence[str], number: int) -> None:
        text = "DELETE FROM {s}.read_outputs WHERE saga = ANY(%s) AND generation = %s"
        connection.execute(self._database.sql(text), (list(sagas), number))

    def lease(self, group: str, number: int, holder: str, seconds: float) -> None:
        """Until then; 0 ends it."""
        gid = self._database.known(group, number).gid
        if seconds > 0:
            text = (
                "INSERT INTO {s}.read_leases SELECT gid, %s, clock_timestamp() + make_interval(secs => %s) FROM {s}.read_generations"
                " WHERE gid = %s AND NOT dropped ON CONFLICT (gid, holder) DO UPDATE SET until = excluded.until RETURNING gid"
            )
            values: tuple[object, ...] = (holder, seconds, gid)
        else:
            text, values = "DELETE FROM {s}.read_leases WHERE gid = %s AND holder = %s RETURNING gid", (gid, holder)
        made = self._database.ask(lambda connection: connection.execute(self._database.sql(text), values).fetchone())
        if made is None and seconds > 0:
            raise Fenced(f"generation {number} of {group!r} was dropped")

    def leases(self, group: str, number: int) -> int:
        """Those that have not run out."""
        text = self._database.sql(
            "SELECT count(*) FROM {s}.read_leases JOIN {s}.read_generations USING (gid)"
            " WHERE name = %s AND number = %s AND until > clock_timestamp()"
        )
        row = self._database.ask(lambda connection: connection.execute(text, (group, number)).fetchone())
        return int(str(row[0])) if row else 0
