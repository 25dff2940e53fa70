"""All that is parked or stuck in an app, over all groups and generations, and what an operator does about it.

One meaning for the command line and for the studio: a letter is redriven or dropped by the generation it belongs to, a stuck saga's
commands are tried again, or given up.
"""

from runtime.domain.app import App
from runtime.errors import Rejected
from runtime.flow.letters import Letters
from runtime.flow.sink import Sink
from runtime.ports import EventStore, Generation, Letter, Output, Phase, ReadStore, Signals
from runtime.steps import Steps, ask

OUTPUTS = 10_000  # of one saga, looked at for stuck ones

type Parked = tuple[Generation, Letter]


class Operations:
    """An operator's look at an app. `signals` hear of the rows that a redrive changes."""

    def __init__(self, app: App, store: EventStore, rows: ReadStore, signals: Signals) -> None:
        self._app, self._store, self._rows, self._signals = app, store, rows, signals

    def parked(self) -> Steps[list[Parked]]:
        """Every parked letter with its generation; those of fenced generations are nobody's any more."""
        found: list[Parked] = []
        for group in self._app.groups:
            for generation in (yield from ask(self._rows.generations, group)):
                if generation.phase is not Phase.FENCED:
                    letters = yield from ask(self._rows.letters, group, generation.number)
                    found += [(generation, letter) for letter in letters if letter.parked]
        return found

    def parked_at(self, part: str, stream: str) -> Steps[list[Parked]]:
        """The letters of one part on one stream: in two generations while one is rebuilt."""
        return [(one, letter) for one, letter in (yield from self.parked()) if (letter.part, letter.stream) == (part, stream)]

    def stuck(self) -> Steps[list[Output]]:
        """What sagas could not get done."""
        found: list[Output] = []
        for group in self._app.groups.values():
            if group.saga:
                found += [output for output in (yield from ask(self._rows.outputs, group.name, OUTPUTS)) if output.stuck]
        return found

    def stuck_at(self, saga: str, stream: str) -> Steps[list[Output]]:
        """The stuck commands of a saga to events of one stream."""
        return [one for one in (yield from self.stuck()) if (one.saga, one.stream) == (saga, stream)]

    def redrive(self, parked: Parked) -> Steps[int]:
        """Fold what waited; how many events. `Rejected` when the part still cannot."""
        generation, letter = parked
        return (yield from self._letters(generation).redrive(letter.part, letter.stream))

    def drop(self, parked: Parked) -> Steps[int]:
        """Give up the one event, fold what came after it; how many events were folded."""
        generation, letter = parked
        return (yield from self._letters(generation).drop(letter.part, letter.stream))

    def unstick(self, output: Output) -> Steps[None]:
        """Try it again from zero tries."""
        yield from ask(self._rows.unstick, output.saga, [output])

    def give_up(self, output: Output) -> Steps[None]:
        """It is not sent any more."""
        yield from ask(self._rows.sent, [output])

    def _letters(self, generation: Generation) -> Letters:
        number, epoch = generation.number, generation.epoch
        return Letters(Sink(self._app, generation.group, number, self._store, self._rows, self._signals, epoch=epoch, guest=True))


def unknown(part: str, stream: str) -> Rejected:
    """What to say of a letter that is not there."""
    return Rejected(f"{part!r} has parked nothing on {stream!r}: `trimaran dlq list` shows what is parked")
