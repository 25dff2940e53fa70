"""A part's rows in SQLite: its table's statements, made once, and rows in and out in bulk."""

import sqlite3
from collections.abc import Sequence

import msgspec

from providers.sql import tables
from providers.sql.columns import columns_of_writes
from providers.sqlite.rows_values import DIALECT, decoder, encoded
from runtime.domain.tables import Table
from runtime.ports import Row, RowWrite


class RowTable:
    """The rows of one part in one generation."""

    def __init__(self, table: Table, generation: int) -> None:
        self.table = table
        name = tables.name_of(generation, table.part)
        self.source = DIALECT.quote(name)
        names = tables.names(DIALECT, table)
        self.create = tables.create(DIALECT, self.source, DIALECT.quote(f"{name}_tenant"), table)
        self.drop = f"DROP TABLE {self.source}"
        self._decode = decoder(table.columns, 3)
        self.decode_page = decoder(table.columns, 2)  # of a row that a page's statement selects
        self._select = f"SELECT {tables.selected(DIALECT, table)} FROM {self.source} WHERE _key "
        marks = ", ".join("?" * len(names))
        self._upsert = f"INSERT INTO {self.source} ({', '.join(names)}) VALUES ({marks}) {tables.on_conflict(DIALECT, table)}"

    def read(self, connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, Row]:
        """The stored rows of these keys."""
        decode = self._decode
        if len(keys) == 1:
            found = connection.execute(self._select + "= ?", tuple(keys))
        else:
            found = connection.execute(self._select + "IN (SELECT value FROM json_each(?))", (msgspec.json.encode(list(keys)).decode(),))
        return {row[0]: Row(None if row[2] else decode(row), row[1]) for row in found}

    def see(self, connection: sqlite3.Connection, gid: int, key: str, stream: str) -> tuple[int, Row | None]:
        """The part's watermark of a stream (-1 when it is parked) and a row, in one snapshot."""
        text = (
            f"SELECT coalesce((SELECT -1 FROM read_letters WHERE gid = ?1 AND stream = ?2 AND part = ?3 AND parked),"
            f" (SELECT version FROM read_watermarks WHERE gid = ?1 AND stream = ?2), 0), r.*"
            f" FROM (SELECT 1) LEFT JOIN ({self._select} = ?4) r"
        )
        row = connection.execute(text, (gid, stream, self.table.part, key)).fetchone()
        return row[0], None if row[1] is None else Row(None if row[3] else self._decode(row[1:]), row[2])

    def write(self, connection: sqlite3.Connection, writes: Sequence[RowWrite]) -> None:
        """Insert or replace them. `Malformed` before anything is written."""
        columns = columns_of_writes(self.table, writes)
        stored = [encoded(column, values) for column, values in zip(self.table.columns, columns, strict=True)]
        keys = [write.key for write in writes]
        tenants = [write.tenant for write in writes]
        revisions = [write.revision for write in writes]
        gone = [write.values is None for write in writes]
        connection.executemany(self._upsert, zip(keys, tenants, revisions, gone, *stored, strict=True))
