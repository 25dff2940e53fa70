"""A rebuild step by step while the app runs: progress, comparison, swap, what comes in meanwhile, and an end in the middle."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from apps import shop
from hosts.admin import comparing
from hosts.admin.rebuilds import Cancelled, Job, watched
from runtime.domain.filters import Query
from runtime.ports import Phase
from runtime.steps import Steps, ask, run
from tests.cli.running import trimaran
from tests.hosts.admin_house import MEMORY, House, files, running

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def house(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A shop that has sold something."""
    monkeypatch.chdir(tmp_path)
    stores = {"events": MEMORY, "rows": MEMORY}
    if request.param == "sqlite":
        stores = files(tmp_path)
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
        stores = {"events": url, "rows": url}
    with running(shop.app, tmp_path, **stores) as opened:
        opened.send(shop.Restock("tea", 10))
        buy(opened, "o1", "o2", "o3")
        yield opened


def buy(house: House, *orders: str) -> None:
    for order in orders:
        house.send(shop.PlaceOrder(order, "ann", "tea", 1, 100, NOON))
    house.settle()


def group(house: House, name: str = "rows") -> Any:
    (found,) = [one for one in house.told("rebuilds")["groups"] if one["group"] == name]
    return found


def step(house: House, what: str, name: str = "rows") -> Any:
    status, answer = house.operate("rebuild", {"group": name, "step": what})
    assert status == 200, answer
    return answer


def filled(house: House, name: str = "rows") -> Any:
    """Wait until the fill is over."""
    return house.wait(lambda: (now := group(house, name))["job"]["step"] != "filling" and now)


def tickets(house: House) -> dict[str, str]:
    """The tickets as readers see them."""
    _, page = run(house.local.reading.query("ticket", Query(first=1_000)))
    return {key: str(row.values[3]) for key, row in page.rows if row.values is not None}


def finished(house: House, name: str = "rows") -> Any:
    """Until nobody reads what was replaced."""

    def done() -> Any:
        status, answer = house.operate("rebuild", {"group": name, "step": "finish"})
        assert status == 200 or "still read" in answer["error"], answer
        return answer if status == 200 else None

    return house.wait(done)


def test_a_group_that_is_not_rebuilt_is_told_as_it_is(house: House) -> None:
    assert [(one["group"], one["saga"], one["live"], one["green"], one["job"]) for one in house.told("rebuilds")["groups"]] == [
        ("rows", False, 1, None, None),
        ("selling", True, 1, None, None),
    ]
    assert group(house)["generations"][0] == {"number": 1, "phase": "live", "leases": 0}
    status, error = house.ask("rebuilds/compare", group="rows")
    assert (status, "no rebuild to compare" in error["error"]) == (400, True)


def test_a_rebuild_goes_step_by_step_and_rows_go_on_after_it(house: House) -> None:
    assert step(house, "start")["green"] == 2
    now = filled(house)
    assert (now["job"], now["live"], now["streams"], now["streams_done"]) == (
        {"step": "filled", "folded": now["events"], "error": None},
        1,
        7,
        7,
    )
    for part in house.told("rebuilds/compare", group="rows")["parts"]:
        assert part["live_rows"] == part["green_rows"] > 0
        assert (part["differ"], part["only_live"], part["only_green"], part["examples"], part["cut"]) == (0, 0, 0, [], False)
    swapped = step(house, "swap")
    assert (swapped["live"], swapped["green"], swapped["job"]["step"]) == (2, None, "done")
    buy(house, "o4")
    house.wait(lambda: tickets(house) == dict.fromkeys(("o1", "o2", "o3", "o4"), "sold"))
    assert [one["number"] for one in finished(house)["generations"]] == [2]
    buy(house, "o5")
    house.wait(lambda: tickets(house).get("o5") == "sold")
    assert group(house)["job"] is None


def test_the_generation_that_was_replaced_is_folded_on_until_it_is_dropped(house: House) -> None:
    step(house, "start")
    filled(house)
    step(house, "swap")
    buy(house, "o4")
    (table, _) = shop.app.groups["rows"].tables
    house.wait(lambda: len(house.local.rows.query(1, table, Query()).rows) == 4)
    house.wait(lambda: len(house.local.rows.query(2, table, Query()).rows) == 4)
    assert [one.phase for one in house.local.rows.generations("rows")] == [Phase.BLUE, Phase.LIVE]


def test_a_saga_is_rebuilt_and_sends_nothing_twice(house: House) -> None:
    before = [(head.stream, head.version) for head in house.local.events.store.heads("", 100)]
    step(house, "start", "selling")
    assert filled(house, "selling")["job"]["step"] == "filled"
    step(house, "swap", "selling")
    finished(house, "selling")
    house.settle()
    assert [(head.stream, head.version) for head in house.local.events.store.heads("", 100)] == before
    buy(house, "o4")
    house.wait(lambda: tickets(house).get("o4") == "sold")


def test_while_it_is_filled_nothing_else_begins_and_live_goes_on(house: House) -> None:
    gate, reached = holding(house)
    step(house, "start")
    reached.wait(30)
    try:
        for what in ("start", "swap"):
            status, error = house.operate("rebuild", {"group": "rows", "step": what})
            assert (status, error["code"], "wait until" in error["error"]) == (400, "REJECTED", True)
        assert group(house)["job"]["step"] == "filling"
        buy(house, "o4")
        assert tickets(house)["o4"] == "sold"
    finally:
        gate.set()
    assert filled(house)["job"]["step"] == "filled"
    step(house, "swap")
    house.wait(lambda: len(tickets(house)) == 4)


