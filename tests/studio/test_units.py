"""The studio's modules that need no browser, by node's own test runner."""

import subprocess
from pathlib import Path

import pytest

from tests.servers import npm

UNITS = Path(__file__).parent / "units"
RUN_S = 120


@pytest.mark.parametrize("module", sorted(each.name for each in UNITS.glob("*.test.mjs")))
def test_a_module_of_the_studio_does_what_its_tests_say(module: str) -> None:
    if npm.node_version() < npm.NODE:
        raise npm.Missing(f"the studio's modules are tested by Node.js: install nodejs {npm.NODE} or newer")
    made = subprocess.run(["node", "--test", str(UNITS / module)], capture_output=True, text=True, timeout=RUN_S, check=False)
    assert made.returncode == 0, npm.tail(made.stdout)
