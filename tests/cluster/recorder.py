"""Writes down, twice a second, what a deployed group of projectors is and does: lag, replicas wanted and ready, events folded."""

import threading
import time
from types import TracebackType
from typing import Self

from tests.cluster.bed import COOLDOWN_S, LAG, PARTITIONS, POLLING_S, STABLE_S, SYNC_S, Deployed
from tests.cluster.record import Record, Sample, Settings

EVERY_S = 0.5
SETTINGS = Settings(PARTITIONS, LAG, POLLING_S, COOLDOWN_S, SYNC_S, STABLE_S)


class Recorder:
    """Records one group from `with` to its end, on a thread of its own."""

    def __init__(self, deployed: Deployed, group: str) -> None:
        self._deployed = deployed
        self.record = Record(deployed.app.name, group, SETTINGS)
        self._end = threading.Event()
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end.set()
        self._thread.join(10)

    def mark(self, text: str) -> None:
        """Somebody did something."""
        self.record.marks.append((round(time.monotonic() - self._began, 2), text))

    def _run(self) -> None:
        group = self.record.group
        while not self._end.wait(EVERY_S):
            lags = self._deployed.lags(group)
            at_s = time.monotonic() - self._began
            desired, ready = self._deployed.replicas(group)
            self.record.samples.append(Sample(round(at_s, 2), lags, desired, ready, self._deployed.folded(group)))
