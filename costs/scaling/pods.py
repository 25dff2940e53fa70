"""The pods of a projector: when each is there, which partitions it has, and how much it folds in a second."""

from collections import Counter
from collections.abc import Sequence
from math import ceil

from costs.scaling.topic import Log
from costs.scaling.workload import Projector


class Pod:
    """One of them, with the partitions it holds and what it may fold of a started event."""

    __slots__ = ("_credit", "created", "logs", "ready_at")

    def __init__(self, created: float, ready_at: float) -> None:
        self.created, self.ready_at = created, ready_at
        self.logs: list[Log] = []
        self._credit = 0.0

    def fold(self, rate: float) -> bool:
        """A second of work, shared out evenly where it is needed. Whether there was any."""
        logs = sorted((log for log in self.logs if log.pending), key=lambda log: log.pending)
        if not logs:
            self._credit = 0.0
            return False
        self._credit += rate
        left = int(self._credit)
        self._credit -= left
        for number, log in enumerate(logs):
            taken = min(log.pending, ceil(left / (len(logs) - number)))
            log.position += taken
            left -= taken
        return True

    def commit(self, batch_max: int, second: int, ages: Counter[int]) -> int:
        """Commits when a batch is full or nothing is left to fold; gives how many events that made done."""
        if batch_max > 1 and sum(log.position - log.done for log in self.logs) < batch_max and any(log.pending for log in self.logs):
            return 0
        return sum(log.commit(second, ages) for log in self.logs)


class Pods:
    """All of them, and the seconds they were there for."""

    def __init__(self, projector: Projector, logs: Sequence[Log], *, latest: bool) -> None:
        self.skipped = 0
        self._projector, self._logs, self._latest = projector, logs, latest
        self._pods: list[Pod] = []
        self._holders: list[Pod] = []  # those that share the partitions
        self._settled = True
        self._paused_until = 0.0
        self._gone_s = 0.0

    @property
    def ready(self) -> int:
        """How many fold."""
        return min(len(self._holders), len(self._pods))

    def scale(self, replicas: int, now: float, ages: Counter[int]) -> int:
        """So many from now on. The newest leave first (as a ReplicaSet chooses), each after the batch in its hands; gives what those made done."""
        done = 0
        self._settled = False
        while len(self._pods) > replicas:
            pod = self._pods.pop()
            done += sum(log.commit(int(now), ages) for log in pod.logs)
            self._gone_s += now - pod.created + self._projector.drain_s
        while len(self._pods) < replicas:
            self._pods.append(Pod(now, now + self._projector.startup_s))
        return done

    def settle(self, second: int, ages: Counter[int]) -> int:
        """Who is ready shares the partitions anew when that changed; what was folded by then is committed first."""
        if self._settled:
            return 0
        ready = [pod for pod in self._pods if pod.ready_at <= second]
        self._settled = len(ready) == len(self._pods)
        if ready == self._holders:
            return 0
        done = sum(log.commit(second - 1, ages) for pod in ready for log in pod.logs)
        for number, pod in enumerate(ready):
            pod.logs = [log for index, log in enumerate(self._logs) if index % len(ready) == number]
        for log in self._logs if ready else ():
            self.skipped += log.assign(latest=self._latest, commits_all=self._projector.commits == "assigned")
        if self._holders and ready:  # nobody reads while a group that was at work shares out its partitions
            self._paused_until = second + self._projector.rebalance_s
        self._holders = ready
        return done

    def work(self, second: int, ages: Counter[int]) -> tuple[int, int]:
        """A second of folding: events done, and pods that had nothing to do."""
        done = idle = 0
        for pod in self._holders:
            idle += not (second >= self._paused_until and pod.fold(self._projector.events_per_s))
            done += pod.commit(self._projector.batch_max, second, ages)
        return done, idle

    def seconds(self, now: float) -> float:
        """Pod-seconds until `now`, draining ones included."""
        return self._gone_s + sum(now - pod.created for pod in self._pods)
