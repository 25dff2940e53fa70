"""What the Dockerfile says, read closely enough to lay out the file tree that its image would have.

No image can be built where the tests run; so they run what it would copy, from a folder of its own.
"""

import json
import re
import shutil
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).parents[2]


class Step(Struct, frozen=True):
    """One instruction: its stage (0, 1 …), its word in capitals and the rest of its line."""

    stage: int
    word: str
    text: str


def steps(text: str) -> list[Step]:
    """The instructions, comments left out, continued lines joined. `ARG` before the first `FROM` is of stage -1."""
    joined = re.sub(r"\\\n\s*", "", "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#")))
    found: list[Step] = []
    stage = -1
    for line in filter(None, map(str.strip, joined.splitlines())):
        word, _, rest = line.partition(" ")
        stage += word.upper() == "FROM"
        found.append(Step(stage, word.upper(), rest.strip()))
    return found


def read() -> list[Step]:
    """Those of the project's Dockerfile."""
    return steps((ROOT / "Dockerfile").read_text())


def copied(found: list[Step]) -> list[str]:
    """The files and folders of the tree that the first stage copies, as they are named."""
    copies = [step.text.split() for step in found if step.stage == 0 and step.word == "COPY"]
    return [source for words in copies for source in words[:-1]]


def command(found: list[Step]) -> list[str]:
    """What a container runs that is told nothing else."""
    told: list[str] = json.loads(next(step.text for step in reversed(found) if step.word == "CMD"))
    return told


def lay(folder: Path, root: Path = ROOT) -> Path:
    """Lay out in `folder` what the image has in /app, but for the environment of packages; the folder again."""
    for name in copied(read()):
        source, target = root / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"), dirs_exist_ok=True)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return folder
