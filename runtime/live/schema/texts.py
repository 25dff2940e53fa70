"""What docstrings say about types and their fields, as GraphQL descriptions; and how Python names look in GraphQL.

A line `field: what it is` (or `* field – what it is`) of a class's docstring describes that field, the rest describes the type.
"""

import inspect
import re
from collections.abc import Collection
from typing import Any

LINE = re.compile(r"^\s*(?:[-*•]\s+)?`{0,2}(\w+)`{0,2}\s*(?::|–|—|--)\s+(\S.*)$")
NAME = re.compile(r"^(?!__)[_A-Za-z][_0-9A-Za-z]*$")


def camel(name: str) -> str:
    """`dep_delay` as GraphQL writes it: `depDelay`. Leading underscores stay."""
    bare = name.lstrip("_")
    first, *more = bare.split("_") if bare else [""]
    return name[: len(name) - len(bare)] + first + "".join(part[:1].upper() + part[1:] or "_" for part in more)


def pascal(name: str) -> str:
    """`late_flights` as a type: `LateFlights`."""
    written = camel(name)
    return written[:1].upper() + written[1:]


def lowered(name: str) -> str:
    """`PlaceOrder` as a field: `placeOrder`."""
    return name[:1].lower() + name[1:]


def described(documented: Any, fields: Collection[str] = ()) -> tuple[str, dict[str, str]]:
    """The text of a docstring, and the texts of those fields that it lists."""
    text = inspect.cleandoc(getattr(documented, "__doc__", None) or "")
    rest: list[str] = []
    found: dict[str, str] = {}
    last, indent = "", 0
    for line in text.splitlines():
        match = LINE.match(line)
        margin = len(line) - len(line.lstrip())
        if match and match[1] in fields:
            last, indent = match[1], margin
            found[last] = match[2].strip()
        elif last and line.strip() and margin > indent:
            found[last] += " " + line.strip()
        else:
            last = ""
            rest.append(line)
    return "\n".join(rest).strip(), found


def joined(*texts: str, by: str = " ") -> str | None:
    """Texts as one description, None for none."""
    return by.join(text for text in texts if text) or None
