"""Who caused what, over the streams of a sale that is given back, in short streams and long ones, and no further than is bounded."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from apps import shop
from hosts.admin import causes
from runtime.domain import App
from runtime.ports import Append, New
from tests.hosts.admin_house import MEMORY, House, files, running

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOLD = ["order-o1@1", "order-o1@2", "payment-o1@1", "stock-tea@2"]
LOST = [*SOLD, "stock-tea@3"]


@pytest.fixture(params=["memory", "sqlite"])
def house(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A shop with tea."""
    monkeypatch.chdir(tmp_path)
    stores = files(tmp_path) if request.param == "sqlite" else {"events": MEMORY, "rows": MEMORY}
    with running(shop.app, tmp_path, **stores) as opened:
        opened.send(shop.Restock("tea", 10))
        yield opened


def order(house: House, amount: int, name: str = "o1", tenant: str = "") -> None:
    house.send(shop.PlaceOrder(name, "ann", "tea", 2, amount, NOON), tenant)
    house.settle()


def chain(house: House, name: str, version: int) -> Any:
    return house.told("chain", name=name, version=version)


def ids(answer: Any) -> list[str]:
    return sorted(node["id"] for node in answer["nodes"])


def test_a_sale_is_one_chain_from_whichever_event_one_asks(house: House) -> None:
    order(house, 100)
    found = chain(house, "order-o1", 1)
    assert (found["root"], ids(found), found["cut"]) == ("order-o1@1", SOLD, False)
    assert sorted((edge["from"], edge["to"], edge["saga"]) for edge in found["edges"]) == [
        ("order-o1@1", "stock-tea@2", "selling"),
        ("payment-o1@1", "order-o1@2", "selling"),
        ("stock-tea@2", "payment-o1@1", "selling"),
    ]
    for id in SOLD:
        stream, _, version = id.rpartition("@")
        again = chain(house, stream, int(version))
        assert (again["root"], ids(again)) == ("order-o1@1", SOLD)


def test_what_takes_something_back_is_proven_to_compensate(house: House) -> None:
    order(house, shop.CREDIT + 1)
    found = chain(house, "order-o1", 1)
    assert ids(found) == LOST
    nodes = {node["id"]: node for node in found["nodes"]}
    assert {id: (node["type"], node["command"], node["compensates"]) for id, node in nodes.items()} == {
        "order-o1@1": ("OrderPlaced", None, False),
        "stock-tea@2": ("Reserved", "Reserve", False),
        "payment-o1@1": ("ChargeRefused", None, False),  # its amount is in no event beside it
        "order-o1@2": ("OrderSettled", "SettleOrder", False),
        "stock-tea@3": ("Restocked", "Restock", True),
    }
    assert {"from": "order-o1@2", "to": "stock-tea@3", "saga": "selling"} in found["edges"]


def test_a_refund_compensates_too(house: House) -> None:
    order(house, 100)
    house.local.commands.send(shop.Refund("o1"), "selling:payment-o1@1:2", cause="payment-o1@1")  # as its dispatcher would
    (refunded,) = [node for node in chain(house, "order-o1", 1)["nodes"] if node["id"] == "payment-o1@2"]
    assert (refunded["type"], refunded["saga"], refunded["command"], refunded["compensates"]) == ("Refunded", "selling", "Refund", True)


def test_other_sales_of_the_same_product_are_not_in_it(house: House) -> None:
    for name in ("o1", "o2", "o3"):
        order(house, 100, name)
    assert ids(chain(house, "order-o2", 1)) == ["order-o2@1", "order-o2@2", "payment-o2@1", "stock-tea@3"]


def test_in_a_long_stream_the_effects_are_found_by_their_keys(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    order(house, shop.CREDIT + 1)
    for _ in range(30):
        house.send(shop.Restock("tea", 1))
    house.settle()
    monkeypatch.setattr(causes, "SHORT", 5)
    read, reads = house.local.events.store.read, []

    def noted(stream: str, after: int, limit: int) -> Any:
        found = read(stream, after, limit)
        reads.append(len(found))
        return found

    house.local.events.store.read = noted  # type: ignore[method-assign]
    assert (ids(chain(house, "order-o1", 1)), max(reads)) == (LOST, 6)
    assert ids(chain(house, "stock-tea", 3)) == LOST


def test_an_event_that_nothing_caused_and_that_caused_nothing_is_alone(house: House) -> None:
    found = chain(house, "stock-tea", 1)
    assert (ids(found), found["edges"], found["cut"]) == (["stock-tea@1"], [], False)


def test_a_chain_is_cut_where_it_is_too_long(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    order(house, shop.CREDIT + 1)
    monkeypatch.setattr(causes, "NODES", 3)
    found = chain(house, "order-o1", 1)
    assert (len(found["nodes"]), found["cut"]) == (3, True)
    assert all(edge["to"] in ids(found) and edge["from"] in ids(found) for edge in found["edges"])


def test_the_way_up_is_cut_where_it_is_too_long(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    order(house, shop.CREDIT + 1)
    monkeypatch.setattr(causes, "UP", 1)
    found = chain(house, "stock-tea", 3)
    assert (found["root"], found["cut"], ids(found)) == ("order-o1@2", True, ["order-o1@2", "stock-tea@3"])


def test_a_cause_that_is_not_there_or_goes_in_a_circle_ends_the_way_up(house: House) -> None:
    store = house.local.events.store
    event = New("Restocked", b'{"type":"Restocked","sku":"x","quantity":1}')
    store.append(Append("stock-x", 0, (event,), "a", b"d", "order-gone@7"))
    store.append(Append("stock-x", 1, (event,), "b", b"d", "stock-x@3"))
    store.append(Append("stock-x", 2, (event,), "c", b"d", "stock-x@2"))
    assert (chain(house, "stock-x", 1)["root"], chain(house, "stock-x", 1)["cut"]) == ("stock-x@1", True)
    found = chain(house, "stock-x", 2)
    assert (ids(found), found["cut"]) == (["stock-x@2", "stock-x@3"], True)


def test_an_event_that_is_not_there_is_not_found(house: House) -> None:
    for asked in ({"name": "stock-tea", "version": 9}, {"name": "order-none", "version": 1}):
        status, error = house.ask("chain", **asked)
        assert (status, error["code"]) == (404, "NOT_FOUND")
    assert house.ask("chain", name="stock-tea")[0] == 200
    assert house.ask("chain", name="stock-tea", version="x")[0] == 400


def test_a_tenant_has_its_own_chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with running(App("shops", parts=shop.app.parts, tenant="claim"), tmp_path) as house:
        for tenant in ("acme", "zeta"):
            house.send(shop.Restock("tea", 10), tenant)
            order(house, 100, tenant=tenant)
        assert ids(chain(house, "zeta/order-o1", 1)) == [f"zeta/{id}" for id in SOLD]


def test_a_timer_that_went_off_is_an_effect_as_well(house: House) -> None:
    house.local.rows.set_clock(NOON)
    with pytest.MonkeyPatch.context() as patch:  # the stock does not answer
        patch.setattr(house.local.rows, "due", lambda *_: [])
        house.send(shop.PlaceOrder("o9", "ann", "tea", 2, 100, NOON))
        house.wait(lambda: house.local.rows.outputs("selling", 10))
    house.local.rows.set_clock(NOON + timedelta(hours=1))
    house.settle()
    found = chain(house, "order-o9", 1)
    assert {"order-o9@1", "order-o9@2", "stock-tea@2"} <= set(ids(found))
