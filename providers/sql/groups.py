"""What a group of tables must look like to live in every database: names that SQLite and PostgreSQL can both keep apart."""

from collections.abc import Iterable

from runtime.domain.tables import Group
from runtime.errors import Misconfigured, Rejected
from runtime.ports import Generation, Phase

NAME_BYTES = 63  # PostgreSQL cuts longer identifiers
OURS = ("_key", "_tenant", "_n", "rowid")


def check_group(group: Group) -> None:
    """`Misconfigured` for names that some database would mix up."""
    _distinct(f"group {group.name!r}", "part", (table.part for table in group.tables))
    for table in group.tables:
        _distinct(f"part {table.part!r}", "column", (column.name for column in table.columns))


def _distinct(where: str, what: str, names: Iterable[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        folded = name.lower()
        if folded in OURS or not name or "\x00" in name or len(name.encode()) > NAME_BYTES:
            raise Misconfigured(f"{where}: {what} {name!r} needs another name of 1 to {NAME_BYTES} bytes, not {', '.join(OURS)}")
        if folded in seen:
            raise Misconfigured(f"{where}: {what}s {seen[folded]!r} and {name!r} differ in case only: rename one")
        seen[folded] = name


def check_droppable(generation: Generation) -> None:
    """`Rejected` for a generation that somebody still needs."""
    if generation.phase not in (Phase.GREEN, Phase.FENCED):
        raise Rejected(
            f"generation {generation.number} of {generation.group!r} is {generation.phase}: only a green or fenced one can be dropped"
        )
