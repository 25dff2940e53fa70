"""KEDA with five scalers instead of seventy: operator, HPA building and metrics service stay as they are.

A full build compiles the clients of every cloud and takes four minutes longer. What is left out is refused by KEDA as an unknown trigger.
"""

import re
import shutil
import stat
from pathlib import Path

KEPT = {
    "kafka": "kafka",
    "cpu": "cpu_memory",
    "memory": "cpu_memory",
    "cron": "cron",
    "postgresql": "postgresql",
    "metrics-api": "metrics_api",
}
FOLDERS = ("externalscaler", "gcp", "liiklus", "openstack", "splunk", "sumologic")
AZURE = (
    "azure_app_insights.go",
    "azure_data_explorer.go",
    "azure_eventhub.go",
    "azure_eventhub_checkpoint.go",
    "azure_managed_prometheus_http_round_tripper.go",
    "azure_storage.go",
)
SHARED = 'package scalers\n\nconst externalMetricType = "External"\n'  # lives in a scaler that is left out
BEGIN = "\t// TRIGGERS-START"


def slim(source: Path, to: Path) -> None:
    """A copy of the module's folder with the kept scalers only. Raises KeyError when the source has no such scaler."""
    shutil.copytree(source, to, ignore=shutil.ignore_patterns("*_test.go", "tests", "hack", "schema", "images", "tools"))
    for path in [to, *to.rglob("*")]:
        path.chmod(path.stat().st_mode | stat.S_IWUSR)
    scalers = to / "pkg" / "scalers"
    _keep(scalers)
    for name in FOLDERS:
        shutil.rmtree(scalers / name)
    for name in AZURE:
        (scalers / "azure" / name).unlink()
    (scalers / "external_metric_type.go").write_text(SHARED)
    builder = to / "pkg" / "scaling" / "scalers_builder.go"
    builder.write_text(without_cases(builder.read_text()))


def _keep(scalers: Path) -> None:
    files = {path.name.removesuffix("_scaler.go"): path for path in scalers.glob("*_scaler.go")}
    for name in set(KEPT.values()):
        del files[name]
    for path in files.values():
        path.unlink()


def without_cases(text: str) -> str:
    """The source of the builder with the cases of the kept triggers only."""
    head, switch = text.split(BEGIN, 1)
    for case in re.findall(r'\tcase "[^\n]*:\n(?:(?!\tcase |\tdefault:).*\n)*', switch):
        if re.findall(r'"([^"]*)"', case.splitlines()[0])[0] not in KEPT:
            switch = switch.replace(case, "")
    return f"{head}{BEGIN}{switch}"
