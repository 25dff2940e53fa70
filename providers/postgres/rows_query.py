"""What readers ask of PostgreSQL: rows, watermarks, changes, letters, each in one snapshot and without a lock."""

from collections.abc import Sequence
from typing import Any

from psycopg import errors

from providers.postgres.database import Connection
from providers.postgres.rows_database import Known, RowDatabase, dropped
from providers.postgres.rows_tables import RowTable
from providers.postgres.rows_values import DIALECT, texts
from providers.sql import cursors
from providers.sql.asked import checked
from providers.sql.filters import Statement
from providers.sql.groups import check_columns
from runtime.domain.filters import Query
from runtime.domain.tables import Table
from runtime.errors import Fenced
from runtime.ports import Change, Head, Letter, Page, Row, Seen


class Reading:
    """The part of the ReadStore port that reads."""

    _database: RowDatabase
    _parts: dict[tuple[int, str], RowTable]

    def _there(self, connection: Connection, known: Known) -> int:
        """The generation's id, if it was not dropped."""
        text = self._database.sql("SELECT phase, epoch FROM {s}.read_generations WHERE gid = %s AND NOT dropped")
        known.generation(connection.execute(text, (known.gid,)).fetchone())
        return known.gid

    def _found(self, group: str, generation: int, text: str, *values: object) -> list[Any]:
        """The rows of a statement whose first value is the generation's id."""
        known = self._database.known(group, generation)

        def work(connection: Connection) -> list[Any]:
            found = connection.execute(self._database.sql(text), (known.gid, *values)).fetchall()
            if not found:
                self._there(connection, known)
            return found

        return self._database.ask(work)

    def watermarks(self, group: str, generation: int, after: str, limit: int) -> list[Head]:
        """A page of them."""
        text = "SELECT stream, version FROM {s}.read_watermarks WHERE gid = %s AND stream > %s ORDER BY stream LIMIT %s"
        return [Head(stream, version) for stream, version in self._found(group, generation, text, after, limit)]

    def watermarks_of(self, group: str, generation: int, streams: Sequence[str]) -> dict[str, int]:
        """Those of these streams."""
        text = "SELECT stream, version FROM {s}.read_watermarks WHERE gid = %s AND stream = ANY(%s::text[])"
        return dict(self._found(group, generation, text, texts(streams)))

    def get(self, group: str, generation: int, part: str, key: str, stream: str) -> Seen:
        """A row and a watermark in one statement, which is one snapshot."""
        known = self._database.known(group, generation)
        table = known.table(part)

        def work(connection: Connection) -> Seen:
            try:
                watermark, row = table.see(connection, known.gid, key, stream)
            except errors.UndefinedTable as error:
                raise dropped(group, generation) from error
            return Seen(row, watermark, generation)

        return self._database.ask(work)

    def query(self, generation: int, table: Table, query: Query) -> Page:
        """A page of the part's rows."""
        query = checked(table, query)
        after = cursors.read(table, query)
        source = self._table(generation, table)
        statement = Statement(DIALECT, table)
        text = statement.page(source.source, query, after, query.first + 1)

        def work(connection: Connection) -> list[Any]:
            try:
                return connection.execute(text, statement.values, prepare=False).fetchall()
            except errors.UndefinedTable as error:
                raise dropped(table.part, generation) from error

        found = self._database.query(work)
        rows = [(row[0], Row(tuple(row[2:]), row[1])) for row in found[: query.first]]
        return cursors.page(table, query, rows, len(found) > query.first)

    def _table(self, generation: int, table: Table) -> RowTable:
        """The row table of a part in whichever group has it."""
        found = self._parts.get((generation, table.part))
        if found is None:
            text = self._database.sql("SELECT name FROM {s}.read_generations WHERE number = %s AND NOT dropped")
            groups = self._database.ask(lambda connection: connection.execute(text, (generation,)).fetchall())
            for (group,) in groups:
                known = self._database.known(str(group), generation)
                self._parts.update({(generation, part): rows for part, rows in known.tables.items()})
            found = self._parts.get((generation, table.part))
        if found is None:
            raise Fenced(f"generation {generation} of {table.part!r} was dropped")
        check_columns(generation, table, found.table)
        return found

    def changes(self, group: str, generation: int, shard: int, after: int, limit: int) -> list[Change]:
        """A page of them."""
        text = (
            "SELECT shard, number, part, key, tenant, revision, before, after FROM {s}.read_changes"
            " WHERE gid = %s AND shard = %s AND number > %s ORDER BY number LIMIT %s"
        )
        found = self._found(group, generation, text, shard, after, limit)
        return [
            Change(shard, number, part, key, tenant, revision, before.encode(), after.encode())
            for shard, number, part, key, tenant, revision, before, after in found
        ]

    def history(self, group: str, generation: int) -> dict[int, tuple[int, int]]:
        """First (one past the last, where all were trimmed) and last."""
        text = (
            "SELECT shard, coalesce((SELECT min(number) FROM {s}.read_changes c WHERE c.gid = s.gid AND c.shard = s.shard), changes + 1),"
            " changes FROM {s}.read_shards s WHERE gid = %s AND changes > 0 ORDER BY shard"
        )
        return {shard: (first, last) for shard, first, last in self._found(group, generation, text)}

    def letters(self, group: str, generation: int) -> list[Letter]:
        """The parked ones, by part and stream."""
        text = "SELECT part, stream, version, error, tries, parked, reason FROM {s}.read_letters WHERE gid = %s AND parked"
        return [Letter(*row) for row in self._found(group, generation, text + " ORDER BY part, stream")]
