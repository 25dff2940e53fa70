"""GET /admin/letters: what is parked, with its error and the event that it stands at."""

from collections.abc import Mapping
from typing import Any

import msgspec

from hosts.admin import Admin
from hosts.http import known
from runtime.flow.parked import Operations, Parked
from runtime.ports import EventStore
from runtime.steps import run

SHOWN = 1_000  # letters of an answer
EVENTS = 200  # … that are shown with their event


def letters(admin: Admin, asked: Mapping[str, str]) -> object:
    """All of them, by group; `cut` when there are more than are shown."""
    known(asked, ())
    parked = run(operations(admin).parked())
    store = admin.local.events.store
    return {
        "letters": [_letter(one, store if position < EVENTS else None) for position, one in enumerate(parked[:SHOWN])],
        "cut": len(parked) > SHOWN,
    }


def operations(admin: Admin) -> Operations:
    """On the ports of this process, whose subscribers hear of what a redrive changes."""
    local = admin.local
    return Operations(admin.app, local.events.store, local.rows, local.signals)


def _letter(parked: Parked, store: EventStore | None) -> dict[str, Any]:
    generation, letter = parked
    events = store.read(letter.stream, letter.version - 1, 1) if store is not None else []
    here = bool(events) and events[0].version == letter.version
    return {
        "group": generation.group,
        "generation": generation.number,
        "part": letter.part,
        "stream": letter.stream,
        "version": letter.version,
        "tries": letter.tries,
        "reason": letter.reason,
        "error": letter.error,
        "event": {"type": events[0].type, "data": msgspec.Raw(events[0].data)} if here else None,
    }
