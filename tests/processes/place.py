"""Where a test's app lives: URLs of its stores and bus under a name of its own, and the ports opened from them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from uuid import uuid4

from msgspec import Struct, structs

from hosts.providers import open_bus, open_events, open_rows
from runtime.domain import App
from runtime.flow.command import Commands
from runtime.flow.reading import Reading
from runtime.ports import Bus, EventStore, ReadStore, Relay, Signals
from tests.processes.domain import NAME, make_app


class Place(Struct, frozen=True):
    """URLs; `app` is loaded by processes, `name` makes the domain of these tests a fresh app with topics and groups of its own."""

    events: str
    rows: str
    bus: str
    name: str
    app: str = "tests.processes.domain:app"

    @property
    def environment(self) -> dict[str, str]:
        """What every host reads."""
        return {
            NAME: self.name,
            "TRIMARAN_APP": self.app,
            "TRIMARAN_EVENTS": self.events,
            "TRIMARAN_ROWS": self.rows,
            "TRIMARAN_BUS": self.bus,
        }


class Ports(Struct):
    """The test's own connections."""

    app: App
    store: EventStore
    relay: Relay
    rows: ReadStore
    bus: Bus
    signals: Signals

    @property
    def commands(self) -> Commands:
        """The command path."""
        return Commands(self.app, self.store)

    @property
    def reading(self) -> Reading:
        """Reads by rows."""
        return Reading(self.app, self.rows)


def place(postgres: str, kafka: str, *, session_ms: int = 1_000, deadline_ms: int = 5_000, app: str = "") -> Place:
    """On PostgreSQL and Kafka; a member that is silent for a second is replaced, so that tests need not wait."""
    bus = f"{kafka}?session_timeout_ms={session_ms}&deadline_ms={deadline_ms}"
    made = Place(postgres, postgres, bus, f"t{uuid4().hex[:12]}")
    return structs.replace(made, app=app) if app else made


@contextmanager
def ports(where: Place, app: App | None = None) -> Iterator[Ports]:
    """Open them all, and close them."""
    with ExitStack() as stack:
        own = app or make_app(where.name)
        events = open_events(where.events, own)
        stack.callback(events.store.close)
        rows = open_rows(where.rows, own)
        stack.callback(rows.close)
        bus, signals = open_bus(where.bus, own)
        stack.callback(bus.close)
        stack.callback(signals.close)
        yield Ports(own, events.store, events.relay, rows, bus, signals)
