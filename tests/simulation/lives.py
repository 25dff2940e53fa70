"""What each process does all its life: the shipped core in the loop that its host runs, with requests instead of threads.

Whatever a process must remember over its own death stands in a diary outside of it, as a caller's disk or an operator's head would.
"""

from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

from msgspec import Struct

from runtime.domain.messages import Command
from runtime.errors import Conflict, Fenced, Rejected, Unavailable
from runtime.flow.command import Commands, Outcome, Sending
from runtime.flow.project import POLL_S, Projector, open_generation
from runtime.flow.relay import IDLE_S
from runtime.flow.world import backoff
from runtime.ports import Answer, Generation, Phase
from runtime.steps import Steps, ask
from tests.simulation.domain import app, medicine
from tests.simulation.scheduler import Process

if TYPE_CHECKING:
    from tests.simulation.run import Simulation


class Intent(Struct):
    """A command that some callers want carried out once, and what they were told."""

    command: Command
    key: str
    answers: list[Answer] = []
    refusals: int = 0


class Diary(Struct):
    """A caller's to-do list, duplicates included, and how far it is."""

    intents: list[Intent]
    done: int = 0


def pause(process: Process, seconds: float) -> Steps[None]:
    """Wait."""
    yield from ask(process.world.sleep, seconds)


def client(sim: "Simulation", diary: Diary, process: Process) -> Steps[None]:
    """Sends its commands, one by one or some at once, each until it knows the outcome; after a crash it sends again what it does not know."""
    commands = sim.cluster.commands(process.world)
    while diary.done < len(diary.intents):
        some = diary.intents[diary.done : diary.done + (1 if process.world.jitter() < 0.6 else 3)]
        waiting = list(some)
        for tries in count():
            if len(waiting) == 1:
                outcomes = [(yield from _one(commands, waiting[0]))]
            else:
                outcomes = yield from commands.handle_all([Sending(intent.command, intent.key) for intent in waiting])
            waiting = [intent for intent, outcome in zip(waiting, outcomes, strict=True) if not sim.heard(intent, outcome)]
            if not waiting:
                break
            yield from pause(process, backoff(tries, process.world))
        diary.done += len(some)
        if process.world.jitter() < 0.3:
            yield from pause(process, process.world.jitter() * 0.2)


def _one(commands: Commands, intent: Intent) -> Steps[Outcome]:
    try:
        return (yield from commands.handle(Sending(intent.command, intent.key)))
    except (Rejected, Conflict, Unavailable) as error:
        return error


def relay(sim: "Simulation", process: Process) -> Steps[None]:
    """As `Relaying.loop`."""
    relaying = sim.cluster.relaying(process.world)
    for failures in count():
        try:
            while not process.stopping:
                moved = yield from relaying.once()
                yield from _rest(process, moved, IDLE_S)
        except Unavailable:
            yield from pause(process, backoff(failures, process.world, most_s=1.0))
        if process.stopping:
            process.stopping = False
            relaying = sim.cluster.relaying(process.world)


def dispatcher(sim: "Simulation", process: Process) -> Steps[None]:
    """As `Dispatcher.loop`."""
    dispatching = sim.cluster.dispatcher(process.world)
    for failures in count():
        try:
            while True:
                done = yield from dispatching.once()
                yield from _rest(process, done, IDLE_S)
        except Unavailable:
            yield from pause(process, backoff(failures, process.world, most_s=1.0))


def _rest(process: Process, did: int, seconds: float) -> Steps[None]:
    process.rounds += 1
    if did:
        process.idle = 0
    else:
        process.idle += 1
        yield from pause(process, seconds)


def projector(sim: "Simulation", group: str, process: Process, born: Generation | None = None) -> Steps[None]:
    """As `Projector.loop`, for the generation it was born with or the live one; a fenced one makes it look for the live one again."""
    while True:
        try:
            generation = born or (yield from open_generation(app, group, sim.cluster.store, sim.cluster.rows))
        except Unavailable:
            yield from pause(process, 0.1)
            continue
        born = None
        projecting = sim.cluster.projector(generation, process.world)
        process.consumer = projecting.consumer  # type: ignore[assignment]
        with suppress(Fenced):
            yield from _project(process, projecting)
        with suppress(Unavailable, Fenced):
            yield from projecting.sink.release()
        projecting.consumer.close()
        process.consumer, process.stopping = None, False


