"""Snapshots in this process's memory: the meaning of the port."""

from runtime.ports import Snapshot

STAMPS_MAX = 3  # kept per stream, so that two deployed versions of an app do not take each other's snapshots away


class MemorySnapshots:
    """Per stream, the newest snapshot of the last few stamps."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, Snapshot]] = {}

    def newest(self, stream: str, stamp: str) -> Snapshot | None:
        """See `Snapshots.newest`."""
        return self._kept.get(stream, {}).get(stamp)

    def keep(self, stream: str, snapshot: Snapshot) -> None:
        """See `Snapshots.keep`."""
        kept = self._kept.setdefault(stream, {})
        if (old := kept.get(snapshot.stamp)) and old.version > snapshot.version:
            return
        kept[snapshot.stamp] = snapshot
        while len(kept) > STAMPS_MAX:
            del kept[min(kept, key=lambda stamp: (stamp == snapshot.stamp, kept[stamp].version, stamp))]
