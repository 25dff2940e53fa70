"""Which sagas run, wait, compensate or are stuck, with what they want sent, and counts that are honest."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from apps import shop
from hosts.admin import sagas as sagas_of
from runtime.domain import App, Command
from runtime.ports import Output
from tests.hosts.admin_house import MEMORY, House, files, running

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(params=["memory", "sqlite"])
def house(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A shop whose sagas are not dispatched, unless a test lets them."""
    monkeypatch.chdir(tmp_path)
    stores = files(tmp_path) if request.param == "sqlite" else {"events": MEMORY, "rows": MEMORY}
    with running(shop.app, tmp_path, **stores) as opened:
        opened.local.rows.set_clock(NOON)
        monkeypatch.setattr(opened.local.rows, "due", lambda *_: [])
        yield opened


def placed(house: House, *orders: str, tenant: str = "") -> None:
    for order in orders:
        house.send(shop.PlaceOrder(order, "ann", "tea", 2, 100, NOON), tenant)
    house.settle()


def pending(house: House, order: str) -> list[Output]:
    return [one for one in house.local.rows.outputs("selling", 1_000) if one.key.endswith(order)]


def put(house: House, order: str, command: Command, n: int, due: datetime | None = None) -> Output:
    """Something more that the saga of an order wants sent."""
    output = Output("selling", order, f"order-{order}", 1, n, shop.app.encode(command), due=due)
    house.local.rows.put_outputs([output])
    return output


def states(answer: Any) -> dict[str, str]:
    return {one["key"]: one["state"] for one in answer["sagas"]}


def test_nothing_is_there_where_nothing_was_begun(house: House) -> None:
    assert house.told("sagas") == {"counts": {"stuck": 0, "compensating": 0, "waiting": 0, "running": 0}, "sagas": [], "cut": False}


def test_a_saga_that_has_a_command_to_send_runs_and_shows_it(house: House) -> None:
    placed(house, "o1")
    found = house.told("sagas")
    assert found["counts"] == {"stuck": 0, "compensating": 0, "waiting": 0, "running": 1}
    (one,) = found["sagas"]
    assert (one["saga"], one["key"], one["tenant"], one["state"]) == (
        "selling",
        '["o1"]' if one["key"] == '["o1"]' else "o1",
        "",
        "running",
    )
    assert one["row"] == {"amount": 100, "taken": 0, "over": False}
    reserve, timer = one["outputs"]
    assert reserve == {
        "command": "Reserve",
        "data": {"type": "Reserve", "sku": "tea", "order": "o1", "quantity": 2},
        "due": None,
        "tries": 0,
        "error": "",
        "stuck": False,
        "stream": "order-o1",
        "version": 1,
    }
    assert (timer["command"], timer["due"]) == ("SettleOrder", "2026-03-01T12:15:00Z")


def test_each_state_is_told_from_what_is_pending(house: House) -> None:
    placed(house, "run", "wait", "back", "held")
    for order in ("wait", "back", "held"):
        house.local.rows.sent([one for one in pending(house, order) if one.due is None])
    put(house, "back", shop.Refund("back"), 7)
    stuck = put(house, "held", shop.Charge("held", 1), 7)
    put(house, "held", shop.Restock("tea", 1), 8)
    house.local.rows.failed(stuck, "no money: it is gone", None)
    found = house.told("sagas")
    assert states(found) == {"run": "running", "wait": "waiting", "back": "compensating", "held": "stuck"}
    assert found["counts"] == dict.fromkeys(("stuck", "compensating", "waiting", "running"), 1)
    assert [one["state"] for one in found["sagas"]] == ["stuck", "compensating", "waiting", "running"]
    (one,) = [output for output in found["sagas"][0]["outputs"] if output["stuck"]]
    assert (one["tries"], one["error"]) == (1, "no money: it is gone")


def test_a_saga_that_only_waits_for_an_answer_runs(house: House) -> None:
    placed(house, "o1")
    house.local.rows.sent(pending(house, "o1"))
    assert states(house.told("sagas")) == {"o1": "running"}


def test_what_is_still_on_its_way_is_shown_when_the_saga_itself_is_over(house: House) -> None:
    put(house, "gone", shop.Refund("gone"), 1)
    (one,) = house.told("sagas")["sagas"]
    assert (one["key"], one["row"], one["state"]) == ("gone", None, "compensating")


def test_a_state_and_a_saga_may_be_asked_for_and_the_counts_stay_whole(house: House) -> None:
    placed(house, "o1", "o2", "o3")
    house.local.rows.sent([one for one in pending(house, "o2") if one.due is None])
    found = house.told("sagas", saga="selling", state="waiting", limit=1)
    assert (states(found), found["counts"]["running"], found["cut"]) == ({"o2": "waiting"}, 2, False)
    assert len(house.told("sagas", limit=2)["sagas"]) == 2
    for asked in ({"saga": "nothing"}, {"state": "asleep"}, {"limit": 0}, {"colour": 1}):
        assert house.ask("sagas", **asked)[0] == 400


def test_what_a_rebuild_holds_back_is_not_pending(house: House) -> None:
    placed(house, "o1")
    held = replace(pending(house, "o1")[0], generation=2, n=99)
    assert held.generation == 2
    house.local.rows.put_outputs([held])
    (one,) = house.told("sagas")["sagas"]
    assert len(one["outputs"]) == 2


@pytest.mark.parametrize("bound", ["ROWS", "OUTPUTS"])
def test_counts_that_are_not_whole_say_so(house: House, monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    placed(house, "o1", "o2", "o3")
    monkeypatch.setattr(sagas_of, "PAGE", 1)
    monkeypatch.setattr(sagas_of, bound, 3 if bound == "ROWS" else 6)
    assert house.told("sagas")["cut"] is False
    monkeypatch.setattr(sagas_of, bound, 2)
    found = house.told("sagas")
    assert (found["cut"], sum(found["counts"].values())) == (True, 3)
    assert all(one["row"] for one in found["sagas"])


def test_a_tenant_is_told_apart_from_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with running(App("shops", parts=shop.app.parts, tenant="claim"), tmp_path) as house:
        monkeypatch.setattr(house.local.rows, "due", lambda *_: [])
        placed(house, "o1", tenant="acme")
        (one,) = house.told("sagas")["sagas"]
        assert (one["tenant"], one["key"], one["outputs"][0]["stream"]) == ("acme", "o1", "acme/order-o1")


def test_a_stuck_saga_is_tried_again_from_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with running(shop.app, tmp_path) as house:
        with monkeypatch.context() as held:
            held.setattr(house.local.rows, "due", lambda *_: [])
            house.send(shop.Restock("tea", 10))
            placed(house, "o1")
            (reserve,) = [one for one in pending(house, "o1") if one.due is None]
            house.local.rows.failed(reserve, "a bug", None)
        assert states(house.told("sagas")) == {"o1": "stuck"}
        assert house.operate("unstick", {"saga": "selling", "stream": "order-o1"}) == (200, {"commands": 1})
        house.settle()
        assert states(house.told("sagas")) == {}
        status, error = house.operate("unstick", {"saga": "selling", "stream": "order-o1"})
        assert (status, "is not stuck at 'order-o1'" in error["error"]) == (400, True)
        assert house.told("stream", name="order-o1")["version"] == 2


def test_a_timer_that_is_due_is_nobodys_fault(house: House) -> None:
    placed(house, "o1")
    house.local.rows.sent([one for one in pending(house, "o1") if one.due is None])
    house.local.rows.set_clock(NOON + timedelta(days=1))
    assert states(house.told("sagas")) == {"o1": "waiting"}
