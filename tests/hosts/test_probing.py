"""A gateway's health is that of the rows it reads; a probe says why not, without saying where, and does not load the database."""

import time

from apps.shop import app
from hosts.probing import AGAIN_S, Probe
from hosts.providers import open_events, open_rows
from providers.memory.events import MemoryEventStore
from providers.memory.rows import MemoryReadStore
from runtime.flow.project import open_generation
from runtime.steps import run
from tests.servers.postgres import PostgresServer


def test_without_rows_that_its_code_can_read_it_is_not_well_and_says_the_way_out() -> None:
    rows = MemoryReadStore()
    well, told = Probe(app, rows)()
    assert (well, told["app"]) == (False, "shop")
    assert "start a projector" in told["failure"]
    run(open_generation(app, "rows", MemoryEventStore(), rows))
    assert Probe(app, rows)() == (True, {"app": "shop", "failure": None})


def test_a_look_is_kept_for_a_moment() -> None:
    rows = MemoryReadStore()
    probe = Probe(app, rows)
    assert not probe()[0]
    run(open_generation(app, "rows", MemoryEventStore(), rows))
    assert not probe()[0]
    time.sleep(AGAIN_S)
    assert probe()[0]


def test_a_database_that_is_away_is_told_without_its_address(postgres_server: PostgresServer) -> None:
    events, rows = open_events(postgres_server.url, app).store, open_rows(postgres_server.url, app)
    try:
        run(open_generation(app, "rows", events, rows))
        assert Probe(app, rows)()[0]
        postgres_server.stop()
        well, told = Probe(app, rows)()
        assert (well, told) == (False, {"app": "shop", "failure": "the read database does not answer"})
    finally:
        rows.close()
        events.close()
