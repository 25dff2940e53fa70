"""A page that stays open sees what others do, and outlives the server: it says that it is alone, and goes on by itself."""

import json
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.servers import npm
from tests.studio import bed

HERE = Path(__file__).parent
STORY_S = 240.0


def conversation(name: str, folder: Path, environment: dict[str, str], asked: Callable[[str], None]) -> dict[str, Any]:
    """What a story reports that asks for deeds in between: every line but the last is one."""
    words = npm.program(HERE / name, folder)
    told = os.environ | environment
    with subprocess.Popen(words, env=told, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as story:
        assert story.stdin is not None
        assert story.stdout is not None
        late = threading.Timer(STORY_S, story.kill)
        late.start()
        said = ""
        for said in story.stdout:
            if said.startswith("{"):
                break
            asked(said.strip())
            story.stdin.write("done\n")
            story.stdin.flush()
        _, error = story.communicate()
        late.cancel()
    assert story.returncode == 0, npm.tail(error)
    report: dict[str, Any] = json.loads(said)
    return report


def test_an_open_page_sees_what_others_do_and_outlives_a_killed_server_without_a_reload(browser: str, tmp_path: Path) -> None:
    with bed.running(tmp_path) as running:
        running.send("Restock", sku="tea", quantity=100)

        def do(what: str) -> None:
            if what == "KILL":
                running.kill()
            elif what == "START":
                running.start()
                bed.order(running, name="live-3")
            else:
                raise AssertionError(f"the story says {what!r}")

        told = {"URL": running.url, "BROWSER": browser, "SHOTS": str(tmp_path)}
        report = conversation("live.mjs", tmp_path / "story", told, do)
    assert (report["console"], report["foreign"], report["failed"], report["violations"]) == ([], [], [], [])
    assert report["before"] == 0
    assert "ann" in report["row"]
    assert report["kept"] == 1  # what was seen last stays, and says that it is old
    assert report["rows"] == [1, 1, 1, 1]
    assert report["reloaded"] == ["since the start", "since the start"]
