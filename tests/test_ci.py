"""What continuous integration runs is what the README tells people to run, and a missing part is a failure that names it."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli import test as command
from tests.rounds import amount, rounds
from tests.seconds import SECONDS, longest_first

ROOT = Path(__file__).parent.parent


def test_continuous_integration_calls_the_command_of_the_readme_and_then_the_rest() -> None:
    script = (ROOT / ".ci" / "run").read_text().splitlines()
    told = next(line for line in (ROOT / "README.md").read_text().splitlines() if "uv run trimaran test" in line)
    assert told.strip().strip("`").split("  #")[0].strip() in script
    assert script[-2:] == ["uv run trimaran test --full", "uv run trimaran test --cluster"]


def test_the_script_is_executable_and_well_formed() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", script], check=True)


def test_whoever_misses_java_maven_node_or_chromium_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    missing = "\n".join(command.prerequisites())
    assert "install openjdk-17-jre-headless" in missing
    assert "install maven" in missing
    assert "install nodejs" in missing
    assert "install chromium" in missing


def test_an_old_java_is_not_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = tmp_path / "java"
    old.write_text("#!/bin/sh\necho 'openjdk version \"11.0.22\" 2024-01-16' >&2\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert command.java_version() == 11
    assert any("Java 17" in line for line in command.prerequisites())


def test_nothing_is_missing_where_these_tests_run() -> None:
    assert command.prerequisites() == []


def test_a_failing_step_fails_the_run_and_is_named(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TRIMARAN_TEST_POSTGRES", "postgresql://unused")
    monkeypatch.setenv("TRIMARAN_TEST_KAFKA", "kafka://unused")
    broken = [("fine", [sys.executable, "-c", "pass"]), ("broken", [sys.executable, "-c", "raise SystemExit(3)"])]
    monkeypatch.setattr(command, "steps", lambda full, extra, cluster: broken)
    assert command.run() == 1
    told = capfd.readouterr().out
    assert "failed: broken" in told
    assert "fine  FAILED" not in told


def test_what_runs_beside_fails_the_run_too_and_says_why(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TRIMARAN_TEST_POSTGRES", "postgresql://unused")
    monkeypatch.setenv("TRIMARAN_TEST_KAFKA", "kafka://unused")
    typed = ("mypy", [sys.executable, "-c", "print('a wrong type'); raise SystemExit(1)"])
    monkeypatch.setattr(command, "steps", lambda full, extra, cluster: [typed, ("fine", [sys.executable, "-c", "print('tested')"])])
    assert command.run() == 1
    told = capfd.readouterr().out
    assert told.index("tested") < told.index("a wrong type") < told.index("failed: mypy")


def test_the_default_run_lints_types_and_tests_and_the_full_run_does_what_it_leaves_out() -> None:
    assert [name for name, _ in command.steps(False, ())] == ["ruff format", "ruff check", "mypy", "import directions", "pytest"]
    ((_, words),) = command.steps(True, ())
    assert words[:2] == ["env", "TRIMARAN_FULL=1"]
    assert words[-2:] == ["-m", "(rounds or long) and not cluster"]
    (_, engine), (_, words) = command.steps(False, (), cluster=True)
    assert engine[-1] == "tests/engine"
    assert words[-3:] == ["-m", "cluster", "tests/cluster"]
    assert all(shutil.which(words[0]) for _, words in command.steps(False, ()))


def test_the_longest_files_begin_first_and_every_one_that_is_named_is_there(request: pytest.FixtureRequest) -> None:
    assert [name for name in SECONDS if not (ROOT / name).exists()] == []
    items = request.session.items
    assert sorted(item.nodeid for item in longest_first(items)) == sorted(item.nodeid for item in items)
    named = [next((name for name in SECONDS if item.nodeid.startswith(name)), "") for item in longest_first(items)]
    assert [SECONDS.get(name, 0) for name in named] == sorted((SECONDS.get(name, 0) for name in named), reverse=True)


def test_a_fifth_of_the_rounds_and_the_rest_make_all(monkeypatch: pytest.MonkeyPatch) -> None:
    for total, first in ((1, None), (2, None), (5, None), (50, None), (101, None), (100, 8)):
        monkeypatch.delenv("TRIMARAN_FULL", raising=False)
        some = rounds(total, first)
        monkeypatch.setenv("TRIMARAN_FULL", "1")
        assert some == (first or max(1, total // 5))
        assert some + rounds(total, first) == max(total, 2)


def test_what_only_the_full_run_has_makes_all_of_its_rounds_there() -> None:
    marked = [
        node
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and "pytest.mark.long" in map(ast.unparse, node.decorator_list)
    ]
    assert len(marked) > 20
    called = {node.name for node in marked for each in ast.walk(node) if isinstance(each, ast.Call) and ast.unparse(each.func) == "rounds"}
    assert called == set(), "it would never make the first of them: `amount` is for these"


def test_what_lasts_or_weighs_is_a_fifth_by_default_and_the_whole_in_the_full_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRIMARAN_FULL", raising=False)
    assert [amount(total) for total in (1, 60, 20_000)] == [1, 12, 4_000]
    monkeypatch.setenv("TRIMARAN_FULL", "1")
    assert [amount(total) for total in (1, 60, 20_000)] == [1, 60, 20_000]