def _project(process: Process, projecting: Projector) -> Steps[None]:
    failures = 0
    while not process.stopping:
        try:
            folded = yield from projecting.once()
            failures = 0
        except Unavailable:
            failures += 1
            yield from pause(process, backoff(failures, process.world, most_s=1.0))
            projecting.consumer.rewind()
            continue
        yield from _rest(process, folded, POLL_S)


class Rebuilding(Struct):
    """An operator's notes: which groups to rebuild, and the live generation that was there when the current one began."""

    todo: list[str]
    before: int = 0
    swaps: int = 0
    aborts: int = 0


def operator(sim: "Simulation", notes: Rebuilding, process: Process) -> Steps[None]:
    """Rebuilds groups: start, fill, swap, and later finish; after a crash it looks where things stand."""
    while notes.todo:
        process.idle += sim.settling and not sim.mending  # it may have to wait for the physician
        group = notes.todo[0]
        rebuild = sim.cluster.rebuild(group, process.world)
        try:
            yield from pause(process, process.world.jitter() * 0.5)
            if not notes.before:
                notes.before = (yield from _live(sim, group)).number
            if (yield from _live(sim, group)).number == notes.before:
                green = yield from rebuild.start()
                sim.staff(group, green)
                yield from rebuild.fill(green)
                yield from pause(process, process.world.jitter() * 0.3)
                yield from rebuild.swap()
            notes.swaps += 1
            yield from pause(process, process.world.jitter())
            yield from rebuild.finish()
        except Unavailable:
            yield from pause(process, 0.1)
            continue
        except Rejected:  # a letter only in green: live will park it too, or a redrive mends it
            process.idle += 1
            yield from pause(process, 0.5)
            continue
        notes.before = 0
        notes.todo.pop(0)


def _live(sim: "Simulation", group: str) -> Steps[Generation]:
    generations = yield from ask(sim.cluster.rows.generations, group)
    return next(one for one in generations if one.phase is Phase.LIVE)


def physician(sim: "Simulation", process: Process) -> Steps[None]:
    """Mends the code, then redrives every letter of every generation until none is left."""
    while not sim.mending:
        yield from pause(process, 0.5)
        process.idle += 1
    medicine.mended = True
    while True:
        found = 0
        try:
            for generation in (yield from ask(sim.cluster.rows.generations, "rows")):
                letters = sim.cluster.letters(generation, process.world)
                for letter in (yield from letters.parked()):
                    found += 1
                    sim.parked(letter)
                    yield from letters.redrive(letter.part, letter.stream)
        except Unavailable:
            yield from pause(process, 0.1)
            continue
        except (Rejected, Fenced):  # somebody redrove it, or its generation went
            found = 1
        yield from _rest(process, found, 1.0)


def reader(sim: "Simulation", process: Process) -> Steps[None]:
    """A client of the gateway: reads rows it knows of, its own writes among them, and never sees one grow younger."""
    reading = sim.cluster.reading(process.world)
    seen: dict[str, tuple[int, int]] = {}
    while True:
        yield from pause(process, process.world.jitter() * (10.0 if sim.settling else 0.2))
        token = sim.any_token(process.world)
        if token is None:
            continue
        stream, _, version = token.rpartition("@")
        key = stream.removeprefix("stock-")
        try:
            read = yield from reading.get("shelf", key, after=token, wait_s=0.5)
        except Unavailable:
            continue
        n = int(read.row["n"]) if read.row else 0
        if not read.stale and n < int(version):
            raise sim.scheduler.fail(f"a read of {key!r} after {token} showed only {n} events")
        if read.stale and not read.parked:
            sim.stale += 1
        before, generation = seen.get(key, (0, 0))
        if n < before:
            raise sim.scheduler.fail(
                f"time ran backwards: {key!r} had {before} events in generation {generation}, now {n} in {read.generation}"
            )
        seen[key] = (n, read.generation)
