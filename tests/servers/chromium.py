"""Chromium, driven by playwright-core, for the pages that people see: no other host is reached, and nothing stays behind.

A missing Chromium is a failure that names what to install.
"""

import shutil
from pathlib import Path
from typing import Any

from tests.servers import npm

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",  # a container's root may not make sandboxes
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


def binary() -> str | None:
    """Where the browser is; None without one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def driven(source: Path, folder: Path, environment: dict[str, str], timeout_s: float = npm.RUN_S) -> dict[str, Any]:
    """What a program that drives the browser reports."""
    return npm.report(source, folder, started() | environment, timeout_s)


def started() -> dict[str, str]:
    """CHROMIUM and CHROMIUM_FLAGS, which tell a program how to start one."""
    found = binary()
    if found is None:
        raise npm.Missing("the pages are tested in Chromium: install chromium")
    return {"CHROMIUM": found, "CHROMIUM_FLAGS": " ".join(FLAGS)}
