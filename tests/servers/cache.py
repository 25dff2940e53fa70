"""Where what takes minutes to fetch or to build is kept, by version, outside the tree."""

import os
from pathlib import Path


def folder() -> Path:
    """The user's own, made when it is not there."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trimaran"
    home.mkdir(parents=True, exist_ok=True)
    return home
