"""A day of flights arrives in bursts through the deployed gateway: projectors go from none to many and back, and nothing is lost.

With TRIMARAN_CLUSTER_PICTURE=FILE.json the time line is written there, and drawn beside it.
"""

import json
import os
import time
from pathlib import Path

import pytest

from cli.scale import read as workload
from costs.scaling.compare import fitted
from tests.cluster import timeline
from tests.cluster.bed import POLLING_S
from tests.cluster.record import Record
from tests.cluster.recorder import Recorder
from tests.cluster.scenes.flying import Flying

pytestmark = pytest.mark.cluster

RESOLUTION_S = 1.5  # the simulation goes by seconds, the record by half ones


def test_a_day_in_bursts_wakes_one_then_many_then_none_and_every_table_is_exact(flying: Flying, tmp_path: Path) -> None:
    groups = tuple(flying.deployed.app.groups)
    with Recorder(flying.deployed, "rows") as recorder, flying.asking() as asking:
        over, bursts = False, 0
        while not over:
            bursts += 1
            recorder.mark(f"burst {bursts}")
            over = flying.burst()
            flying.deployed.settle(*groups)
        time.sleep(2 * POLLING_S)  # and it stays there
    found, record = flying.exact(), recorder.record
    picture = Path(os.environ.get("TRIMARAN_CLUSTER_PICTURE") or tmp_path / "cluster.json")
    record.write(picture)
    timeline.draw(picture)
    assert found.events > 2_000
    assert bursts >= 2
    assert record.steps().count(0) == bursts + 1, f"none before and after each burst: {record.steps()}"
    assert record.steps()[:2] == [0, 1]
    assert record.steps()[-2:] == [1, 0]
    assert record.peak() >= 2
    assert not asking.failed, asking.failed
    assert not asking.unavailable, asking.unavailable
    assert as_simulated(record, tmp_path) <= POLLING_S + RESOLUTION_S, record.steps()


def as_simulated(record: Record, folder: Path) -> float:
    """How many seconds `trimaran scale simulate` is off, fed with the measured lag."""
    path = folder / "workload.json"
    path.write_text(json.dumps(record.workload()))
    _, apart = fitted(workload(str(path)))
    assert apart is not None
    return apart
