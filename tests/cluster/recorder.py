"""Writes down what a deployed group of projectors is and does: every change of the replicas that are wanted, as the API server tells it, and
twice a second lag, replicas ready and events folded.
"""

import threading
import time
from types import TracebackType
from typing import Self

from tests.cluster.api import Refused
from tests.cluster.bed import COOLDOWN_S, LAG, PARTITIONS, POLLING_S, STABLE_S, SYNC_S, Deployed
from tests.cluster.record import Record, Sample, Settings

EVERY_S = 0.5
SETTINGS = Settings(PARTITIONS, LAG, POLLING_S, COOLDOWN_S, SYNC_S, STABLE_S)


class Recorder:
    """Records one group from `with` to its end, on threads of its own; a change has the lag that was seen last."""

    def __init__(self, deployed: Deployed, group: str) -> None:
        self._deployed = deployed
        self.record = Record(deployed.app.name, group, SETTINGS)
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._desired, self._seen = 0, Sample(0.0, None, 0, 0, None)
        self._began = time.monotonic()
        self._threads = [threading.Thread(target=run, name="recorder", daemon=True) for run in (self._sample, self._watch)]

    def __enter__(self) -> Self:
        self._desired = self._deployed.replicas(self.record.group)[0]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end.set()
        self._threads[0].join(10)  # the other one hears of it with the next change

    def mark(self, text: str) -> None:
        """Somebody did something."""
        self.record.marks.append((round(time.monotonic() - self._began, 2), text))

    def _sample(self) -> None:
        group = self.record.group
        while not self._end.wait(EVERY_S):
            lags, ready, folded = self._deployed.lags(group), self._deployed.replicas(group)[1], self._deployed.folded(group)
            self._note(lags, ready, folded)

    def _watch(self) -> None:
        named = f"metadata.name=projector-{self.record.group},metadata.namespace={self._deployed.namespace}"
        while not self._end.is_set():
            try:
                for _, thing in self._deployed.bed.kube.api.watch("apps/v1", "Deployment", named):
                    if self._end.is_set():
                        return
                    if (wanted := thing.get("spec", {}).get("replicas")) is not None and wanted != self._desired:
                        self._note(self._seen.lag, self._seen.ready, self._seen.folded, wanted)
            except (OSError, Refused):
                self._end.wait(EVERY_S)

    def _note(self, lag: tuple[int, ...] | None, ready: int, folded: int | None, desired: int | None = None) -> None:
        with self._lock:
            at_s = round(time.monotonic() - self._began, 3)
            if at_s <= self._seen.at_s:
                at_s = round(self._seen.at_s + 0.001, 3)
            self._desired = self._desired if desired is None else desired
            self._seen = Sample(at_s, lag, self._desired, ready, folded)
            self.record.samples.append(self._seen)
