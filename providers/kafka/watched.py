"""Shows how far a consumer is to a group without members, which whoever scales by lag watches under one name for ever.

A generation has a consumer group of its own, so the name that KEDA reads would change with every rebuild. The live one repeats
its commits here: on the client's own I/O thread and connection, never waited for, at most one at a time. What was not taken is
said again with a later call; what did not change every AGAIN_S, since a late word of somebody paused may have overwritten it.
"""

import time
from collections.abc import Mapping
from typing import Any

from kafka import TopicPartition, errors
from kafka.admin import KafkaAdminClient
from kafka.protocol.metadata import FindCoordinatorRequest
from kafka.structs import OffsetAndMetadata

AGAIN_S = 10.0
AFTER_FAILURE_S = 1.0
CLOSE_S = 1.0
OCCUPIED = (errors.UnknownMemberIdError, errors.NonEmptyGroupError, errors.IllegalGenerationError)


class Watched:
    """What one kafka-python consumer of `topic` shows to another group."""

    def __init__(self, client: Any, topic: str) -> None:
        self._topic = topic
        self._manager = client._coordinator._manager
        self._cluster = client._coordinator._cluster
        self._place: tuple[str, str] | None = None  # a group and the connection to its coordinator
        self._sending: Any = None
        self._asked: dict[int, int] = {}
        self._shown: dict[int, int] = {}
        self._next_s = 0.0

    def show(self, group: str, offsets: Mapping[int, int]) -> Exception | None:
        """Begin to commit what is not shown yet; never waits. What stands in the way for good is returned, everything else tried again."""
        lasting = self._take_note()
        now = time.monotonic()
        told = {partition: offset for partition, offset in offsets.items() if self._shown.get(partition) != offset}
        if self._sending is None and offsets and (now >= self._next_s or (told and self._shown)):
            self._asked = dict(offsets)
            self._next_s = now + AGAIN_S
            self._sending = self._manager.call_soon(self._commit, group, self._asked)
        return lasting

    def _take_note(self) -> Exception | None:
        """How the last one ended, if it has."""
        if self._sending is None or not self._sending.is_done:
            return None
        failure: Exception | None = self._sending.exception
        self._sending = None
        if failure is None:
            self._shown = self._asked
            return None
        self._shown, self._place = {}, None
        self._next_s = time.monotonic() + AFTER_FAILURE_S
        return failure if isinstance(failure, (errors.AuthorizationError, *OCCUPIED)) else None

    async def _commit(self, group: str, offsets: Mapping[int, int]) -> None:
        """On the I/O thread: as the admin client does it, which would need connections of its own."""
        if self._place is None or self._place[0] != group:
            self._place = group, await self._coordinator(group)
        places = {TopicPartition(self._topic, partition): OffsetAndMetadata(offset, "", None) for partition, offset in offsets.items()}
        request = KafkaAdminClient._alter_group_offsets_request(group, places)
        response = await self._manager.send(request, node_id=self._place[1])
        for error in KafkaAdminClient._alter_group_offsets_process_response(response).values():
            if error is not errors.NoError:
                raise error(group)

    async def _coordinator(self, group: str) -> str:
        response = await self._manager.send(FindCoordinatorRequest(key=group, key_type=0, coordinator_keys=[group]))
        found = response.coordinators[0] if response.coordinators else response
        node: str = self._cluster.add_coordinator(found, "group", group)
        return node

    def close(self) -> None:
        """Give the last word a moment."""
        until = time.monotonic() + CLOSE_S
        while self._sending is not None and not self._sending.is_done and time.monotonic() < until:
            time.sleep(0.005)
