"""Reduces what KEDA's source says of its objects to what the tests need: `python -m tests.stacks.keda.reduce FOLDER` of a checkout.

Source of the three files beside this one: kedacore/keda v2.21.0 (Apache License 2.0), `config/crd/bases/keda.sh_scaledobjects.yaml`,
`config/crd/bases/keda.sh_triggerauthentications.yaml` and `schema/generated/scalers-schema.json`. Texts for people and status are left
out; an object takes no key that it does not name, as the API server has it with strict field validation.
"""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

HERE = Path(__file__).parent
CRDS = {"ScaledObject": "keda.sh_scaledobjects.yaml", "TriggerAuthentication": "keda.sh_triggerauthentications.yaml"}
SCALERS = ("cpu", "memory", "cron", "kafka", "metrics-api", "postgresql", "prometheus")


def strict(schema: Any) -> Any:
    """A structural schema as JSON Schema that refuses unknown keys."""
    if not isinstance(schema, dict):
        return schema
    kept = {key: strict(value) for key, value in schema.items() if key not in ("description", "format") and not key.startswith("x-")}
    if isinstance(schema.get("properties"), dict):
        kept["properties"] = {name: strict(each) for name, each in schema["properties"].items()}
        kept.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string"):
        kept = {"type": ["integer", "string"]}
    return kept


def reduced(crd: dict[str, Any], name: str) -> dict[str, Any]:
    """The schema of one version of one kind, without status, metadata as the SDK checks it."""
    (version,) = [each for each in crd["spec"]["versions"] if each["name"] == name]
    schema: dict[str, Any] = strict(version["schema"]["openAPIV3Schema"])
    schema["properties"].pop("status", None)
    schema["properties"]["metadata"] = {"type": "object"}
    return schema


def main(source: Path) -> None:
    """Write the three files."""
    for kind, name in CRDS.items():
        write(f"{kind}.json", reduced(msgspec.yaml.decode((source / "config/crd/bases" / name).read_bytes()), "v1alpha1"))
    scalers = {
        each["type"]: each["parameters"] for each in json.loads((source / "schema/generated/scalers-schema.json").read_text())["scalers"]
    }
    write("scalers.json", {name: scalers[name] for name in SCALERS})


def write(name: str, value: Any) -> None:
    """As the repository keeps JSON."""
    (HERE / name).write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
