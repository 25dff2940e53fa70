"""Who may do what on the bus: the rights that follow from a use, as the access control list of a broker.

Each line is there because a real broker refused the role without it (tests/faults/test_bus_rights.py takes each away); whoever may read or
write may describe, too.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

type Use = Literal["publish", "fold", "listen", "watch", "administer"]


@dataclass(frozen=True)
class Right:
    """One line of an access control list, in Kafka's words."""

    principal: str
    resource: Literal["topic", "group", "cluster"]
    name: str
    pattern: Literal["literal", "prefixed"]
    operation: Literal["read", "write", "describe"]


def rights(use: Use, user: str, app: str, topic: str, signals: str) -> tuple[Right, ...]:
    """What a user needs for a use. An administrator's rights are not ours to give: whoever runs the bus gave them."""
    who = f"User:{user}"
    match use:
        case "publish":
            return _topic(who, topic, "write")
        case "fold":
            return (*_topic(who, topic, "read"), *_topic(who, signals, "write"), *_groups(who, app, "read"))
        case "listen":
            return _topic(who, signals, "read")
        case "watch":
            return (*_topic(who, topic, "describe"), *_groups(who, app, "describe"))
        case "administer":
            return ()


def listed(found: Iterable[Right]) -> str:
    """The list as TRIMARAN_RIGHTS carries it: JSON, each line once, in one order."""
    lines = {json.dumps(asdict(right)): asdict(right) for right in found}
    return json.dumps([lines[line] for line in sorted(lines)])


def _topic(who: str, name: str, *operations: Literal["read", "write", "describe"]) -> tuple[Right, ...]:
    return tuple(Right(who, "topic", name, "literal", operation) for operation in operations)


def _groups(who: str, app: str, *operations: Literal["read", "describe"]) -> tuple[Right, ...]:
    return tuple(Right(who, "group", f"{app}.", "prefixed", operation) for operation in operations)
