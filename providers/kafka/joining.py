"""Lets a Kafka consumer join its group in polls that are shorter than the join; kafka-python 3.0.12 cannot.

A join waits for every member of the group, so it often ends when nobody is inside `poll`. The client then forgets it in
two ways, and the group rebalances for ever or delivers nothing any more, without a word:

1. The next `poll` finds the join done, throws its result away and sends another one, which disturbs all other members.
2. When the join's cause was new metadata (a topic got partitions), the next `poll` sees no cause any more and never looks.

Both are mended from outside here, on the coordinator of one client; a client whose insides changed fails loudly.
"""

from typing import Any

from kafka.structs import MemberState


class Joining:
    """Watches over the joins of one kafka-python consumer."""

    def __init__(self, client: Any) -> None:
        self._coordinator = client._coordinator
        self._join = self._coordinator._do_join_and_sync_async
        self._kept: tuple[Any, bytes] | None = None  # generation and assignment of a join whose result nobody took
        self._coordinator._do_join_and_sync_async = self._join_or_keep

    async def _join_or_keep(self) -> bytes:
        """The result of the last join if it is still unused (the member is still rebalancing), else of a new one."""
        kept, self._kept = self._kept, None
        rebalancing = self._coordinator.state is MemberState.REBALANCING
        if kept is None or not rebalancing or kept[0] != self._coordinator._generation:
            assignment: bytes = await self._join()
            kept = (self._coordinator._generation, assignment)
        self._kept = kept
        return kept[1]

    def remind(self) -> None:
        """Before a poll: a member that is rebalancing has a join to finish, whatever began it."""
        if self._coordinator.state is MemberState.REBALANCING and not self._coordinator.need_rejoin():
            self._coordinator.request_rejoin()
