"""A client's side of a subscription: it folds what it is told, and notices what must never be told."""

from typing import Any

import msgspec

from runtime.domain.filters import EVERYTHING, Filter
from runtime.live.plans import Plan, Update

type Revision = tuple[int, int]


def render(update: Update) -> bytes:
    """An update as it is, in place of a GraphQL document."""
    return msgspec.json.encode(update)


class Viewer:
    """An outlet whose client keeps rows by key. Close `gate` and it is not ready, as a client that does not read."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.revisions: dict[str, Revision] = {}  # of every row ever shown, those that left as well
        self.cursor = ""
        self.updates: list[Update] = []
        self.errors: list[dict[str, Any]] = []
        self.open = True
        self.overflowed = False
        self.bytes = 0
        self.wrong: list[str] = []  # what must never be told

    # as the driver's outlet
    def ready(self) -> bool:
        return self.open

    def push(self, payload: bytes) -> None:
        self.bytes += len(payload)
        self.fold(msgspec.json.decode(payload, type=Update))

    def fail(self, errors: list[dict[str, Any]]) -> None:
        self.errors += errors

    def overflow(self) -> None:
        self.overflowed = True

    # as the client
    def fold(self, update: Update) -> None:
        self.updates.append(update)
        if update.reset:
            if not update.snapshot:
                self.wrong.append("a reset without a snapshot")
            self.rows.clear()
        for entry in update.entries:
            self._see(entry.key, (entry.generation, entry.revision), entry.row, update.snapshot)
        self.cursor = update.cursor
        if update.complete != bool(update.cursor):
            self.wrong.append("a place that cannot be come back to")

    def _see(self, key: str, revision: Revision, row: dict[str, Any] | None, snapshot: bool) -> None:
        known = self.revisions.get(key, (0, 0))
        shown = key in self.rows
        if row is None and not shown:  # taking away what is not shown is idle, not wrong
            self.revisions[key] = max(known, revision)
            return
        if revision < known:
            self.wrong.append(f"{key}: {revision} after {known}: time runs backwards")
        elif revision == known and not snapshot:
            self.wrong.append(f"{key}: {revision} twice")
        self.revisions[key] = revision
        if row is None:
            del self.rows[key]
        else:
            self.rows[key] = row


def plan(where: Filter = EVERYTHING, *, key: str = "", after: str = "", part: str = "ticket") -> Plan:
    """A plan on the shop's tickets."""
    return Plan(part, "rows", where, "", key, after, repr((part, where, key)))
