"""The relay: what the store holds and the bus does not, stream by stream, in order.

claim streams with unpublished events ──▶ publish, acknowledged ──▶ mark them published, unless more came

It never sits in the command function, and it may die anywhere: what it published twice is a repeat, which nobody folds again.
"""

from threading import Event

from runtime.domain.app import App
from runtime.errors import Unavailable
from runtime.flow.cloudevents import to_bus
from runtime.flow.pulse import Pulse, unwatched
from runtime.flow.telemetry import SILENT, Telemetry
from runtime.flow.world import WORLD, World, backoff
from runtime.ports import Bus, Envelope, Head, Relay
from runtime.steps import Steps, ask, run

BATCH = 2_000  # events
LEASE_S = 5.0
FIRST_IDLE_S, IDLE_S = 0.01, 0.2  # between looks that find nothing: soon after there was something, seldom later


class Relaying:
    """Moves events from a store's outbox to the bus."""

    def __init__(
        self, app: App, relay: Relay, bus: Bus, world: World = WORLD, telemetry: Telemetry = SILENT, pulse: Pulse = unwatched
    ) -> None:
        self._source = f"/trimaran/{app.name}"
        self._relay, self._bus, self._world, self._telemetry, self._pulse = relay, bus, world, telemetry, pulse
        self.published = 0

    def once(self) -> Steps[int]:
        """One round: how many events went out."""
        started = self._telemetry.started()
        pending = yield from ask(self._relay.claim, BATCH, LEASE_S)
        if not pending:
            return 0
        envelopes = [Envelope(one.stream, to_bus(event, self._source)) for one in pending for event in one.events]
        yield from ask(self._bus.publish, envelopes)
        self._pulse(None)  # claim, publish and mark may take 30, 15 and 30 s where everything is slow
        yield from ask(self._relay.mark, [Head(one.stream, one.last) for one in pending])
        self.published += len(envelopes)
        if started:
            self._telemetry.hop("relay", (event for one in pending for event in one.events), started)
            self._telemetry.count("relayed", len(envelopes))
        return len(envelopes)

    def loop(self, stop: Event) -> None:
        """Relay until told to stop; a bus or store that is away is asked again with backoff."""
        failures, idle_s = 0, FIRST_IDLE_S
        while not stop.is_set():
            try:
                sent = run(self.once())
                failures = 0
                self._pulse(None)
                if sent:
                    idle_s = FIRST_IDLE_S
                else:
                    self._relay.wait(idle_s)
                    idle_s = min(IDLE_S, idle_s * 1.5)
            except Unavailable as error:
                failures += 1
                self._pulse(error)
                stop.wait(backoff(failures, self._world))
