"""What readers ask of the SQLite file: rows, watermarks, changes, letters, each in one snapshot and without a lock."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from providers.sql import cursors
from providers.sql.asked import checked
from providers.sql.filters import Statement
from providers.sql.groups import check_columns
from providers.sqlite.rows_database import Known, RowDatabase, dropped
from providers.sqlite.rows_tables import RowTable
from providers.sqlite.rows_transaction import letter_of
from providers.sqlite.rows_values import DIALECT
from runtime.domain.filters import Query
from runtime.domain.tables import Table
from runtime.errors import Fenced
from runtime.ports import Change, Head, Letter, Page, Row, Seen


@contextmanager
def _dropped_meanwhile(name: str, generation: int) -> Iterator[None]:
    """Inside, a table that is gone means that the generation was dropped between the look-up and the read."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            raise dropped(name, generation) from error
        raise


class Reading:
    """The part of the ReadStore port that reads."""

    _database: RowDatabase
    _parts: dict[tuple[int, str], RowTable]

    def _there(self, connection: sqlite3.Connection, group: str, generation: int) -> Known:
        known = self._database.known(connection, group, generation)
        known.generation(connection)
        return known

    def watermarks(self, group: str, generation: int, after: str, limit: int) -> list[Head]:
        """A page of them."""

        def work(connection: sqlite3.Connection) -> list[Head]:
            gid = self._there(connection, group, generation).gid
            text = "SELECT stream, version FROM read_watermarks WHERE gid = ? AND stream > ? ORDER BY stream LIMIT ?"
            return [Head(stream, version) for stream, version in connection.execute(text, (gid, after, limit))]

        return self._database.read(work)

    def watermarks_of(self, group: str, generation: int, streams: Sequence[str]) -> dict[str, int]:
        """Those of these streams."""

        def work(connection: sqlite3.Connection) -> dict[str, int]:
            gid = self._there(connection, group, generation).gid
            text = "SELECT stream, version FROM read_watermarks WHERE gid = ? AND stream IN (SELECT value FROM json_each(?))"
            return dict(connection.execute(text, (gid, msgspec.json.encode(list(streams)).decode())).fetchall())

        return self._database.read(work)

    def get(self, group: str, generation: int, part: str, key: str, stream: str) -> Seen:
        """A row and a watermark in one statement, which is one snapshot."""

        def work(connection: sqlite3.Connection) -> Seen:
            known = self._there(connection, group, generation)
            table = known.table(part)
            with _dropped_meanwhile(group, generation):
                watermark, row = table.see(connection, known.gid, key, stream)
            return Seen(row, watermark, generation)

        return self._database.read(work)

    def query(self, generation: int, table: Table, query: Query) -> Page:
        """A page of the part's rows."""
        query = checked(table, query)
        after = cursors.read(table, query)

        def work(connection: sqlite3.Connection) -> Page:
            source = self._table(connection, generation, table)
            statement = Statement(DIALECT, table)
            text = statement.page(source.source, query, after, query.first + 1)
            with _dropped_meanwhile(table.part, generation):
                found = connection.execute(text, statement.values).fetchall()
            rows = [(row[0], Row(source.decode_page(row), row[1])) for row in found[: query.first]]
            return cursors.page(table, query, rows, len(found) > query.first)

        with self._database.errors():
            return work(self._database.reader())  # a long read must not keep anybody from writing

    def _table(self, connection: sqlite3.Connection, generation: int, table: Table) -> RowTable:
        """The row table of a part in whichever group has it."""
        found = self._parts.get((generation, table.part))
        if found is None:
            text = "SELECT name FROM read_generations WHERE number = ? AND dropped = 0"
            for (group,) in connection.execute(text, (generation,)).fetchall():
                known = self._database.known(connection, group, generation)
                self._parts.update({(generation, part): rows for part, rows in known.tables.items()})
            found = self._parts.get((generation, table.part))
        if found is None:
            raise Fenced(f"generation {generation} of {table.part!r} was dropped")
        check_columns(generation, table, found.table)
        return found

    def changes(self, group: str, generation: int, shard: int, after: int, limit: int) -> list[Change]:
        """A page of them."""

        def work(connection: sqlite3.Connection) -> list[Change]:
            gid = self._there(connection, group, generation).gid
            text = (
                "SELECT shard, number, part, key, tenant, revision, before, after FROM read_changes"
                " WHERE gid = ? AND shard = ? AND number > ? ORDER BY number LIMIT ?"
            )
            return [Change(*row) for row in connection.execute(text, (gid, shard, after, limit))]

        return self._database.read(work)

    def history(self, group: str, generation: int) -> dict[int, tuple[int, int]]:
        """First (one past the last, where all were trimmed) and last."""

        def work(connection: sqlite3.Connection) -> dict[int, tuple[int, int]]:
            gid = self._there(connection, group, generation).gid
            text = (
                "SELECT shard, coalesce((SELECT min(number) FROM read_changes c WHERE c.gid = s.gid AND c.shard = s.shard), changes + 1),"
                " changes FROM read_shards s WHERE gid = ? AND changes > 0 ORDER BY shard"
            )
            return {shard: (first, last) for shard, first, last in connection.execute(text, (gid,))}

        return self._database.read(work)

    def letters(self, group: str, generation: int) -> list[Letter]:
        """The parked ones, by part and stream."""

        def work(connection: sqlite3.Connection) -> list[Letter]:
            gid = self._there(connection, group, generation).gid
            text = "SELECT part, stream, version, error, tries, parked, reason FROM read_letters WHERE gid = ? AND parked ORDER BY part, stream"
            return [letter_of(row) for row in connection.execute(text, (gid,))]

        return self._database.read(work)
