"""Which files take long, so that they begin first: a run is over when its longest file is, and one that begins last is waited for.

Seconds of a default run on two cores, roughly; only their order matters. `pytest --durations=0` tells them anew, and a file that is
not named here counts as short.
"""

from collections.abc import Sequence

import pytest

SECONDS = {
    "tests/faults/test_process_rebuild.py": 160,
    "tests/cli/test_commands.py": 150,
    "tests/faults/test_process_projector.py": 140,
    "tests/hosts/test_flights_fleet.py": 130,
    "tests/faults/test_process_flights.py": 120,
    "tests/live/protocol/test_operations.py": 110,
    "tests/faults/test_process_saga.py": 100,
    "tests/faults/test_process_relay.py": 95,
    "tests/cli/test_doctor.py": 90,
    "tests/cli/test_errors.py": 80,
    "tests/stateful/test_read_store.py": 75,
    "tests/live/protocol/test_connection.py": 70,
    "tests/hosts/test_gateway_process.py": 60,
    "tests/hosts/test_feed.py": 60,
    "tests/hosts/test_processes.py": 50,
    "tests/cli/test_board.py": 50,
    "tests/live/protocol/test_messages.py": 45,
    "tests/faults/test_bus_broker.py": 45,
    "tests/clients/": 40,
    "tests/studio/": 40,
    "tests/faults/test_store_crashes.py": 40,
    "tests/gateways/test_resume.py": 35,
    "tests/faults/test_store_commands.py": 30,
    "tests/simulation/test_simulation.py": 30,
    "tests/faults/test_saga_outcomes.py": 30,
    "tests/faults/test_gateway_security.py": 30,
    "tests/hosts/test_timetable.py": 25,
    "tests/property/test_live_filters.py": 25,
    "tests/stateful/": 25,
    "tests/conformance/test_sockets.py": 25,
    "tests/faults/": 20,
}


def longest_first(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The tests in the order of their files' seconds; those of one file stay together, as they are."""
    return sorted(items, key=lambda item: -_seconds(item.nodeid.partition("::")[0]))


def _seconds(file: str) -> int:
    """Of a file, or of the nearest folder that is named."""
    return next((took for known, took in SECONDS.items() if file == known or (known.endswith("/") and file.startswith(known))), 0)
