"""Which generations of a group a process folds: the live one, and the one it replaced for as long as somebody reads it.

    rebuild swaps ─▶ green is live: a second projector starts beside the first ─▶ blue is fenced: the first one ends

Green is filled by the rebuild alone. Code that is older than the live generation goes on with the blue one that it can read.
"""

import os
import threading

from hosts.settings import bus_settings
from hosts.telemetry import telemetry
from hosts.vitals import VITALS
from runtime.domain import App
from runtime.errors import Stopped, Unavailable
from runtime.flow.project import Projector, open_generation
from runtime.flow.world import WORLD
from runtime.ports import Bus, EventStore, Generation, Phase, ReadStore, Signals
from runtime.steps import run

LOOK_S = 0.5
JOIN_S = 30.0


class Folding:
    """A projector on a thread of its own for each of them."""

    def __init__(self, app: App, group: str, store: EventStore, rows: ReadStore, bus: Bus, signals: Signals) -> None:
        self._app, self._group, self._store, self._rows, self._bus, self._signals = app, group, store, rows, bus, signals
        # unique for every start: a pod that is restarted keeps its name and process number, and still counts as another holder
        self._holder = f"{os.uname().nodename}-{os.getpid()}-{WORLD.token()[:8]}"
        self._watched = bus_settings().watched
        self._threads: dict[int, threading.Thread] = {}
        self._failed: list[Exception] = []

    def start(self, stop: threading.Event) -> list[int]:
        """Make the live generation if there is none, and start; which ones. Raises `Stopped` when this code can fold none of them."""
        if not self._mine():
            run(open_generation(self._app, self._group, self._store, self._rows))
        self._start(stop)
        return sorted(self._threads)

    def loop(self, stop: threading.Event) -> None:
        """Until told to stop, or until a projector stops for good: then that is raised."""
        pulse = VITALS.watch("look for generations")
        try:
            while not stop.wait(LOOK_S):
                try:
                    self._start(stop)
                    pulse(None)
                except Unavailable as error:
                    pulse(error)
        finally:
            stop.set()
            for thread in self._threads.values():
                thread.join(JOIN_S)
        if self._failed:
            raise self._failed[0]

    def _mine(self) -> list[Generation]:
        """Live and blue generations that this code can fold, from the store as it is now."""
        schema, epoch = self._app.groups[self._group].schema, self._store.epoch()
        readable = [one for one in self._rows.generations(self._group) if one.phase in (Phase.LIVE, Phase.BLUE)]
        return [one for one in readable if (one.schema, one.epoch) == (schema, epoch)]

    def _start(self, stop: threading.Event) -> None:
        mine = self._mine()
        if not mine and not any(thread.is_alive() for thread in self._threads.values()):
            mine = [run(open_generation(self._app, self._group, self._store, self._rows))]  # says why there is none
        for generation in mine:
            if generation.number not in self._threads:
                thread = threading.Thread(target=self._fold, args=(generation, stop), name=f"generation {generation.number}", daemon=True)
                self._threads[generation.number] = thread
                thread.start()

    def _fold(self, generation: Generation, stop: threading.Event) -> None:
        name = f"generation {generation.number}"
        pulse = VITALS.watch(name)
        try:
            Projector(
                self._app,
                generation,
                self._store,
                self._rows,
                self._bus,
                self._signals,
                holder=self._holder,
                watched=self._watched,
                telemetry=telemetry(),
                pulse=pulse,
            ).loop(stop)
        except Exception as error:  # noqa: BLE001  raised by `loop`; a generation that is not live any more stops alone
            if not isinstance(error, Stopped) or self._is_live(generation):
                self._failed.append(error)
                stop.set()
        finally:
            VITALS.forget(name)

    def _is_live(self, generation: Generation) -> bool:
        try:
            return any(one.number == generation.number and one.phase is Phase.LIVE for one in self._rows.generations(self._group))
        except Unavailable:
            return True
