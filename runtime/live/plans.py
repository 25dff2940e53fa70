"""A subscription is state, not a stream: what it wants to see (a plan), and how that changes (updates).

A generated subscribe resolver answers with a `Plan`. A server keeps it in its hub, a stateless gateway stores it; both push the same
updates, since everything that a push needs is in here.
"""

from collections.abc import AsyncIterator
from typing import Any

from msgspec import Struct

from runtime.domain.filters import Filter


class Entry(Struct, frozen=True):
    """One row as it is now: its values by column name, or None when it is gone or left the filter."""

    key: str
    generation: int
    revision: int
    row: dict[str, Any] | None


class Update(Struct, frozen=True):
    """What one `next` tells. `snapshot`: begin (`reset`) or go on with a first picture; `complete` is False while more of it comes.

    `cursor` names the place after this update: who comes back with it misses nothing and sees nothing twice.
    """

    entries: tuple[Entry, ...]
    cursor: str
    snapshot: bool = False
    reset: bool = False  # with `snapshot`: forget every row that was shown before
    complete: bool = True
    stale: bool = False  # `after` named a token that was not reached in time
    parked: bool = False  # … and will not come by waiting: its stream is parked


class Plan(Struct, frozen=True):
    """Which rows a subscription follows: rights and tenant are in `where` and `tenant` already, so nothing is checked after reading.

    An async iterable only because graphql-core asks a subscribe resolver for one; nobody iterates over it.
    """

    part: str
    group: str
    where: Filter
    tenant: str  # "" where the app has no tenants
    key: str  # the stored key of the one row that is followed; "" for every row that passes `where`
    after: str  # a command's token, an update's cursor, or ""
    cohort: str  # equal for plans whose updates render to the same bytes

    def __aiter__(self) -> AsyncIterator[Any]:
        raise TypeError("a Plan is stored or handed to the hub, never iterated")