def test_an_abort_ends_the_fill_and_leaves_live_alone(house: House) -> None:
    gate, reached = holding(house)
    step(house, "start")
    reached.wait(30)
    threading.Timer(0.3, gate.set).start()
    now = step(house, "abort")
    assert (now["green"], now["job"], [one["number"] for one in now["generations"]]) == (None, None, [1])
    buy(house, "o4")
    assert tickets(house)["o4"] == "sold"
    status, error = house.operate("rebuild", {"group": "rows", "step": "abort"})
    assert (status, "no rebuild to abort" in error["error"]) == (400, True)


def test_a_fill_that_is_to_end_does_so_before_its_next_request_and_rolls_back() -> None:
    stop, job, made = threading.Event(), Job("filling"), []

    def begin() -> None:
        made.append("begin")
        stop.set()

    def write() -> None:
        made.append("write")

    def rollback() -> None:
        made.append("rollback")

    def fill() -> Steps[int]:
        yield from ask(begin)
        try:
            yield from ask(write)
        except Exception:
            yield from ask(rollback)
            raise
        return 1

    with pytest.raises(Cancelled):
        run(watched(fill(), job, stop))
    assert made == ["begin", "rollback"]


def holding(house: House) -> tuple[threading.Event, threading.Event]:
    """The store's bulk reads wait for the first event, and say by the second that one does."""
    gate, reached = threading.Event(), threading.Event()
    bulk = house.local.events.store.bulk

    def held(*arguments: Any) -> Any:
        reached.set()
        gate.wait(30)
        return bulk(*arguments)

    house.local.events.store.bulk = held  # type: ignore[method-assign,assignment]
    return gate, reached


def test_a_fill_that_fails_says_why_and_goes_on_when_it_is_started_again(house: House) -> None:
    bulk = house.local.events.store.bulk

    def broken(*arguments: Any) -> Any:
        raise ValueError("a disk that hums")

    house.local.events.store.bulk = broken  # type: ignore[method-assign,assignment]
    step(house, "start")
    assert filled(house)["job"] == {"step": "failed", "folded": 0, "error": "internal error: ValueError"}
    house.local.events.store.bulk = bulk  # type: ignore[method-assign]
    assert step(house, "start")["green"] == 2
    assert filled(house)["job"]["step"] == "filled"


def test_what_differs_is_counted_and_shown(house: House) -> None:
    step(house, "start")
    filled(house)
    buy(house, "o4")
    ticket, sales = house.told("rebuilds/compare", group="rows")["parts"]
    assert (ticket["live_rows"], ticket["green_rows"], ticket["only_live"], ticket["differ"]) == (4, 3, 1, 0)
    assert ticket["examples"] == [{"key": "o4", "live": {"order": "o4", "customer": "ann", "amount": 100, "stage": "sold"}, "green": None}]
    assert (sales["differ"], sales["examples"][0]["live"]["orders"], sales["examples"][0]["green"]["orders"]) == (1, 4, 3)


def test_a_comparison_that_is_cut_says_nothing_of_what_it_did_not_see(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    step(house, "start")
    filled(house)
    buy(house, "o0")  # in live only, and before the others: the pages end at other keys
    monkeypatch.setattr(comparing, "PAGE", 2)
    monkeypatch.setattr(comparing, "ROWS", 2)
    ticket, _ = house.told("rebuilds/compare", group="rows")["parts"]
    assert (ticket["cut"], ticket["live_rows"], ticket["only_live"], ticket["only_green"], ticket["differ"]) == (True, 2, 1, 0, 0)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"group": "nothing", "step": "start"}, "has no group 'nothing'"),
        ({"group": "rows", "step": "dance"}, "say start, swap, abort, finish"),
        ({"group": "rows", "step": "swap"}, "has no rebuild"),
        ({"group": "rows"}, "does not fit"),
    ],
)
def test_a_step_that_cannot_be_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: object, says: str) -> None:
    monkeypatch.chdir(tmp_path)
    with running(shop.app, tmp_path) as house:
        status, error = house.operate("rebuild", body)
        assert (status, says in error["error"]) == (400, True), error
        assert group(house)["job"] is None


def test_what_a_process_left_in_the_middle_the_command_line_goes_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with running(shop.app, tmp_path, **files(tmp_path)) as house:
        house.send(shop.Restock("tea", 10))
        buy(house, "o1", "o2")
        gate, reached = holding(house)
        step(house, "start")
        reached.wait(30)
        threading.Timer(0.3, gate.set).start()  # the process stops while this one waits
    urls = files(tmp_path)
    stores = ("--events", urls["events"], "--rows", urls["rows"])
    status = trimaran(tmp_path, "rebuild", "status", "--group", "rows", *stores)
    assert "generation 2 has" in status.stdout, status.stderr
    done = trimaran(tmp_path, "rebuild", "start", "--group", "rows", *stores)
    assert "generation 2 is live" in done.stdout, done.stderr
    with running(shop.app, tmp_path, **urls) as house:
        assert tickets(house) == {"o1": "sold", "o2": "sold"}
