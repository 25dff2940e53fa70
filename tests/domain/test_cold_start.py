"""What a command function loads: nothing that msgspec and sqlite3 have not loaded already, beside our own few modules."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

OURS = """
import sqlite3, msgspec, decimal, sys
before = set(sys.modules)
from {module} import app
{command}
data = app.encode(command)
assert app.commands.decode(data) == command
plan = app.plan_of(type(command))
events = list(plan.decider.decide(command, plan.decider.initial))
plan.fold(plan.decider.initial, [app.encode(event) for event in events])
plan.stream(command)
print(*sorted(set(sys.modules) - before))
"""

SHOP = """
from datetime import UTC, datetime
from apps.shop import PlaceOrder
command = PlaceOrder("o1", "ann", "cup", 1, 500, datetime(2026, 3, 1, tzinfo=UTC))
"""
LIBRARY = """
from tests.domain.library import NOON, Lend
command = Lend("emma", "ann", NOON)
"""


def loaded(program: str) -> set[str]:
    """The modules that a fresh process prints."""
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


@pytest.mark.parametrize(("module", "command"), [("apps.shop", SHOP), ("tests.domain.library", LIBRARY)], ids=["shop", "library"])
def test_importing_an_app_and_deciding_a_command_loads_only_our_own_modules(module: str, command: str) -> None:
    more = loaded(OURS.format(module=module, command=command))
    assert module in more and "runtime.domain.app" in more
    assert {name for name in more if name.partition(".")[0] not in ("runtime", "apps", "tests")} == set()


@pytest.mark.parametrize("module", ["folds", "stamp", "check", "manifest", "schemas", "interleavings"])
def test_what_only_projectors_tests_and_stacks_need_is_not_loaded(module: str) -> None:
    assert f"runtime.domain.{module}" not in loaded(OURS.format(module="apps.shop", command=SHOP))


def test_nothing_slow_is_loaded_whoever_loads_it() -> None:
    """Not by msgspec either; `inspect` is msgspec's own, by way of typing_extensions where that is installed."""
    program = OURS.format(module="apps.shop", command=SHOP) + "\nprint(*sys.modules)"
    slow = {
        "dataclasses",
        "asyncio",
        "logging",
        "zoneinfo",
        "hashlib",
        "ssl",
        "pydantic",
        "opentelemetry",
        "psycopg",
        "kafka",
        "concurrent",
    }
    assert loaded(program) & slow == set()
