"""What the bus was told: every stream's versions in the order in which they first came, read from the whole log."""

from runtime.flow.cloudevents import from_bus
from runtime.ports import Bus

GROUP = "reader-of-everything"


def first_arrivals(bus: Bus) -> tuple[dict[str, list[int]], int]:
    """Per stream the versions without their repeats, in log order; and how many repeats there were."""
    arrivals: dict[str, dict[int, None]] = {}
    messages = 0
    consumer = bus.consumer(GROUP)
    try:
        while True:
            deliveries = consumer.poll(5_000, 0.3)
            for delivery in deliveries:
                event = from_bus(delivery.body)
                arrivals.setdefault(event.stream, {}).setdefault(event.version)
            messages += len(deliveries)
            if deliveries:
                consumer.commit({one.partition: one.offset + 1 for one in deliveries})
            elif consumer.assigned() and not any(bus.lag(GROUP).values()):
                break
    finally:
        consumer.close()
    return {stream: list(versions) for stream, versions in arrivals.items()}, messages - sum(map(len, arrivals.values()))
