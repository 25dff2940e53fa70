"""The Gateway API's custom resource definitions, out of its Go module; nothing is compiled."""

import shutil
from pathlib import Path

from tests.servers.golang.toolchain import Go, built, named

MODULE, VERSION = "sigs.k8s.io/gateway-api", "v1.4.0"
CHANNEL = Path("config", "crd", "standard")


def folder() -> Path:
    """Where they are, once they were fetched."""
    return named(f"gateway-api-{VERSION[1:]}", [f"{MODULE} {VERSION} {CHANNEL}".encode()])


def definitions() -> Path:
    """The folder with the standard channel's definitions, as YAML; fetched when it is not there. Raises `Missing`."""
    return built(folder(), _fetch)


def _fetch(go: Go, out: Path) -> None:
    for path in sorted((go.module(MODULE, VERSION) / CHANNEL).glob("*.yaml")):
        shutil.copyfile(path, out / path.name)
