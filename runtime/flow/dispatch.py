"""The saga dispatcher: commands and due timers leave the outbox through the same command path as everybody's.

    due by the saga clock ─▶ command path, key = saga:stream@version:n ─▶ took effect: gone · refused: tried again, then stuck

It sends only what was committed, and may send twice: the key makes it once. An unavailable store is not the saga's fault and is
never counted as a try. A command that cannot succeed ends as stuck, visibly.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from threading import Event

from runtime.domain.app import App
from runtime.errors import Conflict, Malformed, Rejected, Unavailable
from runtime.flow.command import Commands, Outcome, Sending
from runtime.flow.pulse import Pulse, unwatched
from runtime.flow.telemetry import SILENT, Telemetry
from runtime.flow.world import WORLD, World, backoff
from runtime.ports import Answer, Output, ReadStore
from runtime.steps import Steps, ask, run

BATCH = 500
IDLE_S = 0.1


class Dispatcher:
    """Sends what one saga wants sent."""

    def __init__(
        self,
        app: App,
        saga: str,
        rows: ReadStore,
        commands: Commands,
        world: World = WORLD,
        telemetry: Telemetry = SILENT,
        pulse: Pulse = unwatched,
    ) -> None:
        self._pulse = pulse
        self._app, self._saga, self._rows, self._commands, self._world, self._telemetry = app, saga, rows, commands, world, telemetry
        self._max_tries: int = next(part.max_tries for part in app.parts if part.name == saga and hasattr(part, "max_tries"))
        self.sent = 0

    def once(self) -> Steps[int]:
        """One round: how many commands took effect."""
        clock = yield from ask(self._rows.clock)
        due = yield from ask(self._rows.due, self._saga, clock, BATCH)
        done = 0
        for wave in waves(self._app, due):
            started = self._telemetry.started()
            outcomes = yield from self._send(wave)
            took_effect = [output for output, outcome in zip(wave, outcomes, strict=True) if isinstance(outcome, Answer)]
            if took_effect:
                yield from ask(self._rows.sent, took_effect)
                self._telemetry.dispatched(self._saga, took_effect, started)
            for output, outcome in zip(wave, outcomes, strict=True):
                yield from self._note(output, outcome, clock)
            done += len(took_effect)
            self._pulse(None)
        self.sent += done
        if done:
            self._telemetry.count("sent", done, saga=self._saga)
        return done

    def _send(self, wave: Sequence[Output]) -> Steps[list[Outcome]]:
        outcomes: dict[int, Outcome] = {}
        sendings: dict[int, Sending] = {}
        for position, output in enumerate(wave):
            try:
                command = self._app.commands.decode(output.command)
            except Malformed as error:
                outcomes[position] = error
            else:
                cause = f"{output.stream}@{output.version}"
                sendings[position] = Sending(command, output.idempotency_key, output.tenant, cause)
        answers = yield from self._commands.handle_all(list(sendings.values()))
        outcomes.update(zip(sendings, answers, strict=True))
        return [outcomes[position] for position in range(len(wave))]

    def _note(self, output: Output, outcome: Outcome, clock: datetime) -> Steps[None]:
        """A refusal is a try, the next one in the saga's own time (no process clock counts); a store that is away, or busy, is none."""
        if isinstance(outcome, Rejected):
            tries = output.tries + 1
            wait = timedelta(seconds=backoff(tries, self._world, first_s=0.5, most_s=60.0))
            again = clock + wait if tries < self._max_tries else None
            yield from ask(self._rows.failed, output, str(outcome)[:500], again)
            if again is None:
                self._telemetry.count("stuck", 1, saga=self._saga)
        elif isinstance(outcome, Conflict | Unavailable):
            return

    def loop(self, stop: Event) -> None:
        """Dispatch until told to stop."""
        failures = 0
        while not stop.is_set():
            try:
                if not run(self.once()):
                    stop.wait(IDLE_S)
                failures = 0
                self._pulse(None)
            except Unavailable as error:
                failures += 1
                self._pulse(error)
                stop.wait(backoff(failures, self._world))


def waves(app: App, outputs: Sequence[Output]) -> list[list[Output]]:
    """Split so that no wave has two commands of one saga key, which keeps the order that the saga chose, and none two for one stream:
    those would conflict with each other, and everything else would wait while they try again.
    """
    split: list[list[Output]] = []
    depth: dict[tuple[str, str], int] = {}
    for output in outputs:
        places = [("key", output.key), ("stream", target(app, output))]
        level = max(depth.get(place, 0) for place in places)
        depth.update(dict.fromkeys(places, level + 1))
        if level == len(split):
            split.append([])
        split[level].append(output)
    return split


def target(app: App, output: Output) -> str:
    """The stream that a command goes to; one that cannot be decoded goes nowhere, and is told so when it is sent."""
    try:
        command = app.commands.decode(output.command)
        return app.plan_of(type(command)).stream(command, output.tenant)
    except Malformed:
        return f"nowhere: {output.idempotency_key}"
