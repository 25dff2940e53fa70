"""Cursors that came with `connection_init`: for clients that send an operation again exactly as it was, and so cannot put its cursor in.

    {"type": "connection_init", "payload": {"resume": {"<operation id>": "<the last cursor that it was told>"}}}

An operation of that id that has no `after` of its own goes on from there. What does not look like a cursor is left out: such an operation
begins with a snapshot, which is never wrong.
"""

from typing import Any

from runtime.live.follow.positions import LONGEST
from runtime.live.wire.messages import ID_CHARACTERS_MAX

CHARACTERS_MAX = 64 * 1024  # of all of them: they are kept as long as the connection is


def cursors_of(payload: dict[str, Any] | None, most: int) -> dict[str, str]:
    """The cursors by operation id, at most so many."""
    given = (payload or {}).get("resume")
    if not isinstance(given, dict):
        return {}
    usable = {id: cursor for id, cursor in given.items() if len(id) <= ID_CHARACTERS_MAX and isinstance(cursor, str)}
    cursors = {id: cursor for id, cursor in list(usable.items())[:most] if 0 < len(cursor) <= LONGEST}
    while sum(len(id) + len(cursor) for id, cursor in cursors.items()) > CHARACTERS_MAX:
        cursors.popitem()
    return cursors
