"""The SQLite file of a read store: its connections know decimals, and every generation's tables are looked up once.

The file may be shared with the event store, in this process or others.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident

import msgspec
from msgspec import Struct

from providers.sqlite.database import Database, translated
from providers.sqlite.rows_schema import COMPONENT, MIGRATIONS
from providers.sqlite.rows_tables import RowTable
from providers.sqlite.rows_values import add_collation
from runtime.domain.tables import Group, Table
from runtime.errors import Fenced, Malformed
from runtime.ports import Generation, Phase

_TABLES = msgspec.json.Decoder(tuple[Table, ...])


class Known(Struct, frozen=True):
    """A generation's id and row tables, which never change; its phase does."""

    gid: int
    group: Group
    number: int
    tables: dict[str, RowTable]

    def table(self, part: str) -> RowTable:
        """The rows of a part."""
        if part not in self.tables:
            raise Malformed(f"group {self.group.name!r} has no part {part!r}: it has {', '.join(self.tables)}")
        return self.tables[part]

    def generation(self, connection: sqlite3.Connection) -> Generation:
        """As it is now; `Fenced` when it was dropped."""
        row = connection.execute("SELECT phase, epoch FROM read_generations WHERE gid = ? AND dropped = 0", (self.gid,)).fetchone()
        if row is None:
            raise dropped(self.group.name, self.number)
        return Generation(self.group.name, self.number, Phase(row[0]), self.group.schema, row[1])


def dropped(group: str, number: int) -> Fenced:
    """What to say about a generation that is not there."""
    return Fenced(f"generation {number} of {group!r} was dropped")


class RowDatabase(Database):
    """The file, with what a read store adds."""

    def __init__(self, path: str) -> None:
        try:
            super().__init__(path, COMPONENT, MIGRATIONS)
        except BaseException:
            if hasattr(self, "_writer"):  # opened, but refused: a newer schema, for example
                self._writer.close()
            raise
        add_collation(self._writer)
        self._taught: set[int] = set()  # readers that know decimals; they live as long as this object
        self._known: dict[tuple[str, int], Known] = {}
        self._seized_by = 0

    def reader(self) -> sqlite3.Connection:
        """This thread's own connection."""
        connection = super().reader()
        if id(connection) not in self._taught:
            add_collation(connection)
            self._taught.add(id(connection))
        return connection

    def write[T](self, work: Callable[[sqlite3.Connection], T], *, flushed: bool = True) -> T:
        """Do work in a transaction of its own, which must not wait for one that this very thread holds."""
        if self._seized_by == get_ident():
            raise RuntimeError("this thread has a transaction open: commit it or roll it back first")
        return super().write(work, flushed=flushed)

    def seize(self) -> sqlite3.Connection:
        """The writer, in a transaction just begun."""
        if self._seized_by == get_ident():
            raise RuntimeError("this thread has a transaction open: commit it or roll it back first")
        connection = super().seize()
        self._seized_by = get_ident()
        return connection

    def end(self, *, commit: bool) -> None:
        """End what `seize` began."""
        self._seized_by = 0
        super().end(commit=commit)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Inside, SQLite's errors become those of our tree."""
        try:
            yield
        except sqlite3.Error as error:
            raise translated(error, self.path) from error

    def known(self, connection: sqlite3.Connection, group: str, number: int) -> Known:
        """A generation's id and tables; `Fenced` when it was dropped or never made (a known one may have been dropped since)."""
        known = self._known.get((group, number))
        if known is None:
            row = connection.execute(
                "SELECT gid, schema, tables, saga FROM read_generations WHERE name = ? AND number = ? AND dropped = 0", (group, number)
            ).fetchone()
            if row is None:
                raise dropped(group, number)
            known = self.remember(row[0], Group(group, _TABLES.decode(row[2]), row[1], bool(row[3])), number)
        return known

    def remember(self, gid: int, group: Group, number: int) -> Known:
        """Keep what never changes."""
        known = Known(gid, group, number, {table.part: RowTable(table, number) for table in group.tables})
        self._known[group.name, number] = known
        return known

    def forget(self, group: str, number: int) -> None:
        """It was dropped."""
        self._known.pop((group, number), None)
