"""An operator at work on real flights: a late one with its timer, a saga that is stuck and is helped, on each store, beside what runs."""

import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from apps import flights
from tests.cli.running import trimaran
from tests.hosts.admin_house import MEMORY, House, files, running

TEN = datetime(2013, 1, 1, 15, tzinfo=UTC)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def house(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """Flights, in the morning of a day in 2013."""
    monkeypatch.chdir(tmp_path)
    stores = {"events": MEMORY, "rows": MEMORY}
    if request.param == "sqlite":
        stores = files(tmp_path)
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
        stores = {"events": url, "rows": url}
    with running(flights.app, tmp_path, **stores) as opened:
        opened.local.rows.set_clock(TEN - timedelta(hours=1))
        yield opened


def scheduled(house: House, *numbers: int) -> None:
    for number in numbers:
        day = date(2013, 1, 1)
        id = flights.flight_id(day, "UA", number, "EWR")
        house.send(flights.ScheduleFlight(id, day, "UA", number, "EWR", "SFO", TEN))
    house.settle()


def name(number: int) -> str:
    return f"flight-2013-01-01-UA-{number}-EWR"


def states(house: House) -> dict[str, str]:
    return {one["key"]: one["state"] for one in house.told("sagas")["sagas"]}


def test_a_flight_that_does_not_leave_is_flagged_by_a_timer_and_the_chain_shows_it(house: House) -> None:
    scheduled(house, 1, 2)
    assert set(states(house).values()) == {"waiting"}
    (one, _) = house.told("sagas")["sagas"]
    assert (one["row"], one["outputs"][0]["due"]) == ({}, "2013-01-01T15:15:00Z")
    house.send(flights.DepartFlight("2013-01-01-UA-2-EWR", TEN))
    house.settle()
    house.local.rows.set_clock(TEN + timedelta(hours=1))
    house.settle()
    assert states(house) == {}
    found = house.told("chain", name=name(1), version=1)
    assert [(node["type"], node["saga"], node["command"], node["compensates"]) for node in found["nodes"]] == [
        ("FlightScheduled", None, None, False),
        ("FlightFlaggedLate", "flagging", "FlagLate", False),
    ]
    assert found["edges"] == [{"from": f"{name(1)}@1", "to": f"{name(1)}@2", "saga": "flagging"}]
    assert house.told("state", name=name(2))["state"]["departed"] == "2013-01-01T15:00:00Z"
    assert len(house.told("streams", kind="flight", prefix="2013-01-01-UA")["streams"]) == 2


def test_a_stuck_timer_is_seen_and_tried_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    scheduled(house, 1)
    (timer,) = house.local.rows.outputs("flagging", 10)
    house.local.rows.failed(timer, "somebody unplugged it", None)
    house.local.rows.set_clock(TEN + timedelta(hours=1))
    house.settle()
    assert states(house) == {"2013-01-01-UA-1-EWR": "stuck"}
    assert house.operate("unstick", {"saga": "flagging", "stream": name(1)}) == (200, {"commands": 1})
    house.wait(lambda: house.told("stream", name=name(1))["version"] == 2)


def test_a_rebuild_beside_a_steady_stream_of_commands_ends_with_the_same_rows(house: House) -> None:
    """The fill, the turns and the commands meet in the stores; nothing is lost, and nothing is counted twice."""
    scheduled(house, *range(1, 60))
    stop = threading.Event()

    def fly() -> None:
        for number in range(60, 120):
            if stop.is_set():
                return
            id = flights.flight_id(date(2013, 1, 1), "UA", number, "EWR")
            house.send(flights.ScheduleFlight(id, date(2013, 1, 1), "UA", number, "EWR", "SFO", TEN))

    flying = threading.Thread(target=fly)
    flying.start()
    try:
        step(house, "start")
        house.wait(lambda: job(house)["step"] == "filled")
        step(house, "swap")
    finally:
        flying.join(30)
        stop.set()
    house.wait(lambda: house.local.projectors["rows"].generation.number == 2)
    house.settle()
    (origin,) = rows(house, "origin")
    assert (origin["scheduled"], len(rows(house, "board"))) == (119, 119)
    step(house, "start")  # green again, beside what is live now
    house.wait(lambda: job(house)["step"] == "filled")
    for part in house.told("rebuilds/compare", group="rows")["parts"]:
        assert (part["differ"], part["only_live"], part["only_green"]) == (0, 0, 0), part


def step(house: House, what: str) -> None:
    status, answer = house.operate("rebuild", {"group": "rows", "step": what})
    assert status == 200, answer


def job(house: House) -> Any:
    found: Any = house.told("rebuilds")["groups"][0]["job"]
    assert found["error"] is None
    return found


def rows(house: House, part: str) -> list[Any]:
    status, answer = house._asked("GET", f"/rows/{part}?first=1000")
    assert status == 200, answer
    found: list[Any] = answer["rows"]
    return found


def test_the_command_line_sees_the_same_stuck_saga(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    urls = files(tmp_path)
    with running(flights.app, tmp_path, **urls) as house:
        house.local.rows.set_clock(TEN - timedelta(hours=1))
        scheduled(house, 1)
        (timer,) = house.local.rows.outputs("flagging", 10)
        house.local.rows.failed(timer, "somebody unplugged it", None)
        assert states(house) == {"2013-01-01-UA-1-EWR": "stuck"}
        stores = ("--app", "flights", "--events", urls["events"], "--rows", urls["rows"])
        listed = trimaran(tmp_path, "dlq", "list", *stores)
        assert ("somebody unplugged it" in listed.stdout, name(1) in listed.stdout) == (True, True), listed.stderr
        done = trimaran(tmp_path, "dlq", "redrive", "flagging", name(1), *stores)
        assert "tried again" in done.stdout, done.stderr
        house.wait(lambda: set(states(house).values()) == {"waiting"})
