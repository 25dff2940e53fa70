"""A part's rows in PostgreSQL: its table's statements, made once, and rows in and out in bulk."""

from collections.abc import Sequence
from typing import Any

from providers.postgres.database import Connection
from providers.postgres.rows_copy import FIELDS, text_field
from providers.postgres.rows_values import ARRAY_TYPES, DIALECT, encoded, integers, numbers, texts
from providers.sql import tables
from providers.sql.columns import Columns, columns_of_writes
from runtime.domain.tables import Table
from runtime.ports import Row, RowWrite


class RowTable:
    """The rows of one part in one generation; statements are `(text, values)`."""

    def __init__(self, table: Table, generation: int, schema: str) -> None:
        self.table = table
        name = tables.name_of(generation, table.part)
        self.source = f"{schema}.{DIALECT.quote(name)}"
        self.create = tables.create(DIALECT, self.source, DIALECT.quote(f"{name}_tenant"), table)
        self.drop = f"DROP TABLE {self.source}"
        selected = tables.selected(DIALECT, table)
        self._select = f"SELECT {selected} FROM {self.source} WHERE _key = ANY(%s::text[])"
        self._see = (
            f"SELECT coalesce((SELECT -1 FROM {schema}.read_letters WHERE gid = %s AND stream = %s AND part = %s AND parked),"
            f" (SELECT version FROM {schema}.read_watermarks WHERE gid = %s AND stream = %s), 0), r.*"
            f" FROM (SELECT 1) one LEFT JOIN (SELECT {selected} FROM {self.source} WHERE _key = %s) r ON true"
        )
        names = tables.names(DIALECT, table)
        arrays = ["%s::text[]", "%s::text[]", "%s::bigint[]", "%s::boolean[]", *(f"%s::{ARRAY_TYPES[one.kind]}[]" for one in table.columns)]
        insert = f"INSERT INTO {self.source} ({', '.join(names)}) SELECT * FROM unnest({', '.join(arrays)})"
        self._upsert = f"{insert} {tables.on_conflict(DIALECT, table)}"
        self._copied = f"{self.source} ({', '.join(names)})".replace("%%", "%")  # COPY has no placeholders
        self._placeholder = (
            f"INSERT INTO {self.source} (_key, _tenant, _n, _gone) SELECT u, '', 0, true FROM unnest(%s::text[]) u ON CONFLICT DO NOTHING"
        )

    def reading(self, keys: Sequence[str]) -> tuple[str, tuple[str]]:
        """Ask for the stored rows of these keys."""
        return self._select, (texts(keys),)

    def placing(self, keys: Sequence[str]) -> tuple[str, tuple[str]]:
        """Put a placeholder where a row is absent, in key order: it can be locked."""
        return self._placeholder, (texts(keys),)

    def locking(self, keys: Sequence[str]) -> tuple[str, tuple[str]]:
        """Lock these rows in key order and ask for them."""
        return f"{self._select} ORDER BY _key FOR UPDATE", (texts(keys),)

    def row(self, found: Sequence[Any], skip: int = 3) -> Row:
        """A fetched row: key, revision, tombstone, columns."""
        return Row(None if found[2] else tuple(found[skip:]), found[1])

    def see(self, connection: Connection, gid: int, key: str, stream: str) -> tuple[int, Row | None]:
        """The part's watermark of a stream (-1 when it is parked) and a row, in one snapshot."""
        values = (gid, stream, self.table.part, gid, stream, key)
        found: Sequence[Any] | None = connection.execute(self._see, values).fetchone()
        assert found is not None
        seen = found[1:]
        return found[0], None if seen[0] is None or seen[1] == 0 else self.row(seen)

    def writing(self, writes: Sequence[RowWrite]) -> tuple[str, list[str]]:
        """Insert or replace them. `Malformed` for a value that does not fit."""
        ordered, columns = self._checked(writes)
        return self._upsert, [
            texts([write.key for write in ordered]),
            texts([write.tenant for write in ordered]),
            integers([write.revision for write in ordered]),
            numbers([write.values is None for write in ordered]),
            *(encoded(column, values) for column, values in zip(self.table.columns, columns, strict=True)),
        ]

    def copying(self, writes: Sequence[RowWrite]) -> tuple[str, list[Sequence[str]]]:
        """The same for rows that are surely new: what to copy into, and a column at a time."""
        ordered, columns = self._checked(writes)
        return self._copied, [
            text_field([write.key for write in ordered]),
            text_field([write.tenant for write in ordered]),
            [str(write.revision) for write in ordered],
            ["t" if write.values is None else "f" for write in ordered],
            *(FIELDS[column.kind](values) for column, values in zip(self.table.columns, columns, strict=True)),
        ]

    def _checked(self, writes: Sequence[RowWrite]) -> tuple[list[RowWrite], Columns]:
        last = {write.key: write for write in writes}  # one statement cannot touch a row twice
        ordered = [last[key] for key in sorted(last)]
        return ordered, columns_of_writes(self.table, ordered)
