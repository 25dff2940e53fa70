"""The clients that the README shows are programs, and they run as they stand there."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import dev
from tests.servers import npm

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
HOST = "localhost:8000"
LANGUAGES = ["js", "js", "python"]  # graphql-ws, Apollo, gql


def snippets() -> list[tuple[str, str]]:
    """Language and text of the programs in the section `Clients`."""
    (section,) = re.findall(r"^## Clients\n(.*?)(?=^## |\Z)", README.read_text(), re.MULTILINE | re.DOTALL)
    return re.findall(r"^```(js|python)\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dev.Dev]:
    """`trimaran dev --app shop`, and ann's token."""
    with dev.running(tmp_path_factory.mktemp("dev"), "ann") as running:
        yield running


@pytest.mark.parametrize("number", range(len(LANGUAGES)), ids=["graphql-ws", "apollo", "gql"])
def test_a_client_of_the_readme_places_an_order_and_sees_what_becomes_of_it(number: int, shop: dev.Dev, tmp_path: Path) -> None:
    language, text = snippets()[number]
    assert language == LANGUAGES[number]
    assert HOST in text
    program = tmp_path / f"snippet.{'mjs' if language == 'js' else 'py'}"
    program.write_text(text.replace(HOST, shop.url.removeprefix("http://").partition("/")[0]))
    words = npm.program(program, tmp_path / "node") if language == "js" else [sys.executable, "-W", "error", str(program)]
    made = subprocess.run(
        words, env=os.environ | {"TOKEN": shop.token}, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
    )
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.splitlines()[-1] == "out of stock"


def test_the_readme_shows_three_clients() -> None:
    assert [language for language, _ in snippets()] == LANGUAGES


def test_the_guide_shows_the_wrapper_that_the_clients_are_tested_with() -> None:
    told = re.findall(r"^```js\n(.*?)^```", (ROOT / "docs" / "clients.md").read_text(), re.MULTILINE | re.DOTALL)
    head, program = (ROOT / "tests" / "clients" / "resuming.mjs").read_text().split("\n", 1)
    assert head.startswith("//")
    assert told[0] == program
