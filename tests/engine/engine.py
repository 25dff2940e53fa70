"""Pulumi's own engine as a command, with our language host and provider plugin, on a state folder of its own.

`Engine` is one home (plugins, state, passphrase); `Stack` is one stack of one project folder in it. A run's outcome is a `Run`: its exit
status, what it wrote, and how many resources it made, changed, left alone.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from tests.servers.golang import engine

ROOT = Path(__file__).parents[2]
PASSPHRASE = "correct horse battery staple"
RUN_S = 900
PASSED_ON = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "PYTHONPYCACHEPREFIX")
SUMMARY = re.compile(
    r"(update|preview|refresh|destroy) failed|\d+ errors? occurred|resource registration failed|an unhandled error occurred"
)
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Run:
    """How one command of the engine ended."""

    status: int
    text: str
    counts: Mapping[str, int]

    @property
    def ok(self) -> bool:
        """Whether it did what it was asked to."""
        return self.status == 0

    @property
    def errors(self) -> list[str]:
        """The lines that say what went wrong, without the engine's own summary of them. Which resource it is stands above each, in `text`."""
        found = re.findall(r"^\s*(?:error: |\* )(.+)$", self.text, re.M)
        return sorted({line for line in found if not SUMMARY.match(line)})


class Engine:
    """A Pulumi home below `folder`, whose plugins run this checkout's code with this Python."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.home, self.state = folder / "home", folder / "state"
        self.state.mkdir(parents=True)
        tools = self.home / "bin"
        tools.mkdir(parents=True)
        _place(engine() / "bin" / "pulumi", tools / "pulumi")
        _command(tools / "pulumi-language-python", "tests.engine.language_host")
        plugin = self.home / "plugins" / f"resource-kubernetes-v{metadata.version('pulumi_kubernetes')}"
        plugin.mkdir(parents=True)
        _command(plugin / "pulumi-resource-kubernetes", "tests.engine.provider")
        passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        self.environment = passed_on | {
            "PATH": f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PULUMI_HOME": str(self.home),
            "PULUMI_BACKEND_URL": f"file://{self.state}",
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            **(environment or {}),
        }

    def words(self, *words: str) -> list[str]:
        """The command line of one command."""
        return [str(self.home / "bin" / "pulumi"), *words, "--non-interactive"]


def _place(program: Path, to: Path) -> None:
    """The program itself and no symbolic link, for it looks for its language hosts beside itself."""
    try:
        os.link(program, to)
    except OSError:  # another file system
        shutil.copy(program, to)


def _command(path: Path, module: str) -> None:
    """A command that becomes this Python: a plugin ends when its parent, the engine, is gone."""
    path.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}${{PYTHONPATH:+:$PYTHONPATH}}" exec "{sys.executable}" -m {module} "$@"\n')
    path.chmod(0o755)


class Stack:
    """One stack of the project in `project`. Its configuration is in a file of its own, so that a project's files stay as they are."""

    def __init__(self, engine: Engine, project: Path, name: str, environment: Mapping[str, str] | None = None) -> None:
        self.engine, self.project, self.name = engine, project, name
        self.environment = {**engine.environment, **(environment or {})}
        self._config = engine.state.parent / f"Pulumi.{project.name}.{name}.yaml"
        made = self._run("stack", "init", name, "--secrets-provider", "passphrase", config=False)
        if not made.ok:
            raise AssertionError(f"no stack {name}: {made.text}")
        self._adopt()

    def _adopt(self) -> None:
        """`stack init` writes the salt of the passphrase beside the project; it moves to this stack's own file."""
        beside = self.project / f"Pulumi.{self.name}.yaml"
        if self._salted(beside):
            lines = beside.read_text().splitlines(keepends=True)
            self._config.write_text("".join(line for line in lines if line.startswith("encryptionsalt")))
            rest = [line for line in lines if not line.startswith("encryptionsalt")]
            beside.write_text("".join(rest)) if rest else beside.unlink()

    @staticmethod
    def _salted(path: Path) -> bool:
        return path.exists() and "encryptionsalt" in path.read_text()

    def set(self, key: str, value: str, *, secret: bool = False, path: bool = False) -> None:
        """Set one configuration value; a secret travels on standard input and is encrypted in the file."""
        words = ["config", "set", key, *(["--path"] if path else []), "--secret" if secret else "--plaintext"]
        told = self._run(*words, said=value)
        if not told.ok:
            raise AssertionError(f"config set {key}: {told.text}")

    def set_all(self, values: Mapping[str, str]) -> None:
        """Set many values that are no secrets with one command."""
        words = [word for key, value in values.items() for word in ("--plaintext", f"{key}={value}")]
        told = self._run("config", "set-all", *words)
        if not told.ok:
            raise AssertionError(f"config set-all: {told.text}")

    def preview(self, *words: str, **environment: str) -> Run:
        """What an update would do, as judged by Kubernetes."""
        return self._changing("preview", *words, **environment)

    def up(self, *words: str, **environment: str) -> Run:
        """Make it so."""
        return self._changing("up", "--yes", "--skip-preview", *words, **environment)

    def refresh(self, *words: str, **environment: str) -> Run:
        """Take over what is there."""
        return self._changing("refresh", "--yes", "--skip-preview", *words, **environment)

    def destroy(self, *words: str, **environment: str) -> Run:
        """Take everything away, after a preview: without one the engine takes what is not protected, and only then says what is."""
        return self._changing("destroy", "--yes", *words, **environment)

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs; a secret one is `[secret]`."""
        told: dict[str, Any] = json.loads(self._run("stack", "output", "--json").text)
        return told

    def start(self, *words: str, log: Path) -> subprocess.Popen[bytes]:
        """One command in the background, in a process group of its own."""
        with log.open("wb") as out:
            command = self.engine.words(*words, "--stack", self.name, "--config-file", str(self._config))
            return subprocess.Popen(
                command, cwd=self.project, env=self.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )

    def cancel(self) -> None:
        """Take away the lock of a run that was killed."""
        self._run("cancel", "--yes", self.name, config=False, stack=False)

    def resources(self) -> list[dict[str, Any]]:
        """The state as it is kept: ciphers are ciphers."""
        told = json.loads(self._run("stack", "export").text)
        found: list[dict[str, Any]] = told["deployment"].get("resources", [])
        return found

    def state_text(self) -> str:
        """All that is kept of this stack, as it stands on disk."""
        return "".join(path.read_text() for path in self.engine.state.rglob(f"{self.name}*.json*"))

    def config_text(self) -> str:
        """The stack's configuration file."""
        return self._config.read_text()

    def _changing(self, *words: str, **environment: str) -> Run:
        return self._run(*words, "--suppress-outputs", environment=environment)

    def _run(
        self, *words: str, said: str = "", environment: Mapping[str, str] | None = None, config: bool = True, stack: bool = True
    ) -> Run:
        more = ["--stack", self.name] if stack and words[:2] != ("stack", "init") else []
        more += ["--config-file", str(self._config)] if config and words[0] != "stack" else []
        made = subprocess.run(
            self.engine.words(*words, *more),
            cwd=self.project,
            env={**self.environment, **(environment or {})},
            input=said,
            capture_output=True,
            text=True,
            check=False,
            timeout=RUN_S,
        )
        text = COLOURS.sub("", made.stdout + made.stderr)
        return Run(made.returncode, text, counts_of(text))


def counts_of(text: str) -> dict[str, int]:
    """Of the summary: created, updated, deleted, replaced, unchanged, errored. A preview says `3 to create`, a mixed run `2 changes. 3 unchanged`."""
    summary = text.rpartition("Resources:\n")[2].partition("\n\n")[0]
    found = re.findall(r"(\d+) (?:to )?([a-z]+)", summary) if "Resources:\n" in text else []
    return {f"{word}d" if word.endswith("e") else word: int(number) for number, word in found if word not in ("change", "changes")}
