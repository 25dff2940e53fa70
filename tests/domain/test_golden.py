"""The committed descriptions of the apps: message schemas that old bytes still fit, and manifests that show what a change deploys.

After a compatible change: `UPDATE_GOLDEN=1 uv run pytest tests/domain/test_golden.py`, and commit what it wrote. An incompatible
change of messages is not written: the failure says what to do instead.
"""

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest

from apps import flights, shop
from runtime.domain import App
from runtime.domain.manifest import manifest
from runtime.domain.schemas import incompatible, schemas

GOLDEN = Path(__file__).parents[1] / "golden"
APPS = {"shop": shop.app, "flights": flights.app}
COMMAND = "UPDATE_GOLDEN=1 uv run pytest tests/domain/test_golden.py"


def compare(path: Path, new: Any) -> None:
    """The file says the same; with UPDATE_GOLDEN=1 it is made to."""
    text = json.dumps(new, indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_text(text)
    assert path.exists(), f"{path.name} is not there yet: run {COMMAND} and commit it"
    assert path.read_text() == text, f"{path.name} is out of date; look at the difference, run {COMMAND} and commit it"


@pytest.mark.parametrize("name", APPS)
def test_messages_stored_by_the_committed_schemas_can_be_read(name: str) -> None:
    path = GOLDEN / f"{name}.messages.json"
    new = schemas(APPS[name])
    if path.exists():
        problems = incompatible(json.loads(path.read_text()), new)
        assert not problems, "stored messages can no longer be read:\n" + "\n".join(f"- {problem}" for problem in problems)
    compare(path, new)


def without_hashes(app: App) -> dict[str, Any]:
    """The manifest, its schema hashes left out: they hash bytecode, which another Python makes otherwise."""
    described = copy.deepcopy(manifest(app))
    for group in described["groups"]:
        assert len(group["schema"]) == 16
        group["schema"] = "…"
    return described


@pytest.mark.parametrize("name", APPS)
def test_a_manifest_is_what_is_committed(name: str) -> None:
    compare(GOLDEN / f"{name}.manifest.json", without_hashes(APPS[name]))


@pytest.mark.parametrize("name", APPS)
def test_a_manifest_is_plain_json(name: str) -> None:
    described = manifest(APPS[name])
    assert json.loads(json.dumps(described)) == described


def test_a_manifest_names_what_a_stack_needs() -> None:
    described = manifest(shop.app)
    assert described["topic"] == "trimaran.shop"
    assert described["limits"]["events_per_append"] == 90
    assert [group["name"] for group in described["groups"]] == ["rows", "selling"]
    assert described["sagas"][0]["timers"] is True
