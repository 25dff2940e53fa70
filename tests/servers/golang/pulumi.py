"""Pulumi's engine: the command `pulumi`, built read-only from the go.mod and go.sum beside this file.

The two files are what `go get -tool github.com/pulumi/pulumi/pkg/v3/cmd/pulumi@v3.259.0` writes into a new module, with the one replacement
that Pulumi's own go.mod has. `go mod download` is not needed, and fails: the proxy refuses one module that nothing here imports.
"""

import shutil
from pathlib import Path

from tests.servers.golang.toolchain import Go, built, named

PULUMI = "v3.259.0"
PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
HERE = Path(__file__).parent / "engine"
INPUTS = ("go.mod", "go.sum")


def folder() -> Path:
    """Where the engine of these inputs is, once it is built."""
    return named(f"pulumi-{PULUMI[1:]}", [PULUMI.encode(), *((HERE / name).read_bytes() for name in INPUTS)])


def engine() -> Path:
    """The folder with bin/pulumi; built when it is not there. Raises `Missing`."""
    return built(folder(), _build)


def _build(go: Go, out: Path) -> None:
    module = go.scratch / "module"
    module.mkdir()
    for name in INPUTS:
        shutil.copyfile(HERE / name, module / name)
    (out / "bin").mkdir()
    variables = {"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": PULUMI}
    go.compile(PACKAGE, out / "bin" / "pulumi", cwd=module, variables=variables, flags=["-mod=readonly", "-trimpath"])
