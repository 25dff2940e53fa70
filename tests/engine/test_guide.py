"""docs/deploy/kubernetes.md, word by word: each of its commands is run, from an empty cluster to a flight on the board and back to nothing.

Its examples of hosts, users and passwords are replaced by those of the servers here, as a reader does it. Confirmations are given by
PULUMI_SKIP_CONFIRMATIONS. What cannot run here is named in `ELSEWHERE`, with what stands for it.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest

from tests.cluster import bed
from tests.cluster.api import wait
from tests.engine.ground import ROLES, settings, standing
from tests.servers import kafka_security, postgres

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
SPACE = "trimaran-flights"
ELSEWHERE = (
    "docker build",  # no image can be built without a container engine: pods run from the files that it would copy (tests/stacks/test_dockerfile.py)
    "uv sync",  # the environment that this test runs in
)
AWAKE_S = 120  # a look of KEDA's every 30 s, and a start


def blocks() -> list[str]:
    """The guide's commands, in order, without those of `ELSEWHERE`."""
    found = re.findall(r"^```shell\n(.*?)^```", (ROOT / "docs" / "deploy" / "kubernetes.md").read_text(), re.M | re.S)
    kept = ["\n".join(line for line in block.splitlines() if not line.startswith(ELSEWHERE)) for block in found]
    return [block for block in kept if block.strip()]


@pytest.fixture(scope="module")
def ground() -> Iterator[bed.Bed]:
    """Servers, and Kubernetes with KEDA."""
    with standing() as made:
        yield made


class Reader:
    """Somebody with a checkout and a shell, who puts their own names for the examples'."""

    def __init__(self, ground: bed.Bed, database: str) -> None:
        told = settings(ground, "flights", database)
        self.tree = ground.version(1).tree
        shutil.copy2(ROOT / "Pulumi.k8s.yaml", self.tree)
        (self.tree / "events.password").write_text(f"{told['eventsPassword']}\n")
        (self.tree / "ca.crt").write_text(told["busCa"])
        (self.tree / "counter.password").write_text("counts\n")
        with psycopg.connect(database, autocommit=True) as admin:
            admin.execute("CREATE ROLE \"trimaran-counter\" LOGIN PASSWORD 'counts'")
        for role in ROLES:
            (self.tree / f"{role}.password").write_text(f"{kafka_security.PASSWORDS[role]}\n")
        self._names: Mapping[str, str] = {
            "registry.example/trimaran@sha256:…": told["image"],
            "postgresql://trimaran@postgres.example:5432/trimaran?sslmode=require": told["events"],
            "kafka.example:9093": ground.broker.secure_bootstrap,
            "trimaran-$role": "$role",
            "https://login.example/keys": told["jwks"],
            "https://login.example/": told["issuer"],
            "trimaran:audience flights": f"trimaran:audience {told['audience']}",
        }
        self.environment = {**ground.engine.environment, "KUBECONFIG": str(ground.kube.kubeconfig), "PULUMI_SKIP_CONFIRMATIONS": "true"}

    def run(self, block: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """A block as a script that stops at its first failure."""
        for example, name in self._names.items():
            block = block.replace(example, name)
        assert ".example" not in block and "…" not in block, block
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=self.tree,
            env={**os.environ, **self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=900,
        )


def test_the_guide_leads_from_an_empty_cluster_to_a_live_board_and_back_to_nothing(ground: bed.Bed) -> None:
    up, outputs, command, question, down = blocks()
    with postgres.database(ground.postgres.url) as database:
        reader = Reader(ground, database)
        made = reader.run(up)
        assert made.returncode == 0, made.stdout + ground.told(SPACE)
        told = reader.run(outputs)
        assert all(name in told.stdout for name in ("cloud", "commandUrl", "graphqlUrl", "graphqlProtocol", "health")), told.stdout
        board, token = ground.kube.url("gateway", SPACE, 8000), ground.issuer.sign("tower", roles=["operations"])
        sent = reader.run(command, BOARD=board, TOKEN=token)
        assert sent.returncode == 0, sent.stdout
        row = '{"flight":"2026-01-31-UA-1545-EWR","status":"scheduled"}'
        wait(lambda: row in reader.run(question, BOARD=board).stdout.replace(" ", ""), "the flight on the board", AWAKE_S, 1.0)
        gone = reader.run(down)
        assert gone.returncode == 0, gone.stdout
    assert ground.kube.api.get("v1", "Namespace", SPACE) is None
