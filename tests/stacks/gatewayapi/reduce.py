"""Reduces what the Gateway API says of its routes to what the tests need: `python -m tests.stacks.gatewayapi.reduce FOLDER` of a checkout.

Source: kubernetes-sigs/gateway-api v1.4.0 (Apache License 2.0), `config/crd/standard/gateway.networking.k8s.io_httproutes.yaml`, version v1.
"""

import json
import sys
from pathlib import Path

import msgspec

from tests.stacks.keda.reduce import reduced

HERE = Path(__file__).parent
CRD = "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"


def main(source: Path) -> None:
    """Write the file, as the repository keeps JSON."""
    schema = reduced(msgspec.yaml.decode((source / CRD).read_bytes()), "v1")
    (HERE / "HTTPRoute.json").write_text(json.dumps(schema, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
