"""An upgrade's jobs: rows become those of the new code without a query failing, and nothing happens that nobody asked for."""

import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apps import shop
from hosts.providers import open_events, open_rows
from hosts.upgrade import finish, nothing_to_do, show, start
from providers.memory.rows import MemoryReadStore
from providers.memory.signals import MemorySignals
from runtime.domain import App, Projection
from runtime.domain.filters import Query
from runtime.flow.command import Commands
from runtime.flow.project import open_generation
from runtime.flow.rebuild import Rebuild
from runtime.flow.sink import Sink
from runtime.flow.sync import Sync
from runtime.ports import Phase, ReadStore
from runtime.steps import run
from tests.cli.running import started
from tests.flow.house import House
from tests.simulation.world import START


def show_louder(ticket: shop.Ticket | None, event: shop.OrderPlaced | shop.OrderSettled) -> shop.Ticket:
    """Other code, other rows."""
    return shop.Ticket(event.order, event.customer.upper(), event.amount, "placed")


def show_quieter(ticket: shop.Ticket | None, event: shop.OrderPlaced | shop.OrderSettled) -> shop.Ticket:
    """Yet other code."""
    return shop.Ticket(event.order, event.customer.lower(), event.amount, "quiet")


def version(show: Callable[..., shop.Ticket]) -> App:
    """The shop with other tickets."""
    tickets: Any = Projection("ticket", key="order", row=shop.Ticket, evolve=show)
    return App("shop", parts=tuple(tickets if part is shop.tickets else part for part in shop.app.parts))


SECOND, THIRD = version(show_louder), version(show_quieter)


@pytest.fixture
def house() -> House:
    """A shop of the first version that has sold something."""
    house = House(shop.app)
    house.send(shop.Restock("tea", 100))
    for number in range(5):
        house.send(shop.PlaceOrder(f"o{number}", "ann", "tea", 1, 100, START))
    house.fold("rows", "selling")
    return house


def upgrade(house: House, app: App, group: str = "rows") -> str:
    """What the job does, in this process; "" when it rebuilt."""
    reason = nothing_to_do(app, group, house.store, house.rows)
    if not reason:
        work = Rebuild(app, group, house.store, house.rows, house.bus, house.signals, house.world)
        start(work, house.rows, (app.groups[group].schema, house.store.epoch()), group)
    return reason


def phases(house: House, group: str = "rows") -> list[tuple[int, str]]:
    return [(one.number, str(one.phase)) for one in house.rows.generations(group)]


def customers(rows: ReadStore, number: int) -> set[str]:
    table = next(table for table in SECOND.groups["rows"].tables if table.part == "ticket")
    place = [column.name for column in table.columns].index("customer")
    page = rows.query(number, table, Query(first=1_000, tenant=None))
    return {str(row.values[place]) for _, row in page.rows if row.values is not None}


