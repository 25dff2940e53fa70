"""One run of a seed: a workload, a storm of some hundred requests, then calm until everything is settled, then the audit.

The workload is drawn from the seed as well: some callers, orders that run out of stock, of credit or of time, notes that are poison.
"""

import random
from functools import partial

from msgspec import Struct

from apps import shop
from runtime.errors import Rejected
from runtime.flow.command import Outcome as Told
from runtime.flow.project import SYNC_EVERY_S
from runtime.ports import Answer, Generation, Letter
from tests.simulation import audit, lives
from tests.simulation.cluster import GROUPS, Cluster, Pieces, small_limits
from tests.simulation.domain import Write, app
from tests.simulation.lives import Diary, Intent, Rebuilding
from tests.simulation.scheduler import Process, Scheduler
from tests.simulation.watch import Watch
from tests.simulation.weather import forecast
from tests.simulation.world import START, VirtualWorld

STORM = 400  # requests under faults
REST = 8_000  # requests in which a calm system must come to rest
HOUR = 3600.0


class Outcome(Struct, frozen=True):
    """What a clean run was like: two runs of one seed have equal ones."""

    seed: int
    steps: int
    digest: int
    events: int
    swaps: int
    parked: int
    faults: dict[str, int]


class Simulation:
    """A seed's system and its people."""

    def __init__(self, seed: int, pieces: Pieces) -> None:
        dice = random.Random(f"forecast {seed}")
        self.weather = forecast(dice)
        self.scheduler = Scheduler(seed, self.weather)
        self.cluster = Cluster(self.scheduler, self.weather, pieces)
        self.settling = self.mending = False
        self.stale = 0
        self.letters: set[tuple[str, str]] = set()
        self._tokens: list[str] = []
        self.intents = workload(self.scheduler.dice)
        self.watch = Watch(self)
        self.rebuilding = Rebuilding(self._rebuilds())
        self._hire()

    # the people
    def _rebuilds(self) -> list[str]:
        return self.scheduler.dice.choice(([], [], [], ["rows"], ["rows"], ["selling"], ["rows", "selling"], ["rows", "rows"]))

    def _hire(self) -> None:
        dice, spawn = self.scheduler.dice, self.scheduler.spawn
        for number in range(dice.randint(2, 3)):
            spawn(f"client {number}", partial(lives.client, self, self._diary(number)), self._skew())
        for number in range(dice.randint(1, 2)):
            spawn(f"relay {number}", partial(lives.relay, self), self._skew())
            spawn(f"dispatch {number}", partial(lives.dispatcher, self), self._skew())
        for group in GROUPS:
            for number in range(dice.randint(1, 3)):
                spawn(f"{group} {number}", partial(lives.projector, self, group), self._skew())
        spawn("operator", partial(lives.operator, self, self.rebuilding))
        spawn("physician", partial(lives.physician, self))
        for number in range(2):
            spawn(f"reader {number}", partial(lives.reader, self))

    def _skew(self) -> float:
        return self.scheduler.dice.choice((0.0, 0.0, HOUR, -HOUR))

    def _diary(self, number: int) -> Diary:
        """The first caller wants everything; the others want some of it too, in another order, and everybody repeats himself."""
        dice = self.scheduler.dice
        mine = [intent for intent in self.intents if number == 0 or dice.random() < 0.4]
        if number:
            dice.shuffle(mine)
        return Diary([again for intent in mine for again in [intent] * dice.choice((1, 1, 1, 2))])

    def staff(self, group: str, green: Generation) -> None:
        """Give a green generation a projector of its own, once."""
        name = f"{group} green {green.number}"
        if all(process.name != name for process in self.scheduler.processes):
            self.scheduler.spawn(name, partial(self._green, group, green))

    def _green(self, group: str, green: Generation, process: Process):  # type: ignore[no-untyped-def]
        return lives.projector(self, group, process, green)

    def heard(self, intent: Intent, outcome: Told) -> bool:
        """Whether a caller knows now what became of its command; readers may ask for what it says."""
        match outcome:
            case Answer():
                intent.answers.append(outcome)
                if outcome.stream.startswith("stock-"):
                    self._tokens.append(outcome.token)
                return True
            case Rejected():
                intent.refusals += 1
                return True
            case _:
                return False

    def any_token(self, world: VirtualWorld) -> str | None:
        """A token that somebody was told."""
        return self._tokens[int(world.jitter() * len(self._tokens))] if self._tokens else None

    def parked(self, letter: Letter) -> None:
        """An operator saw a letter."""
        self.letters.add((letter.part, letter.stream))

    # the course of a run
    def run(self) -> Outcome:
        """Storm, calm, audit."""
        self.scheduler.run(STORM)
        self.cluster.calm()
        self.settling = True
        self._settle()
        audit.audit(self)
        scheduler = self.scheduler
        events = sum(head.version for head in self.cluster.store.heads("", 10_000))
        return Outcome(
            scheduler.seed,
            scheduler.steps,
            audit.digest(self, scheduler.digest),
            events,
            self.rebuilding.swaps,
            len(self.letters),
            dict(sorted({**scheduler.faults, "dropped": self.cluster.chaos.dropped, "duplicated": self.cluster.chaos.duplicated}.items())),
        )

    def _settle(self) -> None:
        self._rest()  # a poison is parked by now, or somebody still dies of it
        audit.no_stale_timers(self)
        self.mending = True
        for _ in range(10):
            before = audit.fingerprint(self)
            self._rest()
            self.scheduler.leap(SYNC_EVERY_S + shop.PATIENCE.total_seconds())
            self._rest()
            if audit.fingerprint(self) == before:
                return
        raise self.scheduler.fail("it never settles: something is still moving after ten times the patience of a sale")

    def _rest(self) -> None:
        """Until nobody has anything to do."""
        processes = self.scheduler.processes
        for process in processes:
            process.idle = 0
        until = self.scheduler.steps + REST
        while self.scheduler.steps < until:
            self.scheduler.run(25)
            if all(process.over or process.idle >= 2 or process.name.startswith("reader") for process in processes):
                return
        busy = ", ".join(process.name for process in processes if not process.over and process.idle < 2)
        raise self.scheduler.fail(f"no rest after {REST:,} calm requests: {busy}")


