"""One thread that plays every process: the dice pick who performs its next request, and what goes wrong with it.

A process is a generator of requests (the shipped cores inside a life of their own). Between two requests nothing happens, so every
interleaving of a real system with these cores is a sequence of picks here, and a seed names it.

    pick a process ─▶ its request meets a fault? ─▶ perform it ─▶ watchers look ─▶ the reply, or an error, goes into the core
"""

import random
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from providers.memory.bus import MemoryConsumer
from providers.memory.rows_locks import WouldBlock
from providers.memory.rows_transaction import MemoryTransaction
from runtime.errors import Stopped, TrimaranError, Unavailable
from runtime.ports import Writes
from runtime.steps import Request, Steps
from tests.simulation.domain import Killed
from tests.simulation.weather import CALM, Weather
from tests.simulation.world import Clock, VirtualWorld

STEP_S = 0.002  # virtual time of a request
TAIL = 80  # requests that a failure shows
BACK_AFTER_S = 0.5  # a crashed process is started again within about this
ENDS = frozenset({"commit", "rollback"})
SESSION_S = 0.3  # the broker notices a dead member within about this

type Life = Callable[["Process"], Steps[None]]


class Broken(AssertionError):
    """The system did what it promises never to do; the text says what, and how it came to it."""


class Process:
    """A simulated operating system process: what is in it dies with it."""

    __slots__ = (
        "blocked",
        "consumer",
        "core",
        "idle",
        "life",
        "name",
        "paused",
        "request",
        "rounds",
        "stopping",
        "transactions",
        "wake",
        "world",
    )

    def __init__(self, name: str, life: Life, world: VirtualWorld) -> None:
        self.name, self.life, self.world = name, life, world
        self.core: Steps[None] | None = None
        self.request: Request | None = None
        self.wake = 0.0  # not before
        self.paused = 0  # until this step
        self.blocked = -1  # waits for a lock since so many were given back
        self.idle = 0  # rounds in a row in which there was nothing to do
        self.rounds = 0
        self.stopping = False  # was told to end in an orderly way
        self.consumer: MemoryConsumer | None = None
        self.transactions: dict[MemoryTransaction, list[Writes]] = {}

    @property
    def over(self) -> bool:
        """It ended by itself, for good."""
        return self.core is None and self.wake == float("inf")


