"""An app on memory ports whose every hop is one step that a test takes, so that races happen when the test says so."""

import random
from datetime import datetime, timedelta
from typing import Any

from providers.memory.bus import MemoryBus
from providers.memory.chaos import Chaos
from providers.memory.events import MemoryEventStore
from providers.memory.relay import MemoryRelay
from providers.memory.rows import MemoryReadStore
from providers.memory.signals import MemorySignals
from runtime.domain import App
from runtime.domain.filters import Query
from runtime.domain.rows import as_json
from runtime.flow.command import Commands
from runtime.flow.dispatch import Dispatcher
from runtime.flow.project import Projector, open_generation
from runtime.flow.reading import Reading
from runtime.flow.relay import Relaying
from runtime.steps import run


class Stepping:
    """`step` is one hop, chosen by the seed or by name; `finish` lets everything come to rest."""

    def __init__(self, app: App, start: datetime, chaos: Chaos | None = None) -> None:
        self.app = app
        self.store = MemoryEventStore()
        self.rows = MemoryReadStore(blocking=False)
        self.rows.set_clock(start)
        self.bus = MemoryBus(4, chaos=chaos, blocking=False)
        self.commands = Commands(app, self.store)
        relaying = Relaying(app, MemoryRelay(self.store, clock=lambda: 0.0), self.bus)
        signals = MemorySignals(blocking=False)
        self.projectors: dict[str, Projector] = {}
        self.hops: dict[str, Any] = {"relay": relaying.once}
        for group in app.groups.values():
            generation = run(open_generation(app, group.name, self.store, self.rows))
            projector = Projector(app, generation, self.store, self.rows, self.bus, signals, holder=group.name, batch=3)
            self.projectors[group.name] = projector
            self.hops[f"project {group.name}"] = lambda projector=projector: projector.once(0.0)
            if group.saga:
                dispatcher = Dispatcher(app, group.name, self.rows, self.commands)
                self.hops[f"dispatch {group.name}"] = dispatcher.once

    def step(self, name: str) -> int:
        """One hop."""
        moved: int = run(self.hops[name]())
        return moved

    def wander(self, chance: random.Random, steps: int) -> None:
        """So many hops in an order that the seed chooses."""
        for _ in range(steps):
            self.step(chance.choice(sorted(self.hops)))

    def later(self, delta: timedelta) -> None:
        """Move the saga clock."""
        self.rows.set_clock(self.rows.clock() + delta)

    def finish(self) -> None:
        """Hop until nothing moves, lost messages found by sync."""
        for _ in range(1_000):
            moved = sum(self.step(name) for name in self.hops)
            if not moved:
                moved = sum(run(projector.sync.run()) for projector in self.projectors.values())
            if not moved:
                return
        raise AssertionError("it never comes to rest")

    def shown(self, part: str) -> list[dict[str, Any]]:
        """All rows of a part."""
        reading = Reading(self.app, self.rows)
        columns = reading.columns(part).columns
        _, page = run(reading.query(part, Query(first=1_000)))
        return [as_json(columns, row.values) or {} for _, row in page.rows]

    def events(self, category: str) -> list[Any]:
        """All stored events of a category, stream by stream."""
        found: list[Any] = []
        for head in self.store.heads("", 100_000):
            if self.app.category_of(head.stream) == category:
                stored = self.store.read(head.stream, 0, 10_000)
                found += self.app.stream_codec(category).decode([event.data for event in stored])
        return found
