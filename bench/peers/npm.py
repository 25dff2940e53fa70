"""Peers that are Node programs: installed from the committed lock with `npm ci --ignore-scripts`, outside this tree.

One folder per lock in the user's cache, made once.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from bench.missing import Missing

FILES = ("package.json", "package-lock.json", "peer.mjs")
INSTALL_S = 300


def installed(source: Path, name: str) -> Path:
    """The folder where a peer is installed with what it needs. Raises `Missing`."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise Missing(f"{name} is a Node library: install Node.js 20 or newer with npm")
    digest = hashlib.sha256(b"".join((source / file).read_bytes() for file in FILES)).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "trimaran" / f"{name}-{digest}"
    if (folder / "complete").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in FILES:
        shutil.copy(source / file, folder / file)
    words = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    made = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    if made.returncode != 0:
        raise Missing(f"npm could not install {name}: {made.stderr.strip()[-400:]}")
    (folder / "complete").touch()
    return folder
