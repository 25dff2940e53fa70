"""What a type checker says of domains: the files of `tests/typing`, fed to mypy once with the project's own settings."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = ("correct.py", "wrong.py")

type Found = set[tuple[str, int, str]]  # file, line, kind of error


@pytest.fixture(scope="module")
def found() -> Found:
    """The errors that mypy finds."""
    paths = [f"tests/typing/{name}" for name in FILES]
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--hide-error-context", *paths]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    errors = re.findall(r"^tests/typing/([\w.]+):(\d+): error: .*\[([\w-]+)\]$", result.stdout, re.MULTILINE)
    assert result.returncode == 1 and errors, result.stdout + result.stderr
    return {(name, int(line), kind) for name, line, kind in errors}


def marked(name: str) -> Found:
    """The errors that the file says it has."""
    lines = (ROOT / "tests" / "typing" / name).read_text().splitlines()
    return {(name, number, kind) for number, line in enumerate(lines, 1) if "# E: " in line for kind in line.partition("# E: ")[2].split()}


def errors_of(function: str, found: Found) -> set[str]:
    """The kinds of error inside a function of `wrong.py`."""
    lines = (ROOT / "tests" / "typing" / "wrong.py").read_text().splitlines()
    first = next(number for number, line in enumerate(lines, 1) if line.startswith(f"def {function}("))
    last = next((number for number, line in enumerate(lines, 1) if number > first and line and line[0] not in " )#"), len(lines))
    return {kind for name, line, kind in found if name == "wrong.py" and first <= line < last}


def test_a_domain_written_as_documented_has_no_type_error(found: Found) -> None:
    assert not {error for error in found if error[0] == "correct.py"}


def test_every_mistake_is_the_type_error_that_it_should_be_and_nothing_else_is(found: Found) -> None:
    assert {error for error in found if error[0] == "wrong.py"} == marked("wrong.py")


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        ("foreign_case", "unreachable"),
        ("foreign_case_alone", "unreachable"),
        ("missing_case", "exhaustive-match"),
        ("mutable", "misc"),
        ("mutable_command", "misc"),
    ],
)
def test_a_foreign_case_a_missing_case_and_a_mutable_message_are_type_errors(function: str, kind: str, found: Found) -> None:
    assert kind in errors_of(function, found)
