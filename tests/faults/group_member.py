"""A member of a consumer group as a process of its own, for faults that hit processes: prints what it gets and what its commits said.

    python -m tests.faults.group_member <url> <topic> <partitions> <group>

One line per batch: `<committed: yes or no> <body> <body> …`, and `assigned <partition> …` whenever that changes.
"""

import sys

from providers.kafka.bus import KafkaBus
from runtime.ports import Delivery


def next_offsets(deliveries: list[Delivery]) -> dict[int, int]:
    offsets: dict[int, int] = {}
    for delivery in deliveries:
        offsets[delivery.partition] = max(offsets.get(delivery.partition, 0), delivery.offset + 1)
    return offsets


def main(url: str, topic: str, partitions: int, group: str) -> None:
    bus = KafkaBus(url, topic, partitions)
    consumer = bus.consumer(group)
    assigned: frozenset[int] = frozenset()
    while True:
        deliveries = consumer.poll(20, 0.2)
        if consumer.assigned() != assigned:
            assigned = consumer.assigned()
            say("assigned", *map(str, sorted(assigned)))
        if deliveries:
            bodies = [delivery.body.decode() for delivery in deliveries]
            say("reading", *bodies)
            input()  # the test decides when the batch is over: a pause before a commit is where zombies are made
            say("yes" if consumer.commit(next_offsets(deliveries)) else "no", *bodies)


def say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
