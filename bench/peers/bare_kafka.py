"""A bare poll loop: kafka-python, msgspec and psycopg by hand, row and watermark and change log in one transaction, then the offset."""

from collections.abc import Callable
from typing import Any

import msgspec
from kafka import KafkaConsumer

from bench.domain import Entered
from bench.peers.bare_fold import Arrivals

BATCH = 2_000


class Body(msgspec.Struct, gc=False):
    """What the loop needs of a message: the rest of the CloudEvent is skipped by the decoder."""

    subject: str
    streamversion: int
    data: Entered


_decode = msgspec.json.Decoder(Body).decode


class Loop:
    """One consumer that hands batches to `apply`."""

    def __init__(self, bootstrap: str, topic: str, group: str, apply: Callable[[Arrivals], int]) -> None:
        self._apply = apply
        self._consumer: Any = KafkaConsumer(
            topic,
            bootstrap_servers=bootstrap,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=BATCH,
        )

    def once(self) -> int:
        """Poll, apply, commit; how many events were new."""
        polled = self._consumer.poll(timeout_ms=200, max_records=BATCH)
        if not polled:
            return 0
        arrivals: dict[str, list[tuple[int, Entered]]] = {}
        for records in polled.values():
            for record in records:
                body = _decode(record.value)
                arrivals.setdefault(body.subject, []).append((body.streamversion, body.data))
        done = self._apply(arrivals)
        self._consumer.commit()
        return done

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()
