"""The simulated system: one set of memory providers and the processes around them, composed as the hosts do it.

A plant (a bug put in on purpose) replaces a piece here, never in shipped code.
"""

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from msgspec import Struct

from apps.shop import PATIENCE
from providers.memory.bus import Chaos, MemoryBus
from providers.memory.events import MemoryEventStore
from providers.memory.relay import MemoryRelay
from providers.memory.rows import MemoryReadStore
from providers.memory.signals import MemorySignals
from providers.memory.snapshots import MemorySnapshots
from runtime.flow.command import Commands
from runtime.flow.dispatch import Dispatcher
from runtime.flow.letters import Letters
from runtime.flow.project import SYNC_EVERY_S, Projector, open_generation
from runtime.flow.reading import Reading
from runtime.flow.rebuild import Rebuild
from runtime.flow.relay import Relaying
from runtime.flow.sink import Sink
from runtime.ports import Generation
from runtime.steps import run
from tests.simulation.domain import app, medicine
from tests.simulation.scheduler import Scheduler
from tests.simulation.weather import Weather
from tests.simulation.world import VirtualWorld

GROUPS = ("rows", "selling")


class Pieces(Struct, frozen=True):
    """The classes that a run is made of; a plant puts its own in place of one."""

    store: type[MemoryEventStore] = MemoryEventStore
    relay: type[MemoryRelay] = MemoryRelay
    rows: type[MemoryReadStore] = MemoryReadStore
    commands: type[Commands] = Commands
    relaying: type[Relaying] = Relaying
    projector: type[Projector] = Projector
    dispatcher: type[Dispatcher] = Dispatcher
    rebuild: type[Rebuild] = Rebuild
    letters: type[Letters] = Letters


class Cluster:
    """Providers, and the cores over them as one process sees them (`world` is the process's)."""

    def __init__(self, scheduler: Scheduler, weather: Weather, pieces: Pieces) -> None:
        self.scheduler, self.pieces = scheduler, pieces
        dice, clock = scheduler.dice, scheduler.clock
        self.store = pieces.store()
        self.snapshots = MemorySnapshots()
        self.relay = pieces.relay(self.store, clock.monotonic)
        self.chaos = Chaos(dice.getrandbits(32), weather.duplicate, weather.window, weather.drop)
        capacity = dice.choice((100_000, 100_000, 100_000, 40))
        self.bus = MemoryBus(dice.choice((1, 2, 3, 8)), capacity, self.chaos, blocking=False)
        self.rows = pieces.rows(clock.now, blocking=False)
        self.signals = MemorySignals(1_000_000, blocking=False)
        self.batch = dice.choice((3, 20, 2_000))
        self.sync_every_s = dice.choice((4.0, SYNC_EVERY_S))
        scheduler.leaps = (1.0, 6.0, SYNC_EVERY_S + 1.0, PATIENCE.total_seconds() / 2, PATIENCE.total_seconds() + 1.0)
        scheduler.disturb = self._trim
        medicine.mended = False
        for group in GROUPS:
            run(open_generation(app, group, self.store, self.rows))

    def commands(self, world: VirtualWorld) -> Commands:
        """The command path."""
        return self.pieces.commands(app, self.store, self.snapshots, world)

    def relaying(self, world: VirtualWorld) -> Relaying:
        """The relay."""
        return self.pieces.relaying(app, self.relay, self.bus, world)

    def projector(self, generation: Generation, world: VirtualWorld) -> Projector:
        """A member of a generation's consumer group."""
        return self.pieces.projector(
            app, generation, self.store, self.rows, self.bus, self.signals, batch=self.batch, sync_every_s=self.sync_every_s, world=world
        )

    def dispatcher(self, world: VirtualWorld) -> Dispatcher:
        """The saga's dispatcher."""
        return self.pieces.dispatcher(app, "selling", self.rows, self.commands(world), world)

    def rebuild(self, group: str, world: VirtualWorld) -> Rebuild:
        """An operator's rebuild of a group."""
        return self.pieces.rebuild(app, group, self.store, self.rows, self.bus, self.signals, world)

    def letters(self, generation: Generation, world: VirtualWorld) -> Letters:
        """An operator's dead letters of a generation."""
        sink = Sink(
            app, generation.group, generation.number, self.store, self.rows, self.signals, epoch=generation.epoch, guest=True, world=world
        )
        return self.pieces.letters(sink)

    def reading(self, world: VirtualWorld) -> Reading:
        """A gateway's reads."""
        return Reading(app, self.rows, world)

    def calm(self) -> None:
        """The bus delivers everything from now on; what it held back comes."""
        self.scheduler.calm()
        self.chaos._drop = self.chaos._duplicate = 0.0
        self.chaos._window = 0

    def _trim(self) -> None:
        partition = self.scheduler.dice.randrange(self.bus.partitions)
        log = self.bus._logs[partition]
        self.bus.trim(partition, self.scheduler.dice.randint(log.begin, log.end))


@contextmanager
def small_limits(dice: random.Random) -> Iterator[None]:
    """Pages and batches so small that a short run meets their edges."""
    page = dice.choice((3, 40, 10_000))
    with ExitStack() as stack:
        for name, value in (
            ("sync.PAGE", page),
            ("sync.CHUNK", dice.choice((3, 2_000))),
            ("rebuild.PAGE", page),
            ("rebuild.REMAINDER", dice.choice((2, 500))),
            ("letters.CHUNK", dice.choice((2, 1_000))),
            ("sink.GAP_READ", dice.choice((2, 1_000))),
            ("sink.CAREFUL_STREAMS", dice.choice((1, 20))),
            ("relay.BATCH", dice.choice((4, 2_000))),
            ("dispatch.BATCH", dice.choice((2, 500))),
        ):
            stack.enter_context(patch(f"runtime.flow.{name}", value))
        yield
