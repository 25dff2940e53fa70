"""The pictures: docs show those that are there, and whoever cannot take them is told why."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from cli import screenshots
from cli.main import cli
from runtime.errors import Misconfigured
from tests.servers import chromium

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
BYTES_MAX = 200_000


def shown(paper: Path) -> set[str]:
    """The pictures that a paper shows."""
    return {Path(found).stem for found in re.findall(r"!\[[^\]]+\]\(([^)]*pictures/[^)]+\.png)\)", paper.read_text())}


def test_every_picture_is_shown_is_there_and_is_small() -> None:
    assert shown(ROOT / "docs" / "studio.md") == set(screenshots.PICTURES)
    assert shown(ROOT / "README.md") <= set(screenshots.PICTURES)
    assert {path.stem for path in PICTURES.glob("*.png")} == set(screenshots.PICTURES)
    assert {path.name: path.stat().st_size for path in PICTURES.glob("*.png") if path.stat().st_size > BYTES_MAX} == {}


def test_the_command_is_there_and_says_that_chromium_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "screenshots" in get_command(cli).commands  # type: ignore[attr-defined]
    monkeypatch.setattr(chromium, "NAMES", ("no-such-browser",))
    with pytest.raises(Misconfigured, match="install chromium"):
        screenshots.run(tmp_path / "pictures")
    assert not (tmp_path / "pictures").exists()


def test_without_the_tests_it_says_that_it_needs_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Misconfigured, match="checkout"):
        screenshots.run(tmp_path)
