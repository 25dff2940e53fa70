"""What a group of tables must look like to live in every database: names that SQLite and PostgreSQL can both keep apart."""

from collections.abc import Iterable

import msgspec

from runtime.domain.tables import Group, Table
from runtime.errors import Misconfigured, Rejected
from runtime.ports import Generation, Phase

NAME_BYTES = 63  # PostgreSQL cuts longer identifiers
PART_BYTES = 48  # leaves room for the generation's number in a table's name, and for the name of its index
OURS = ("_key", "_tenant", "_n", "_gone", "rowid")


def check_group(group: Group) -> None:
    """`Misconfigured` for names that some database would mix up."""
    _distinct(f"group {group.name!r}", "part", (table.part for table in group.tables), PART_BYTES)
    for table in group.tables:
        _distinct(f"part {table.part!r}", "column", (column.name for column in table.columns), NAME_BYTES)


def _distinct(where: str, what: str, names: Iterable[str], most: int) -> None:
    seen: dict[str, str] = {}
    for name in names:
        folded = name.lower()
        if folded in OURS or not name or "\x00" in name or len(name.encode()) > most:
            raise Misconfigured(f"{where}: {what} {name!r} needs another name of 1 to {most} bytes, not {', '.join(OURS)}")
        if folded in seen:
            raise Misconfigured(f"{where}: {what}s {seen[folded]!r} and {name!r} differ in case only: rename one")
        seen[folded] = name


def check_droppable(generation: Generation) -> None:
    """`Rejected` for a generation that somebody still needs."""
    if generation.phase not in (Phase.GREEN, Phase.FENCED):
        raise Rejected(
            f"generation {generation.number} of {generation.group!r} is {generation.phase}: only a green or fenced one can be dropped"
        )


def check_columns(generation: int, asked: Table, stored: Table) -> None:
    """`Misconfigured` when a reader was made for other columns than the generation has."""
    if asked.columns != stored.columns:
        raise Misconfigured(f"generation {generation} of {asked.part!r} has other columns: rebuild its group, or read another generation")


_TABLES = msgspec.json.Decoder(tuple[Table, ...])


def next_number(group: Group, known: Iterable[tuple[str, int, str]]) -> int:
    """One more than any generation of the group, and than any that ever had a table of the same name; `known`: group, number, tables."""
    parts = {table.part for table in group.tables}
    return 1 + max(
        (
            number
            for name, number, tables in known
            if name == group.name or not parts.isdisjoint(table.part for table in _TABLES.decode(tables))
        ),
        default=0,
    )
