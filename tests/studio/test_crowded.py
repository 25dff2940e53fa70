"""The rows view when it is very full: a window on 100,000 rows, and 10,000 live, with a thousand changes a second.

Frames are for `trimaran bench studio`, on a machine that does nothing else; what must hold anywhere is checked here.
"""

from pathlib import Path

import pytest

from tests.processes import figures
from tests.studio import bed, crowd
from tests.studio.conftest import Story

ROWS_MAX = 80  # in the page, of however many
SCRIPT_MAX = 0.5  # seconds of CPU a second


@pytest.mark.long
def test_a_hundred_thousand_rows_and_a_thousand_changes_a_second_stay_small_and_end_right(talk: Story, tmp_path: Path) -> None:
    with bed.running(tmp_path, crowd.APP) as running:
        crowd.fill(running)
        with crowd.moving(running) as mover:
            report = talk("crowded.mjs", {"MOVE": mover.start, "REST": mover.stop}, URL=running.url, SECONDS="6")
    figures.report("studio crowded", moved_per_s=mover.moved / max(mover.seconds, 1.0), **_flat(report))
    phases = [report[name] for name in ("windowed", "live", "sorted")]
    assert "more than 10,000 rows" in report["windowed"]["status"]
    assert "10,000 rows" in report["live"]["status"]
    assert max(phase["rows"] for phase in phases) <= ROWS_MAX
    assert max(phase["scriptPerS"] for phase in phases) <= SCRIPT_MAX
    assert report["final"] > 5
    assert report["finalWindowed"] > 5


def _flat(report: dict[str, dict[str, float]]) -> dict[str, float]:
    names = ("p50", "p99", "tasks", "longestTask", "rows", "scriptPerS", "taskPerS")
    return {f"{phase}_{name}": report[phase][name] for phase in ("windowed", "live", "sorted") for name in names}
