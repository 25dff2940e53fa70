"""One Chromium for all stories of a test process, and what they are told."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
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


@pytest.fixture
def story(browser: str, tmp_path: Path) -> Story:
    """`story("live.mjs", URL=bed.url)`: what happened in it. Whatever has no business in any story is checked here."""

    def told(name: str, **environment: str) -> dict[str, Any]:
        report = npm.report(HERE / name, tmp_path / "story", {"BROWSER": browser, "SHOTS": str(tmp_path)} | environment, STORY_S)
        assert (report.pop("console"), report.pop("foreign"), report.pop("failed"), report.pop("violations")) == ([], [], [], [])
        return report

    return told
