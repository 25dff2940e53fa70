"""What must hold at every moment, looked at after every request that took effect.

A saga's command takes effect only after the transaction that sent it; an offset is never ahead of its rows; blue sends nothing; a swap
never goes back. The watch also keeps what the final audit needs: every committed change, and what was published.
"""

from typing import TYPE_CHECKING, Any

from providers.memory.bus import MemoryConsumer
from providers.memory.rows_transaction import MemoryTransaction
from runtime.flow.cloudevents import from_bus
from runtime.ports import Append, Change, Phase, Row, Signal, Writes
from runtime.steps import Request
from tests.simulation.scheduler import Process

if TYPE_CHECKING:
    from tests.simulation.run import Simulation

type Place = tuple[int, int, int]  # generation, shard, number


class Watch:
    """Sees every request that took effect."""

    def __init__(self, sim: "Simulation") -> None:
        self._sim = sim
        self._rows = sim.cluster.rows._state
        self.changes: dict[str, dict[Place, Change]] = {}  # group -> what the change logs were given
        self.published: set[tuple[str, int]] = set()
        self.effects: dict[str, list[tuple[str, int, int]]] = {}  # key -> stream, first, last of every append that stored events under it
        self.heard: list[Signal] = []
        self.flipped: dict[
            str, tuple[int, dict[tuple[str, str], Row]]
        ] = {}  # group -> the live generation and its rows when it became live
        self._read: dict[tuple[str, int], int] = {}
        sim.scheduler.watchers |= {
            "append": self._append,
            "append_all": self._append_all,
            "commit": self._commit,
            "publish": self._publish,
            "write": self._write,
            "send": self._send,
            "commit_now": self._commit_now,
        }

    def _fail(self, text: str) -> Exception:
        return self._sim.scheduler.fail(text)

    # commands
    def _append(self, process: Process, request: Request, reply: Any) -> None:
        self._stored(request.args[0], reply)

    def _append_all(self, process: Process, request: Request, reply: Any) -> None:
        for append, outcome in zip(request.args[0], reply, strict=True):
            if not isinstance(outcome, Exception):
                self._stored(append, outcome)

    def _stored(self, append: Append, answer: Any) -> None:
        if answer.replayed:
            return
        self.effects.setdefault(append.key, []).append((append.stream, answer.first, answer.last))
        saga, _, cause = append.key.partition(":")
        if not cause:
            return
        stream, _, rest = cause.rpartition("@")
        version = int(rest.partition(":")[0])
        marks = [filled.watermarks.get(stream, 0) for filled in self._rows.of_group(saga)]
        if max(marks, default=0) < version:
            raise self._fail(f"{append.key} took effect before its transaction was committed")

    # rows
    def _write(self, process: Process, request: Request, reply: Any) -> None:
        transaction: MemoryTransaction = request.call.__self__  # type: ignore[attr-defined]
        generation = self._rows.find(transaction._group, transaction._number).generation
        if generation.phase is Phase.BLUE and request.args[0].outputs:
            raise self._fail(f"blue generation {generation.number} of {generation.group!r} stores saga output")

    def _commit(self, process: Process, request: Request, reply: Any) -> None:
        of = request.call.__self__  # type: ignore[attr-defined]
        if isinstance(of, MemoryConsumer):
            if reply:
                self._offsets(of, request.args[0])
            return
        for writes in process.transactions.get(of, ()):
            self._keep(of, writes)
        if of._phases:
            self._swapped(of)

    def _keep(self, transaction: MemoryTransaction, writes: Writes) -> None:
        changes = self.changes.setdefault(transaction._group, {})
        for change in writes.changes:
            place = (transaction._number, change.shard, change.number)
            if place in changes:
                raise self._fail(f"the change log of {transaction._group!r} has two changes at {place}")
            changes[place] = change

    def _swapped(self, transaction: MemoryTransaction) -> None:
        group = transaction._group
        live = next((number for number, phase in transaction._phases.items() if phase is Phase.LIVE), None)
        if live is None:
            return
        filled = self._rows.find(group, live)
        rows = {(part, key): Row(one.values, one.revision) for part, table in filled.rows.items() for key, one in table.items()}
        self.flipped[group] = (live, rows)
        for number, phase in transaction._phases.items():
            if phase is not Phase.BLUE:
                continue
            for stream, mark in self._rows.find(group, number).watermarks.items():
                if filled.watermarks.get(stream, 0) < mark:
                    raise self._fail(f"swap of {group!r}: {stream!r} goes back from {mark} to {filled.watermarks.get(stream, 0)}")

    # the bus
    def _publish(self, process: Process, request: Request, reply: Any) -> None:
        for envelope in request.args[0]:
            event = from_bus(envelope.body)
            self.published.add((event.stream, event.version))

    def _offsets(self, consumer: MemoryConsumer, offsets: dict[int, int]) -> None:
        """Whatever lies below the committed offset is folded."""
        name = next(name for name, group in self._sim.cluster.bus._groups.items() if group is consumer._group)
        _, group, number = name.rsplit(".", 2)
        filled = self._rows.filled.get((group, int(number)))
        if filled is None:
            return
        for partition, offset in offsets.items():
            log = self._sim.cluster.bus._logs[partition]
            start = max(log.begin, self._read.get((name, partition), 0))
            for body in log.read(start, offset - start) if offset > start else ():
                event = from_bus(body)
                if filled.watermarks.get(event.stream, 0) < event.version:
                    raise self._fail(
                        f"{name} committed the offset {offset} of partition {partition} before it folded {event.stream}@{event.version}"
                    )
            self._read[name, partition] = offset

    def _commit_now(self, process: Process, request: Request, reply: Any) -> None:
        """What lies below is filled from the store."""
        for partition, log in enumerate(self._sim.cluster.bus._logs):
            self._read[request.args[0], partition] = log.end

    # signals
    def _send(self, process: Process, request: Request, reply: Any) -> None:
        self.heard += request.args[0]
