"""Row tables: one per part and generation, with native columns, the row's key, tenant and revision, and a tombstone's flag.

A tombstone keeps its revision for ever, so that "newest wins" holds when the row comes back.
"""

from providers.sql.dialect import Dialect
from runtime.domain.tables import Kind, Table


def name_of(generation: int, part: str) -> str:
    """The table of a part in a generation, unquoted."""
    return f"row_{generation}_{part}"


def create(dialect: Dialect, source: str, index: str, table: Table) -> list[str]:
    """The statements that make a row table, and an index for apps with tenants that costs the others nothing."""
    columns = "".join(f", {dialect.quote(column.name)} {dialect.types[column.kind]}" for column in table.columns)
    return [
        f"CREATE TABLE {source} (_key {dialect.text} PRIMARY KEY, _tenant {dialect.text} NOT NULL, _n {dialect.types[Kind.INT]} NOT NULL, "
        f"_gone {dialect.flag} NOT NULL{columns}){dialect.table_options}",
        f"CREATE INDEX {index} ON {source} (_tenant, _key) WHERE _tenant <> ''",
    ]


def names(dialect: Dialect, table: Table) -> list[str]:
    """All columns as they are written: ours, then the part's."""
    return ["_key", "_tenant", "_n", "_gone", *(dialect.quote(column.name) for column in table.columns)]


def on_conflict(dialect: Dialect, table: Table) -> str:
    """What makes an insert replace the row that is there."""
    return "ON CONFLICT (_key) DO UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in names(dialect, table)[1:])


def selected(dialect: Dialect, table: Table) -> str:
    """Key, revision, whether it is a tombstone, then the part's columns."""
    return ", ".join(["_key", "_n", "_gone", *(dialect.quote(column.name) for column in table.columns)])