def test_rows_of_other_code_are_filled_anew_and_taken_over(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    assert customers(house.rows, 1) == {"ann"}
    assert upgrade(house, SECOND) == ""
    assert (phases(house), customers(house.rows, 2)) == ([(1, "blue"), (2, "live")], {"ANN"})
    assert capsys.readouterr().out.splitlines()[0::2] == ["rows: filling generation 2", "rows: generation 2 is live"]


def test_what_is_watched_is_where_green_is_whatever_the_old_pods_showed_last(house: House) -> None:
    upgrade(house, SECOND)
    house.send(shop.PlaceOrder("late", "ann", "tea", 1, 100, START))
    house.relay()
    house.bus.commit_now("shop.rows")  # a pod of the old code has folded it, and said so, before it looked again
    show(SECOND, "rows", house.bus, house.rows)
    assert house.bus.lag("shop.rows") == house.bus.lag("shop.rows.2")
    assert sum(house.bus.lag("shop.rows").values()) > 0  # so that KEDA wakes one for green


def test_rows_of_this_code_are_left_alone(house: House) -> None:
    assert upgrade(house, shop.app) == "generation 1 is live and of this code"
    assert upgrade(house, SECOND) == ""
    assert upgrade(house, SECOND) == "generation 2 is live and of this code"
    assert phases(house) == [(1, "blue"), (2, "live")]


def test_where_there_is_no_generation_there_is_nothing_to_upgrade(house: House) -> None:
    empty = House(shop.app)
    for each, group in ((house, "rows"), (empty, "rows"), (empty, "selling")):
        each.rows = MemoryReadStore(each.clock.now, blocking=False)
        assert upgrade(each, SECOND, group) == "there is no generation yet: the first projector makes it"
        assert phases(each, group) == []


def test_a_green_of_yet_other_code_makes_room(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    left = run(Rebuild(SECOND, "rows", house.store, house.rows, house.bus, house.signals, house.world).start())
    assert upgrade(house, THIRD) == ""
    assert "generation 2, begun by other code and never live, is dropped" in capsys.readouterr().out
    assert (left.number, phases(house), customers(house.rows, 3)) == (2, [(1, "blue"), (3, "live")], {"ann"})


def test_a_green_of_this_code_is_filled_on(house: House) -> None:
    run(Rebuild(SECOND, "rows", house.store, house.rows, house.bus, house.signals, house.world).start())
    assert upgrade(house, SECOND) == ""
    assert phases(house) == [(1, "blue"), (2, "live")]


def test_a_restored_store_is_no_upgrade(house: House) -> None:
    house.store.raise_epoch()
    reason = upgrade(house, shop.app)
    assert "the store was restored" in reason and "rebuild start --group rows" in reason
    assert phases(house) == [(1, "live")]


def test_a_saga_whose_rows_are_gone_is_never_decided_for(house: House) -> None:
    house.rows = MemoryReadStore(house.clock.now, blocking=False)
    reason = upgrade(house, shop.app, "selling")
    assert "--silent" in reason and "--resend" in reason and "--group selling" in reason
    assert (phases(house, "selling"), house.rows.outputs("selling", 10)) == ([], [])


def test_an_old_generation_goes_when_its_readers_have_gone(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    assert upgrade(house, SECOND) == ""
    work = Rebuild(SECOND, "rows", house.store, house.rows, house.bus, house.signals, house.world)
    house.rows.lease("rows", 1, "an old gateway", 60.0)
    capsys.readouterr()
    finish(work, house.rows, "rows", 0.0)
    assert phases(house) == [(1, "blue"), (2, "live")]
    assert "generation 1 is still read" in capsys.readouterr().out
    timer = threading.Timer(0.3, lambda: house.rows.lease("rows", 1, "an old gateway", 0.0))
    timer.start()
    finish(work, house.rows, "rows", 30.0)
    timer.join()
    assert phases(house) == [(2, "live")]
    assert capsys.readouterr().out.splitlines() == ["rows: generation 1 is dropped", "rows: nothing old is left"]
    finish(work, house.rows, "rows", 30.0)
    assert capsys.readouterr().out == "rows: nothing old is left\n"


# --- as a process


def test_killed_anywhere_the_job_is_simply_run_again(tmp_path: Path, kafka_url: str) -> None:
    name = f"shop{uuid.uuid4().hex[:12]}"
    parts = "tuple(Projection('ticket', key='order', row=shop.Ticket, evolve=show) if part is shop.tickets else part for part in shop.app.parts)"
    (tmp_path / "mine.py").write_text(
        "from apps import shop\nfrom runtime.domain import App, Projection\n"
        "def show(ticket: shop.Ticket | None, event: shop.OrderPlaced | shop.OrderSettled) -> shop.Ticket:\n"
        "    return shop.Ticket(event.order, event.customer.upper(), event.amount, 'placed')\n"
        f"app = App({name!r}, parts={parts})\n"
    )
    urls = {option: f"sqlite:///{tmp_path}/{option}.db" for option in ("events", "rows")}
    first = App(name, parts=shop.app.parts)
    events, rows = open_events(urls["events"], first), open_rows(urls["rows"], first)
    live = run(open_generation(first, "rows", events.store, rows))
    commands = Commands(first, events.store, events.snapshots)
    for number in range(300):
        commands.send(shop.PlaceOrder(f"o{number}", "ann", "tea", 1, 100, START))
    sink = Sink(first, "rows", live.number, events.store, rows, MemorySignals(), epoch=live.epoch)
    run(Sync(sink).run(lambda shard: True))
    told = {f"TRIMARAN_{option.upper()}": url for option, url in {**urls, "app": "mine:app", "bus": kafka_url, "partitions": "2"}.items()}
    for lines in (0, 1, 2):
        with started(tmp_path, "start", "--group=rows", module="hosts.upgrade", env=told) as process:
            assert process.stdout is not None
            for _ in range(lines):
                process.stdout.readline()
            process.kill()
    with started(tmp_path, "start", "--group=rows", module="hosts.upgrade", env=told) as process:
        out, error = process.communicate(timeout=90)
        assert (process.returncode, error) == (0, ""), out
    assert [(one.number, one.phase) for one in rows.generations("rows")] == [(1, Phase.BLUE), (2, Phase.LIVE)]
    assert customers(rows, 2) == {"ANN"}
    with started(tmp_path, "start", "--group=nothing", module="hosts.upgrade", env=told) as process:
        out, error = process.communicate(timeout=90)
        assert (process.returncode, out, error.count("\n")) == (2, "", 1)
        assert "'nothing'" in error
    rows.close()
    events.store.close()
