"""Where SQLite and PostgreSQL differ: column types, placeholders, and two text functions."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from runtime.domain.tables import Kind


class Dialect(Struct, frozen=True):
    """How one database spells things. `starts_with` and `contains` hold `{c}` for the column and `{v}` for the placeholder."""

    types: Mapping[Kind, str]  # of a column, collation included
    marks: Mapping[Kind, str]  # the placeholder of a value of a kind
    bind: Mapping[Kind, Callable[[Any], Any]]  # a value as the driver takes it, where that differs
    starts_with: str
    contains: str
    text: str  # the type of our own text columns
    flag: str
    table_options: str = ""
    percent: str = "%"  # a percent sign in a statement with placeholders

    def quote(self, name: str) -> str:
        """An identifier in a statement with placeholders."""
        return '"' + name.replace('"', '""').replace("%", self.percent) + '"'

    def bound(self, kind: Kind, value: Any) -> Any:
        """A value for its placeholder."""
        convert = self.bind.get(kind)
        return value if convert is None or value is None else convert(value)