class Scheduler:
    """Plays the processes; `watchers` see each request of a name that took effect, as `watcher(process, request, reply)`."""

    def __init__(self, seed: int, weather: Weather) -> None:
        self.dice = random.Random(seed)
        self.clock = Clock()
        self.seed, self.weather = seed, weather
        self.processes: list[Process] = []
        self.watchers: dict[str, Callable[[Process, Request, Any], None]] = {}
        self.leaps: Sequence[float] = (1.0,)
        self.disturb: Callable[[], None] = lambda: None
        self.steps = self.freed = self.digest = 0
        self.tail: deque[tuple[int, float, str, str, str, str]] = deque(maxlen=TAIL)
        self.faults: dict[str, int] = {}
        self._agenda: list[tuple[float, Callable[[], None]]] = []

    def spawn(self, name: str, life: Life, skew: float = 0.0) -> Process:
        """Start a process."""
        process = Process(name, life, VirtualWorld(self.clock, self.dice, skew))
        self.processes.append(process)
        return process

    def run(self, steps: int) -> None:
        """So many requests, or fewer if everybody ended."""
        until = self.steps + steps
        while self.steps < until and self._turn():
            pass

    def calm(self) -> None:
        """From now on nothing goes wrong; who was paused goes on."""
        self.weather = CALM
        for process in self.processes:
            process.paused = 0

    def leap(self, seconds: float) -> None:
        """Time passes at once."""
        self.clock.seconds += seconds

    def fail(self, text: str) -> Broken:
        """The error to raise, with the seed and the last requests."""
        lines = [f"{step:5} {now:9.3f} {name:12} {call:14} {fault:8} {outcome}" for step, now, name, call, fault, outcome in self.tail]
        return Broken(f"seed {self.seed}, step {self.steps}: {text}\n" + "\n".join(lines))

    # one turn
    def _turn(self) -> bool:
        ready = self._ready()
        if not ready:
            return False
        self.steps += 1
        self.clock.seconds += STEP_S
        process = self.dice.choice(ready)
        if process.core is None:
            self._start(process)
        else:
            self._perform(process)
        return True

    def _ready(self) -> list[Process]:
        while True:
            now, step, freed = self.clock.seconds, self.steps, self.freed
            if self._agenda:
                self._keep_dates(now)
            ready = [one for one in self.processes if one.wake <= now and one.paused <= step and one.blocked != freed]
            if ready:
                return ready
            if paused := [one for one in self.processes if one.paused > step and not one.over]:
                min(paused, key=lambda one: one.paused).paused = 0
                continue
            waking = [one.wake for one in self.processes if one.wake != float("inf") and one.blocked != freed]
            if not waking:
                if any(one.blocked == freed and not one.over for one in self.processes):
                    raise self.fail("deadlock: everybody waits for a lock that somebody waiting holds")
                return []
            self.clock.seconds = max(now, min(waking))

    def _keep_dates(self, now: float) -> None:
        due = [do for at, do in self._agenda if at <= now]
        if due:
            self._agenda = [(at, do) for at, do in self._agenda if at > now]
            for do in due:
                do()

    def _start(self, process: Process) -> None:
        process.core = process.life(process)
        process.idle = 0
        self._go_on(process, "start", "", None)

    def _perform(self, process: Process) -> None:
        request = process.request
        assert request is not None
        call = request.name
        fault = "" if self.weather is CALM else self.weather.pick(self.dice, request, call)
        if fault:
            self.faults[fault] = self.faults.get(fault, 0) + 1
            request = self._strike(process, request, fault)
            if request is None:
                return
        if call == "sleep":
            process.wake = self.clock.seconds + request.args[0]
            self._go_on(process, "sleep", fault, None)
            return
        reply = self._try(process, request, call)
        if isinstance(reply, WouldBlock):
            process.blocked = self.freed
            return
        process.blocked = -1
        if fault == "died":
            self._note(process, call, fault, reply)
            self.crash(process)
        elif fault in ("doubt", "partial") and not isinstance(reply, Exception):
            self._go_on(process, call, fault, Unavailable(f"{call}: no answer", in_doubt=True))
        else:
            self._go_on(process, call, fault, reply)

    def _try(self, process: Process, request: Request, call: str) -> Any:
        try:
            reply = request.call(*request.args)
        except (TrimaranError, WouldBlock) as error:
            if call in ENDS:
                self._ended(process, request)
            return error
        if call == "begin":
            process.transactions[reply] = []
        elif call == "write":
            process.transactions[request.call.__self__].append(request.args[0])  # type: ignore[attr-defined]
        watcher = self.watchers.get(call)
        if watcher is not None:
            watcher(process, request, reply)
        if call in ENDS:
            self._ended(process, request)
        return reply

    def _ended(self, process: Process, request: Request) -> None:
        if process.transactions.pop(request.call.__self__, None) is not None:  # type: ignore[attr-defined]
            self.freed += 1

    def _go_on(self, process: Process, call: str, fault: str, reply: Any) -> None:
        self._note(process, call, fault, reply)
        core = process.core
        assert core is not None
        try:
            process.request = core.throw(reply) if isinstance(reply, Exception) else core.send(reply)
        except StopIteration:
            self._end(process, float("inf"))
        except Killed:
            self.faults["killed"] = self.faults.get("killed", 0) + 1
            self.crash(process)
        except Broken:
            raise
        except Stopped as error:
            raise self.fail(f"{process.name} stopped: {error}") from error
        except Exception as error:
            raise self.fail(f"{process.name} failed: {type(error).__name__}: {error}") from error

    def _note(self, process: Process, call: str, fault: str, reply: Any) -> None:
        outcome = str(len(reply)) if type(reply) is list else type(reply).__name__
        self.tail.append((self.steps, self.clock.seconds, process.name, call, fault, outcome))
        self.digest = zlib.crc32(f"{process.name} {call} {fault} {outcome}".encode(), self.digest)

    # faults
    def _strike(self, process: Process, request: Request, fault: str) -> Request | None:
        """Do to the process what strikes it; None when its request is not performed now."""
        match fault:
            case "crash":
                self._note(process, request.name, fault, None)
                self.crash(process)
                return None
            case "refused":
                self._kill(process, request)
                self._go_on(process, request.name, fault, Unavailable(f"{request.name}: connection refused"))
                return None
            case "pause":
                self.pause(process)
                return None
            case "leap":
                self.leap(self.dice.choice(self.leaps))
            case "bus":
                self.disturb()
            case "term":
                process.stopping = True
            case "partial":
                return Request(request.call, (request.args[0][: self.dice.randrange(len(request.args[0]))],))
            case _:  # died, doubt: it takes effect first
                pass
        return request

    def _kill(self, process: Process, request: Request) -> None:
        """The connection is gone: the database rolls back what was open on it."""
        transaction = getattr(request.call, "__self__", None)
        if isinstance(transaction, MemoryTransaction) and transaction in process.transactions:
            transaction.kill()
            self.freed += 1

    def crash(self, process: Process) -> None:
        """Kill -9; a supervisor starts it again. The broker notices at once, or when its session runs out."""
        if process.consumer is not None:
            expire = process.consumer.crash
            if self.dice.random() < 0.5:
                expire()
            else:
                self._agenda.append((self.clock.seconds + self.dice.random() * SESSION_S, expire))
        self._end(process, self.clock.seconds + self.dice.random() * (0.02 if self.weather is CALM else BACK_AFTER_S))

    def _end(self, process: Process, wake: float) -> None:
        core, process.core, process.request = process.core, None, None
        if core is not None:
            core.close()
        for transaction in process.transactions:
            transaction.kill()
            self.freed += 1
        process.transactions.clear()
        process.consumer, process.wake, process.blocked, process.stopping = None, wake, -1, False

    def pause(self, process: Process) -> None:
        """SIGSTOP: others may take over what it had; when it goes on, it does not know."""
        self._note(process, "", "pause", None)
        process.paused = self.steps + self.dice.randrange(5, 120)
        if process.consumer is not None and self.dice.random() < 0.8:
            process.consumer.expire()
        if process.transactions and self.dice.random() < 0.5:
            for transaction in process.transactions:
                transaction.kill()
                self.freed += 1
