"""What a change of the stacks would deploy, to be looked at: the recorded graph of each app is the committed one.

After a change that is meant: `UPDATE_GOLDEN=1 uv run pytest tests/stacks/test_golden.py`, look at the difference, commit what it wrote.
"""

import difflib
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from stacks.recording import SECRET
from tests.stacks.deployed import APPS, PASSWORDS, recorded

GOLDEN = Path(__file__).parents[1] / "golden" / "k8s.graph.json"
COMMAND = "UPDATE_GOLDEN=1 uv run pytest tests/stacks/test_golden.py"
PREFIX = "urn:pulumi:k8s::trimaran::"
DIGEST = re.compile(r"^(prepare|rebuild|finish)(-[a-z0-9-]+)?-[0-9a-f]{8}$")  # of what a Job does: it follows from the schemas' hashes,
LINES = 80  # which hash bytecode, and another Python makes that otherwise


def graphs() -> str:
    """Both apps' graphs as text, in one order, without what differs from one Python to the next."""
    return json.dumps({app: told(recorded(app).data()) for app in APPS}, indent=1, ensure_ascii=False) + "\n"


def told(value: Any) -> Any:
    """URNs without the stack's and the project's name, Jobs without their digest."""
    match value:
        case dict():
            return {key: told(each) for key, each in value.items()}
        case list():
            return [told(each) for each in value]
        case str():
            return DIGEST.sub(r"\1\2-…", value.removeprefix(PREFIX))
        case _:
            return value


def difference(old: str, new: str) -> str:
    """What changed, as far as it can be read at once."""
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), "committed", "now", lineterm="", n=4))
    more = f"\n… and {len(lines) - LINES} lines more" if len(lines) > LINES else ""
    return "\n".join(lines[:LINES]) + more


def test_the_graph_is_what_is_committed() -> None:
    new = graphs()
    if os.environ.get("UPDATE_GOLDEN") == "1":
        GOLDEN.write_text(new)
    assert GOLDEN.exists(), f"{GOLDEN.name} is not there yet: run {COMMAND} and commit it"
    old = GOLDEN.read_text()
    if old != new:
        pytest.fail(
            f"another graph would be deployed; if that is meant, run {COMMAND} and commit it\n{difference(old, new)}", pytrace=False
        )


def test_no_secret_is_in_it() -> None:
    text = graphs()
    assert SECRET in text
    assert not [password for password in PASSWORDS.values() if password in text]


def test_a_difference_shows_the_lines_and_says_how_many_more_there_are() -> None:
    old, new = "\n".join(map(str, range(200))), "\n".join(str(number * 2) for number in range(200))
    assert "-199" not in difference(old, new) and "lines more" in difference(old, new)
    shown = difference(' "replicas": 2,\n', ' "replicas": 3,\n')
    assert '- "replicas": 2,' in shown and '+ "replicas": 3,' in shown
