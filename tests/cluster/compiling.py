"""Bytecode for an image's tree, as `compileall` in the Dockerfile makes it: without, every pod compiles every module, for seconds.

Containers cannot write where bytecode is kept, so it is made before. Packages share the tests' own cache; what lies in /app is another
thing in every version, so each version has a folder of its own, whose names for packages lead into the cache.
"""

import os
import py_compile
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from tests.cluster.kubelet.images import Image
from tests.servers import cache

HOSTS = ("gateway", "relay", "projector", "prepare", "upgrade")
LAZY = (
    "providers.kafka.bus",
    "providers.kafka.signals",
    "providers.postgres.rows",
    "providers.postgres.relay",
    "runtime.live.schema.building",
)
SUFFIX = f".{sys.implementation.cache_tag}.pyc"


def compiled(image: Image, tree: Path, folder: Path) -> Image:
    """The image with bytecode of everything that it starts, kept in `folder`."""
    shared = Path(os.environ.get("PYTHONPYCACHEPREFIX") or cache.folder() / "bytecode")
    _packages(tree, shared)
    folder.mkdir(exist_ok=True)
    for entry in shared.iterdir():
        if entry.name != "app" and not (folder / entry.name).exists():
            (folder / entry.name).symlink_to(entry)
    for source in tree.rglob("*.py"):
        inside = source.relative_to(tree)
        target = folder / "app" / inside.with_suffix(SUFFIX)
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(str(source), str(target), f"/app/{inside}", doraise=True, invalidation_mode=mode)
    mounts = {**image.mounts, str(shared): str(shared), str(folder): str(folder)}
    return replace(image, mounts=mounts, environment={**image.environment, "PYTHONPYCACHEPREFIX": str(folder)})


def _packages(tree: Path, shared: Path) -> None:
    """Import what hosts import, once, as somebody who may write there."""
    words = [sys.executable, "-c", f"import {', '.join([*(f'hosts.{host}' for host in HOSTS), *LAZY])}"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(words, cwd=tree, env=environment | {"PYTHONPYCACHEPREFIX": str(shared)}, check=True, timeout=120)
