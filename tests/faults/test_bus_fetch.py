"""A fetch that kafka-python lost (its connection ended as it was handed over): the member asks again, and does not wait for ever."""

import time
from contextlib import closing
from typing import Any

from kafka.future import Future

from providers.kafka.bus import KafkaBus
from providers.kafka.mending import Fetching
from runtime.ports import Envelope

PATIENCE_S = 1.0


def test_a_lost_fetch_is_asked_for_again(kafka_url: str, topic: str) -> None:
    with closing(KafkaBus(kafka_url, topic, 1)) as bus:
        bus.ensure(3600)
        bus.publish([Envelope("order-1", b"first")])
        with closing(bus.consumer("group")) as consumer:
            assert [one.body for one in delivered(consumer, 10)] == [b"first"]
            fetcher = consumer._client._fetcher  # type: ignore[attr-defined]
            consumer._fetching = Fetching(consumer._client, PATIENCE_S)  # type: ignore[attr-defined]
            lose(fetcher)
            bus.publish([Envelope("order-1", b"second")])
            assert delivered(consumer, PATIENCE_S / 2) == [], "nobody asks while one is out"
            assert [one.body for one in delivered(consumer, 10)] == [b"second"]


def delivered(consumer: Any, seconds: float) -> list[Any]:
    """What comes first within so many seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := consumer.poll(10, 0.1):
            return list(found)
    return []


def lose(fetcher: Any) -> None:
    """As it was found: a connection without a request in flight, and a future that nobody will end."""
    node = 1
    while any(not future.is_done for future in list(fetcher._fetch_futures)):
        time.sleep(0.05)
    lost = Future()
    lost.add_errback(fetcher._handle_fetch_error, node)
    lost.add_both(fetcher._clear_pending_fetch_request, node)
    fetcher._nodes_with_pending_fetch_requests.add(node)
    fetcher._fetch_futures.append(lost)
