"""The README and the guide do what they say: their programs run, the commands exist, the links lead somewhere."""

import re
import shlex
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from typer.main import get_command

from cli.main import cli
from hosts.local import open_local
from hosts.settings import load_app, settings
from runtime.steps import run

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
GUIDE = (ROOT / "docs" / "domain.md").read_text()
PAPERS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def blocks(language: str, text: str = README.partition("## Clients")[0]) -> list[str]:
    """The fenced blocks of a language, in order; those of clients have tests of their own (tests/clients)."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The README's program, saved as it says, in the working directory."""
    path = tmp_path / "theatre.py"
    path.write_text(blocks("python")[0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "theatre", raising=False)
    return path


def test_the_program_has_at_most_fifty_lines() -> None:
    (text,) = blocks("python")
    assert len(text.splitlines()) <= 50


def test_the_program_passes_its_own_checks(program: Path) -> None:
    result = subprocess.run([sys.executable, str(program)], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_the_checks_of_the_program_can_fail(program: Path) -> None:
    program.write_text(program.read_text().replace("len(house.guests) < 2", "len(house.guests) < 3"))
    result = subprocess.run([sys.executable, str(program)], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "AssertionError: 'show' decides otherwise" in result.stderr


def test_the_guide_is_a_program_that_passes_its_own_checks(tmp_path: Path) -> None:
    path = tmp_path / "auction.py"
    path.write_text("\n\n".join(blocks("python", GUIDE)))
    result = subprocess.run([sys.executable, str(path)], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert len(blocks("python", GUIDE)) == 7


def test_the_programs_of_readme_and_guide_have_no_type_error(program: Path) -> None:
    guide = program.with_name("auction.py")
    guide.write_text("\n\n".join(blocks("python", GUIDE)))
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), str(program), str(guide)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_the_program_runs_from_its_command_to_its_row(program: Path) -> None:
    app = load_app("theatre:app")
    where = settings("theatre:app", "memory://", "memory://", "memory://")
    (sent,) = [words for words in commands() if words[3] == "send"]
    with ExitStack() as stack:
        local = open_local(where, app, stack)
        local.start()
        local.commands.send(app.commands.decode(sent[-1].encode()))
        answers = [local.commands.send(app.commands.decode(sent[-1].replace("ann", guest).encode())) for guest in ("bob", "eve")]
        read = run(local.reading.get("house", "hamlet", after=answers[-1].token))
        assert local.failure is None
    assert not read.stale
    assert read.row is not None
    assert (read.row["turned_away"], bytes(read.row["guests"])) == (1, b'["ann","bob"]')


def commands() -> list[list[str]]:
    """The command lines of the shell blocks, split into words."""
    return [shlex.split(line.partition(" && ")[2] or line) for block in blocks("shell") for line in block.splitlines()]


@pytest.mark.parametrize("words", commands(), ids=lambda words: words[3])
def test_a_command_of_the_readme_exists_with_its_options(words: list[str]) -> None:
    assert words[:3] == ["uv", "run", "trimaran"]
    command = get_command(cli)
    with command.make_context("trimaran", words[3:], resilient_parsing=False) as context:
        name, found, rest = command.resolve_command(context, context._protected_args + context.args)  # type: ignore[attr-defined]
        assert found is not None
        found.make_context(name, rest, parent=context)


def test_the_two_commands_come_first() -> None:
    assert [block.strip() for block in blocks("shell")[:2]] == [
        "pip install uv && uv run trimaran demo",
        "pip install uv && uv run trimaran test",
    ]


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: str(paper.relative_to(ROOT)))
def test_every_link_leads_somewhere_and_every_file_that_is_named_is_there(paper: Path) -> None:
    text = paper.read_text()
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert target.startswith("https://") or (paper.parent / target).exists(), target
    for name in re.findall(r"`((?:apps|docs|runtime|hosts|tests|bench)/[\w./]+)`", text):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("paper", sorted((ROOT / "docs" / "decisions").glob("*.md")), ids=lambda paper: paper.stem)
def test_a_decision_is_short_numbered_and_says_why_and_what_follows(paper: Path) -> None:
    lines = paper.read_text().splitlines()
    assert lines[0].startswith(f"# {paper.name[:4]} ")
    assert len(lines) <= 25
    assert any(line.startswith("**Why.**") for line in lines)
    assert any(line.startswith(("**Consequence.**", "**Price.**")) for line in lines)


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = [int(paper.name[:4]) for paper in sorted((ROOT / "docs" / "decisions").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))
