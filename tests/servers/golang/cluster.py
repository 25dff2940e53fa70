"""etcd, kube-apiserver, the controllers, KEDA's operator and adapter, and `kscale`: built from one wrapper module.

| program | is |
|---|---|
| etcd, kube-apiserver | unchanged |
| minikcm | the real controllers that the tests need, in one process (minikcm/main.go) |
| keda-operator, keda-adapter | KEDA with the scalers of slimming.py |
| kscale | KEDA's own kafka scaler as a command (kscale/main.go) |
"""

import json
import shutil
from pathlib import Path

from tests.servers.golang import slimming, wrapper
from tests.servers.golang.toolchain import Go, built, named

KUBERNETES, KEDA, ETCD = "v1.36.4", "v2.21.0", "v3.7.1"
KEDA_MODULE = "github.com/kedacore/keda/v2"
OWN = ("minikcm", "kscale")
PROGRAMS = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "minikcm": f"{wrapper.MODULE}/minikcm",
    "keda-operator": f"{KEDA_MODULE}/cmd/operator",
    "keda-adapter": f"{KEDA_MODULE}/cmd/adapter",
    "kscale": f"{wrapper.MODULE}/kscale",
}
VARIABLES = {
    "k8s.io/component-base/version.gitVersion": KUBERNETES,
    "k8s.io/component-base/version.gitMajor": "1",
    "k8s.io/component-base/version.gitMinor": KUBERNETES.split(".")[1],
    f"{KEDA_MODULE}/version.Version": KEDA.removeprefix("v"),
}
HERE = Path(__file__).parent


def folder() -> Path:
    """Where the programs of these inputs are, once they are built."""
    sources = [HERE / name for name in ("slimming.py", "wrapper.py", *(f"{own}/main.go" for own in OWN))]
    asked = json.dumps([KUBERNETES, KEDA, ETCD, PROGRAMS, VARIABLES]).encode()
    return named(f"kubernetes-{KUBERNETES[1:]}-keda-{KEDA[1:]}", [asked, *(source.read_bytes() for source in sources)])


def binaries() -> Path:
    """The folder with bin/ (`PROGRAMS`) and crds/ (KEDA's, as YAML); built when it is not there. Raises `Missing`."""
    return built(folder(), _build)


def _build(go: Go, out: Path) -> None:
    module = go.scratch / "module"
    module.mkdir()
    keda = go.module(KEDA_MODULE, KEDA)
    slimming.slim(keda, module / "keda")
    text = wrapper.go_mod(
        KUBERNETES,
        KEDA,
        {"go.etcd.io/etcd/server/v3": ETCD},
        (go.module("k8s.io/kubernetes", KUBERNETES) / "go.mod").read_text(),
        (keda / "go.mod").read_text(),
        "./keda",
    )
    (module / "go.mod").write_text(text)
    for own in OWN:
        shutil.copytree(HERE / own, module / own)
    packages = go.run("list", "-mod=mod", "-deps", *PROGRAMS.values(), cwd=module)
    go.say(f"modules are there: {len(packages.splitlines())} packages to compile")
    (out / "bin").mkdir()
    for name, package in PROGRAMS.items():
        go.compile(package, out / "bin" / name, cwd=module, variables=VARIABLES, flags=["-mod=mod", "-trimpath"])
    shutil.copytree(keda / "config" / "crd" / "bases", out / "crds", copy_function=shutil.copyfile)
