"""Which files take long, so that they begin first: a run is over when its longest file is, and one that begins last is waited for.

Seconds of the default and the full run together on two cores, roughly; only their order matters. `pytest --durations=0` tells them anew, and a file that is
not named here counts as short.
"""

from collections.abc import Sequence

import pytest

SECONDS = {
    "tests/faults/test_process_projector.py": 85,
    "tests/faults/test_process_relay.py": 80,
    "tests/faults/test_process_rebuild.py": 60,
    "tests/live/protocol/test_operations.py": 55,
    "tests/faults/test_process_flights.py": 50,
    "tests/cli/test_commands.py": 45,
    "tests/hosts/test_flights_fleet.py": 45,
    "tests/live/protocol/test_connection.py": 40,
    "tests/cli/test_board.py": 40,
    "tests/studio/": 40,
    "tests/clients/": 40,
    "tests/faults/test_bus_broker.py": 40,
    "tests/hosts/test_feed.py": 35,
    "tests/hosts/test_gateway_process.py": 35,
    "tests/live/protocol/test_messages.py": 35,
    "tests/simulation/test_simulation.py": 30,
    "tests/faults/test_process_saga.py": 30,
    "tests/faults/test_store_crashes.py": 30,
    "tests/faults/test_gateway_security.py": 30,
    "tests/cli/test_doctor.py": 25,
    "tests/cli/test_errors.py": 25,
    "tests/conformance/test_sockets.py": 25,
    "tests/faults/test_saga_outcomes.py": 25,
    "tests/faults/test_store_commands.py": 25,
    "tests/hosts/test_processes.py": 25,
    "tests/live/test_resume_simulation.py": 20,
    "tests/gateways/": 20,
    "tests/faults/": 20,
    "tests/hosts/test_timetable.py": 20,
    "tests/hosts/test_prepare.py": 20,
    "tests/hosts/test_probes_processes.py": 20,
    "tests/hosts/test_termination.py": 20,
    "tests/hosts/test_upgrade.py": 20,
    "tests/live/test_stateless.py": 15,
    "tests/live/test_index.py": 10,
    "tests/stateful/": 10,
    "tests/stacks/": 10,
    "tests/property/": 8,
    "tests/costs/": 8,
    "tests/conformance/": 8,
}


def longest_first(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The tests in the order of their files' seconds; those of one file stay together, as they are."""
    return sorted(items, key=lambda item: -_seconds(item.nodeid.partition("::")[0]))


def _seconds(file: str) -> int:
    """Of a file, or of the nearest folder that is named."""
    return next((took for known, took in SECONDS.items() if file == known or (known.endswith("/") and file.startswith(known))), 0)
