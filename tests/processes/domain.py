"""A domain that shows every event which was lost, doubled or folded in the wrong order.

A tally's `chain` depends on the order and the number of its values, the buckets' sums on their number alone, and a bucket is fed
by every tally, so that processes meet on its row. One value kills whoever folds it, until the code is mended.
"""

import os
from collections.abc import Iterator
from typing import final

from msgspec import Struct

from runtime.domain import Aggregation, App, Command, Count, Decider, Event, Max, Measures, Projection, Sum

DEADLY = -666  # folding this value ends the process at once, as a segmentation fault would
BUCKETS = 5
MENDED = "TRIMARAN_TEST_MENDED"
NAME = "TRIMARAN_TEST_NAME"


@final
class AddValues(Command):
    """Add values to a tally, one event each."""

    tally: str
    values: tuple[int, ...]


@final
class Counted(Event):
    """A value was added."""

    tally: str
    bucket: int
    value: int


def decide_tally(command: AddValues, total: int) -> Iterator[Counted]:
    """Every value is taken."""
    for value in command.values:
        yield Counted(command.tally, value % BUCKETS, value)


def evolve_tally(total: int, event: Counted) -> int:
    """Nothing depends on it."""
    return total + event.value


def link(chain: int, value: int) -> int:
    """The next link of a chain, which tells the order of everything before it."""
    return (chain * 1_000_003 + value + 1) % 2_147_483_647


class Tally(Struct, frozen=True):
    """One row a stream."""

    tally: str
    count: int
    total: int
    chain: int


def show_tally(row: Tally | None, event: Counted) -> Tally:
    """One value further."""
    if event.value == DEADLY and MENDED not in os.environ:
        os._exit(66)
    known = row or Tally(event.tally, 0, 0, 0)
    return Tally(event.tally, known.count + 1, known.total + event.value, link(known.chain, event.value))


class Sums(Measures):
    """What is in a bucket."""

    values: Count
    total: Sum[int]
    most: Max[int]


def measure_bucket(event: Counted) -> Sums:
    """What one value adds."""
    return Sums(1, event.value, event.value)


def make_app(name: str) -> App:
    """The app under a name of its own, and so with consumer groups of its own."""
    return App(
        name,
        parts=(
            Decider("tally", 0, decide_tally, evolve_tally),
            Projection("tallies", key="tally", row=Tally, evolve=show_tally),
            Aggregation("buckets", key="bucket", measure=measure_bucket),
        ),
    )


app = make_app(os.environ.get(NAME, "tally"))
