"""What commands that work on the stores open, and close again."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from msgspec import Struct

from hosts.providers import Events, open_events, open_rows, refuse_memory
from hosts.settings import Settings, load_app
from runtime.domain import App
from runtime.flow.project import open_generation
from runtime.flow.reading import Reading
from runtime.ports import EventStore, ReadStore
from runtime.steps import run


class Opened(Struct):
    """An app with its stores."""

    app: App
    events: Events
    rows: ReadStore

    @property
    def reading(self) -> Reading:
        """Its rows."""
        return Reading(self.app, self.rows)


@contextmanager
def opened_events(told: Settings) -> Iterator[tuple[App, Events]]:
    """The event store alone. memory:// is refused: it would be empty, and gone afterwards."""
    app = load_app(told.app)
    refuse_memory(told.events, "events")
    events = open_events(told.events, app)
    try:
        yield app, events
    finally:
        events.store.close()


@contextmanager
def opened(told: Settings) -> Iterator[Opened]:
    """Event store and read store."""
    with ExitStack() as stack:
        app, events = stack.enter_context(opened_events(told))
        refuse_memory(told.rows, "rows")
        rows = open_rows(told.rows, app)
        stack.callback(rows.close)
        yield Opened(app, events, rows)


def prepare(app: App, store: EventStore, rows: str) -> None:
    """Before the first command of an empty store: make the groups' rows, so that a saga need not ask later whether its own were lost."""
    if store.heads("", 1) or not any(group.saga for group in app.groups.values()):
        return
    refuse_memory(rows, "rows")
    opened_rows = open_rows(rows, app)
    try:
        for group in app.groups:
            run(open_generation(app, group, store, opened_rows))
    finally:
        opened_rows.close()
