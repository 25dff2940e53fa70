"""Images without a registry: a reference stands for file trees, an environment and a user, as a Dockerfile's result would.

The table lies in `images.json` of the cluster's folder, written by the test and read anew at every start of a container, so
a version can appear while the cluster runs. Who asks for an image that is not in it gets ImagePullBackOff.
"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.servers import cache

ROOT = Path(__file__).parents[3]
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Image:
    """What a container of this image sees: `mounts` (directory inside -> directory here, read-only), what is `hidden` of this
    machine's files, its own environment, the user it runs as unless the pod says otherwise, and where it starts.
    """

    mounts: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    user: int = 0
    directory: str = "/"
    hidden: tuple[str, ...] = ("/tmp",)

    @property
    def tree(self) -> Path | None:
        """What is /app inside."""
        return Path(self.mounts["/app"]) if "/app" in self.mounts else None


def python_image(tree: Path | None = None, *, user: int = 0) -> Image:
    """This virtual environment's `python` on PATH, with `tree` as /app; the checkout itself cannot be seen."""
    prefixes = {each: each for each in dict.fromkeys((sys.base_prefix, sys.prefix))}
    bytecode = os.environ.get("PYTHONPYCACHEPREFIX") or str(cache.folder() / "bytecode")
    Path(bytecode).mkdir(exist_ok=True)
    environment = {"PATH": f"{sys.prefix}/bin:{SYSTEM_PATH}", "PYTHONPYCACHEPREFIX": bytecode, "PYTHONUNBUFFERED": "1"}
    mounts = prefixes | {bytecode: bytecode} | ({"/app": str(tree)} if tree else {})
    return Image(mounts, environment, user, "/app" if tree else "/", ("/tmp", str(ROOT)))


def write(work: Path, images: Mapping[str, Image]) -> None:
    """Make these the images that there are."""
    near = work / ".images.json"
    near.write_text(json.dumps({reference: asdict(image) for reference, image in images.items()}))
    near.rename(work / "images.json")


def find(work: Path, reference: str) -> Image | None:
    """The image of a reference; None when nobody has it."""
    told = json.loads((work / "images.json").read_text()).get(reference)
    return None if told is None else Image(**told)
