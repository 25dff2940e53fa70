"""The go.mod of one module around etcd, kube-apiserver and KEDA, so that their common packages are compiled once.

k8s.io/kubernetes replaces its staging modules by folders of its own repository; outside of it each is v0.<minor>.<patch> of the same release.
KEDA's own replacements and exclusions are taken over, except where they concern k8s.io.
"""

import re

MODULE = "trimaran/cluster"
UNUSED = {"k8s.io/sample-apiserver", "k8s.io/sample-cli-plugin", "k8s.io/sample-controller"}


def go_mod(kubernetes: str, keda: str, requires: dict[str, str], kubernetes_mod: str, keda_mod: str, slim: str) -> str:
    """The text of go.mod: versions of the two, what else is required, the text of their go.mod, and the folder of the slimmed KEDA.

    The Go version and the default of its compatibility switches are those of Kubernetes.
    """
    staging = "v0." + kubernetes.removeprefix("v1.")
    modules = sorted(set(re.findall(r"^\s*(k8s\.io/\S+) => \./staging/", kubernetes_mod, re.M)) - UNUSED)
    required = {"k8s.io/kubernetes": kubernetes, "github.com/kedacore/keda/v2": keda, **requires}
    return "\n".join(
        [
            f"module {MODULE}",
            _line(r"^go \S+", kubernetes_mod),
            _line(r"^godebug .*", kubernetes_mod),
            *(f"require {module} {version}" for module, version in required.items()),
            *(f"replace {module} => {module} {staging}" for module in modules),
            f"replace github.com/kedacore/keda/v2 => {slim}",
            *_replaced(keda_mod),
            *re.findall(r"^exclude \S+ \S+", keda_mod, re.M),
            "",
        ]
    )


def _line(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.M)
    if found is None:
        raise ValueError(f"go.mod of Kubernetes has no line {pattern}")
    return found[0]


def _replaced(text: str) -> list[str]:
    """KEDA's replacements, as single lines; comments and modules of Kubernetes are left out."""
    lines = [line.split("//")[0].strip().removeprefix("replace ") for line in text.splitlines() if "=>" in line]
    return [f"replace {line}" for line in lines if line and not line.startswith("k8s.io/")]
