"""One Chromium for all stories of a test process, and what they are told."""

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.servers import chromium, npm

HERE = Path(__file__).parent
STORY_S = 240.0

type Story = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where programs find a Chromium that runs already; it ends when its input does."""
    words = npm.program(HERE / "browser.mjs", tmp_path_factory.mktemp("chromium"))
    process = subprocess.Popen(words, env=os.environ | chromium.started(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["endpoint"]
    finally:
        process.stdin.close()
        process.wait(60)
        process.stdout.close()


def _proper(report: dict[str, Any]) -> dict[str, Any]:
    """Whatever has no business in any story is checked here."""
    assert (report.pop("console"), report.pop("foreign"), report.pop("failed"), report.pop("violations")) == ([], [], [], [])
    return report


@pytest.fixture
def story(browser: str, tmp_path: Path) -> Story:
    """`story("travel.mjs", URL=bed.url)`: what happened in it."""

    def told(name: str, **environment: str) -> dict[str, Any]:
        given = {"BROWSER": browser, "SHOTS": str(tmp_path)} | environment
        return _proper(npm.report(HERE / name, tmp_path / "story", given, STORY_S))

    return told


@pytest.fixture
def talk(browser: str, tmp_path: Path) -> Story:
    """`talk("live.mjs", {"KILL": bed.kill}, URL=bed.url)`: the same, for a story that asks for deeds in between: a line names each."""

    def told(name: str, deeds: Mapping[str, Callable[[], object]], **environment: str) -> dict[str, Any]:
        words = npm.program(HERE / name, tmp_path / "story")
        given = os.environ | {"BROWSER": browser, "SHOTS": str(tmp_path)} | environment
        pipe = subprocess.PIPE
        with subprocess.Popen(words, env=given, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            late = threading.Timer(STORY_S, process.kill)
            late.start()
            said = ""
            for said in process.stdout:
                if said.startswith("{"):
                    break
                deeds[said.strip()]()
                process.stdin.write("done\n")
                process.stdin.flush()
            _, error = process.communicate()
            late.cancel()
        assert process.returncode == 0, npm.tail(error)
        return _proper(json.loads(said))

    return told
