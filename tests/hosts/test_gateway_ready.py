"""A gateway is ready from the first time that it could read: an outage later is told to callers, not by having nobody there to tell."""

from collections.abc import Iterator
from typing import Any

from hosts.gateway import once_well


def test_not_ready_before_it_could_read_and_ready_for_good_after() -> None:
    answers: Iterator[tuple[bool, dict[str, Any]]] = iter([(False, {"failure": "away"}), (True, {"failure": None}), (False, {})])
    asked = once_well(lambda: next(answers))
    assert asked() == (False, {"failure": "away"})
    assert asked()[0]
    assert asked() == (True, {"failure": None})
    assert next(answers) == (False, {}), "it does not even look"
