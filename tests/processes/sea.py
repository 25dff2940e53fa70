"""A test's whole world: a fresh app on real servers, processes that work for it, and the question whether its rows are right."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from runtime.domain import App
from runtime.errors import TrimaranError
from runtime.flow.command import Sending
from runtime.ports import Answer
from tests.processes.domain import AddValues
from tests.processes.expected import GROUP, Audit, audited, heads, live
from tests.processes.failing import Fault
from tests.processes.fleet import Fleet, Process, until
from tests.processes.place import Place, Ports, place, ports
from tests.processes.twins import twin

WAVE = 500  # commands with one durable write
PAGE = 20_000


class Sea:
    """`start` processes, `add` events, wait until they are folded, `audit` the rows."""

    def __init__(self, where: Place, opened: Ports, fleet: Fleet) -> None:
        self.where, self.ports, self.fleet = where, opened, fleet
        self.random = random.Random(2013)
        self._sent = 0
        self.allowed: tuple[int, ...] = ()  # codes with which a process may end here

    def start(self, role: str, *, fault: Fault | None = None, ready: bool = False, mended: bool = False, **options: Any) -> Process:
        """Start a process; with `ready`, return when it works."""
        told = msgspec.to_builtins({**options, **({"fault": fault} if fault else {})})
        environment = self.where.environment | ({"TRIMARAN_TEST_MENDED": "1"} if mended else {})
        process = self.fleet.start(role, told, environment)
        if ready:
            self.ready(process)
        return process

    def ready(self, *processes: Process, timeout_s: float = 30) -> None:
        """Wait until they work."""
        for process in processes:
            until(lambda process=process: "ready" in process.text() or process.code() is not None, timeout_s, f"ready:\n{process.tail()}")  # type: ignore[misc]
        self.fleet.check()

    def command_line(self, *words: str) -> Process:
        """Start `trimaran` with these words on this app."""
        return self.fleet.run("trimaran", ["-c", "from cli.main import main; main()", *words], self.where.environment)

    # commands
    def add(self, events: int, tallies: int, *, first: str = "t", per_command: int = 1) -> int:
        """Append events to so many streams, in waves; the version sum that the store then has grown by."""
        commands = [
            AddValues(f"{first}{(self._sent + number) % tallies}", tuple(self.random.randrange(1_000) for _ in range(per_command)))
            for number in range(events // per_command)
        ]
        width = min(WAVE, tallies)  # one command a stream in a wave
        for start in range(0, len(commands), width):
            wave = [Sending(command, f"add{self._sent + start + n}") for n, command in enumerate(commands[start : start + width])]
            for outcome in self.ports.commands.send_all(wave):
                if not isinstance(outcome, Answer):
                    raise outcome
        self._sent += len(commands)
        return len(commands) * per_command

    # rows
    def behind(self, group: str = GROUP) -> int:
        """How many stored events are not folded."""
        rows = self.ports.rows
        number = live(rows) if group == GROUP else rows.generations(group)[-1].number
        marks: dict[str, int] = {}
        after = ""
        while page := rows.watermarks(group, number, after, PAGE):
            marks.update({mark.stream: mark.version for mark in page})
            after = page[-1].stream
        return sum(version - marks.get(stream, 0) for stream, version in heads(self.ports.store).items())

    def settle(self, timeout_s: float = 30, group: str = GROUP) -> float:
        """Wait until every stored event is folded; how many seconds that took."""

        def folded() -> bool:
            self.fleet.check(*self.allowed)
            try:
                return self.behind(group) == 0
            except (TrimaranError, StopIteration):
                return False

        return until(folded, timeout_s, "every stored event is folded", 0.05)

    def audit(self, **options: Any) -> Audit:
        """What is wrong with the rows now."""
        return audited(self.ports.store, self.ports.rows, **options)

    def prove(self, **options: Any) -> Audit:
        """Everything is folded, and the rows are right."""
        found = self.audit(**options)
        assert found.wrong == []
        assert found.caught_up, found
        return found


@contextmanager
def at_sea(postgres: str, kafka: str, *, where: Place | None = None, parts_of: App | None = None, **options: Any) -> Iterator[Sea]:
    """A sea on PostgreSQL and Kafka; its processes end with it. `parts_of` an app whose twin `app` names."""
    there = where or place(postgres, kafka, **options)
    with ports(there, twin(parts_of, there.name) if parts_of else None) as opened, Fleet() as fleet:
        yield Sea(there, opened, fleet)