def workload(dice: random.Random) -> list[Intent]:
    """What callers want in this run."""
    skus = [f"sku{n}" for n in range(dice.randint(1, 3))]
    wanted = [Intent(shop.Restock(dice.choice(skus), dice.randint(1, 6)), f"restock-{n}") for n in range(dice.randint(2, 6))]
    for n in range(dice.randint(2, 7)):
        amount = dice.choice((5_00, 99_00, 2_000_00))  # the last is beyond the credit
        at = START.replace(minute=dice.randrange(3))
        order = shop.PlaceOrder(f"o{n}", "ann", dice.choice(skus), dice.randint(1, 4), amount, at)
        wanted.append(Intent(order, f"place-{n}"))
        if dice.random() < 0.2:  # somebody else wants the same order id
            wanted.append(Intent(shop.PlaceOrder(f"o{n}", "bob", dice.choice(skus), 1, 1_00, at), f"place-{n}-too"))
    texts = ["plain", "plain", "tear", *dice.choice(([], ["poison"], ["deadly"], ["poison", "deadly"]))]
    wanted += [
        Intent(Write(f"n{dice.randrange(3)}", dice.choice(texts), dice.randint(1, 9)), f"write-{n}") for n in range(dice.randint(2, 10))
    ]
    dice.shuffle(wanted)
    return wanted


def simulate(seed: int, pieces: Pieces | None = None) -> Outcome:
    """Play a seed; `Broken` says what went wrong."""
    with small_limits(random.Random(f"limits {seed}")):
        return Simulation(seed, pieces or Pieces()).run()


assert all(group in app.groups for group in GROUPS)
